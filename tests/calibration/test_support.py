"""What few samples show is found even where they show it more than once."""

import numpy as np
import pytest

from calibration.pool import join, patches_of
from calibration.support import support
from inspector.types import Float32Array

COUNT, BAD = 40, 4


def grids(rng: np.random.Generator) -> list[Float32Array]:
    """Normal patches about the origin; the first BAD samples share a spot of patches far away."""
    found = [rng.normal(0, 1, (6, 6, 8)).astype(np.float32) for _ in range(COUNT)]
    for grid in found[:BAD]:
        grid[2:4, 2:4] += 8
    return found


def as_they_are(vectors: Float32Array) -> Float32Array:
    return vectors


@pytest.mark.parametrize("inside", [None, np.indices((6, 6)).sum(0) < 9])
def test_a_defect_that_comes_four_times_is_not_vouched_for(inside: np.ndarray | None) -> None:
    embedded = grids(np.random.default_rng(0))
    patches = [patches_of(grid, index, inside) for index, grid in enumerate(embedded)]
    folds = [join(patches[:15]), join(patches[15:])]
    maps = support(folds, as_they_are, embedded.__getitem__, COUNT, inside, 0)
    highest = np.array([each.max() for each in maps])
    assert highest[:BAD].min() > 2 * highest[BAD:].max()
    if inside is not None:
        assert all((each[~inside] == 0).all() for each in maps)
    again = support([join(patches)], as_they_are, embedded.__getitem__, COUNT, inside, 0)
    assert all((one == other).all() for one, other in zip(maps, again, strict=True))
