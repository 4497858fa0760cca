"""The proportions of frames: a camera that was set otherwise sends pictures that the recipe's size distorts."""

from collections.abc import Iterable
from typing import Final

SAME: Final = 0.02
"""Proportions that differ by less are the same, as the pictures of a crop by hand are."""


def in_common(sizes_wh: Iterable[tuple[int, int]]) -> float | None:
    """Width over height that frames of these sizes, in pixels, have in common; None where they differ."""
    found = [width / height for width, height in sizes_wh]
    least, most = min(found), max(found)
    return most if most - least <= SAME * least else None


def misfit(size_wh: tuple[int, int], usual: float) -> str | None:
    """What is wrong with a frame of this size where the samples' width is so many times their height; None: nothing."""
    width, height = size_wh
    got = width / height
    if abs(got - usual) <= SAME * usual:
        return None
    return (
        f"the frame is {width}x{height} pixels, {got:.3g} times as wide as high, and the samples {usual:.3g} times: it "
        "is distorted; set the camera as it was, or calibrate anew"
    )
