"""Reviewed frames for other programs: a table, annotations, a bundle with the pictures.

Everything is written while it is read, so that memory does not grow with the number of frames.
"""

from inspector.export.bundle import bundle
from inspector.export.checks import check_table
from inspector.export.coco import annotations
from inspector.export.table import table

__all__ = ["annotations", "bundle", "check_table", "table"]
