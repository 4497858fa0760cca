"""What few samples show is found even where they show it more than once."""

from pathlib import Path

import numpy as np
import pytest
from banks import write_good
from line import drawn_part

from calibration.calibrate import Options, calibrate
from calibration.pool import join, patches_of
from calibration.support import DOUBTFUL, support, supported
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.types import Float32Array

RECIPE = Recipe(size_wh=(64, 64), vectors=256, whitening=0)
COUNT, BAD = 40, 4


def grids(rng: np.random.Generator) -> list[Float32Array]:
    """Normal patches about the origin; the first BAD samples share a spot of patches far away."""
    found = [rng.normal(0, 1, (6, 6, 8)).astype(np.float32) for _ in range(COUNT)]
    for grid in found[:BAD]:
        grid[2:4, 2:4] += 8
    return found


@pytest.mark.parametrize("inside", [None, np.indices((6, 6)).sum(0) < 9])
def test_a_defect_that_comes_four_times_is_not_vouched_for(inside: np.ndarray | None) -> None:
    embedded = grids(np.random.default_rng(0))
    patches = join([patches_of(grid, index, inside) for index, grid in enumerate(embedded)])
    maps = support(patches, embedded.__getitem__, COUNT, inside, 0)
    highest = np.array([each.max() for each in maps])
    assert highest[:BAD].min() > 2 * highest[BAD:].max()
    if inside is not None:
        assert all((each[~inside] == 0).all() for each in maps)
    left = patches.take(supported(patches, maps))
    far = (left.vectors.mean(1) > 4).sum()
    assert far == 0
    assert 1 - len(left.vectors) / len(patches.vectors) < DOUBTFUL / 2
    again = support(patches, embedded.__getitem__, COUNT, inside, 0)
    assert all((one == other).all() for one, other in zip(maps, again, strict=True))


def test_scratches_among_the_good_samples_are_found_and_what_they_cost_comes_back(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", COUNT)
    for seed in range(BAD):
        (good / f"bad{seed}.png").write_bytes(drawn_part(700 + seed, scratched=True))
    options = Options(recipe=RECIPE, folds=4)
    mixed = calibrate(good, tmp_path / "mixed", options)
    assert {f"bad{seed}.png" for seed in range(BAD)} <= {item.name for item in mixed.suspects}
    clean = calibrate(
        good, tmp_path / "clean", Options(recipe=RECIPE, folds=4, exclude_suspects=True, max_false_reject=0.05)
    )
    assert 0 < clean.trimmed < DOUBTFUL / 2
    before, after = Pipeline.open(mixed.path), Pipeline.open(clean.path)
    for seed in range(5):
        scratched = drawn_part(800 + seed, scratched=True)
        assert after.inspect(scratched).score > clean.thresholds.ng
        assert after.inspect(scratched).score > 1.2 * before.inspect(scratched).score
