"""One picture of a part, good or not."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inspector.synthetic.defect import Defect, Marked, mark
from inspector.synthetic.photograph import Conditions, photograph
from inspector.synthetic.product import product
from inspector.types import UInt8Image


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture with its truth.

    pixels: uint8 (size, size, 3) RGB. mask: bool (size, size), true on the defect.
    defect: None on a good part.
    """

    pixels: UInt8Image
    mask: NDArray[np.bool_]
    defect: Defect | None


def draw_part(rng: np.random.Generator, *, name: str = "plate", defect: Defect | None = None, size: int = 384) -> Drawn:
    """A frame of the product `name`. Equal generator states give equal frames.

    Raises:
        UsageError: no such product, or a size that cannot be drawn.
    """
    part = product(name, size)
    light = Conditions.drawn(rng)
    if defect is None:
        empty = Marked(part.surface, np.zeros((size, size), dtype=np.float32))
        pixels, _ = photograph(part, empty, light)
        return Drawn(pixels, np.zeros((size, size), dtype=np.bool_), None)
    pixels, mask = photograph(part, mark(rng, part, defect), light)
    return Drawn(pixels, mask > 0.4, defect)
