"""What a recipe leaves out of a frame, as two pictures that a browser lays over it.

Both have two colours and are small, whatever the frame's size. One bank has the same for all its frames.
"""

import io
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.heatmap import BORDER, border
from inspector.recipe import Recipe
from inspector.window import frame_counts

_BLACK = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Region:
    """PNGs of the frame's size, else transparent. outside_png: black where nothing counts; border_png: its edge."""

    outside_png: bytes
    border_png: bytes

    @classmethod
    def of(cls, recipe: Recipe) -> Self | None:
        """None where the recipe has no region of interest."""
        counts = frame_counts(recipe)
        return None if counts is None else cls(stencil(~counts, _BLACK), stencil(border(counts), BORDER))


def stencil(mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> bytes:
    """A PNG that has a colour where the mask, bool (height, width), is True, and is transparent else."""
    picture = Image.fromarray(mask.astype(np.uint8))
    picture.putpalette([0, 0, 0, *colour])
    written = io.BytesIO()
    picture.save(written, "PNG", transparency=0, bits=1)
    return written.getvalue()
