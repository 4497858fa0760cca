"""A drawn product: parts with varying light, texture, pose and sensor, and defects with exact masks."""

from inspector.synthetic.dataset import write_dataset
from inspector.synthetic.defect import Defect, DefectKind
from inspector.synthetic.part import Drawn, draw_part
from inspector.synthetic.product import PRODUCTS

__all__ = ["PRODUCTS", "Defect", "DefectKind", "Drawn", "draw_part", "write_dataset"]
