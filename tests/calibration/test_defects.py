"""Synthetic defects: seen, where the mask says, of the part's own colours, the same for the same seed."""

import cv2
import numpy as np
import pytest

from calibration.defects import KINDS, LEAST_AREA, VISIBLE, plant
from inspector.types import UInt8Image


def part(seed: int, *, grey: bool = False) -> UInt8Image:
    """A textured disc on an even background, 96 x 128."""
    noise = np.random.default_rng(seed).normal(0, 30, (96, 128, 3))
    if grey:
        noise[:] = noise[..., :1]
    disc = cv2.circle(np.zeros((96, 128), np.float32), (64, 48), 40, 1.0, -1)[..., None]
    return np.clip(60 + disc * (80 + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", KINDS)
def test_a_defect_is_where_its_mask_says(kind: str) -> None:
    picture = part(0)
    for seed in range(6):
        planted = plant(np.random.default_rng(seed), picture, [kind])
        assert planted.kind == kind
        assert (planted.picture.shape, planted.picture.dtype) == (picture.shape, np.uint8)
        changed = np.abs(planted.picture.astype(int) - picture).max(2)
        np.testing.assert_array_equal(planted.mask, changed > VISIBLE)


@pytest.mark.parametrize("kind", KINDS)
def test_defects_are_seen_and_lie_on_the_part(kind: str) -> None:
    planted = [plant(np.random.default_rng(seed), part(seed), [kind]) for seed in range(20)]
    assert np.mean([item.mask.sum() >= LEAST_AREA for item in planted]) > 0.8
    disc = cv2.circle(np.zeros((96, 128), np.uint8), (64, 48), 46, 1, -1) > 0
    assert np.mean([disc[item.mask].mean() > 0.4 for item in planted if item.mask.any()]) > 0.8


def test_grey_stays_grey() -> None:
    for seed in range(20):
        planted = plant(np.random.default_rng(seed), part(seed, grey=True))
        assert (planted.picture == planted.picture[..., :1]).all()


def test_the_same_seed_plants_the_same_defect_and_leaves_the_picture_alone() -> None:
    picture = part(3)
    before = picture.copy()
    first, again = (plant(np.random.default_rng(5), picture) for _ in range(2))
    np.testing.assert_array_equal(first.picture, again.picture)
    np.testing.assert_array_equal(picture, before)
    assert {plant(np.random.default_rng(seed), picture).kind for seed in range(80)} == set(KINDS)
