"""Why a frame was flagged: highest patches, nearest patches of the bank."""

from pathlib import Path

import numpy as np
import pytest
from line import drawn_part

from inspector.bank import Bank
from inspector.explain import APART, NEAREST, flagged_patches
from inspector.pipeline import Pipeline
from inspector.types import Float32Array, UInt8Image


def scores(*places: tuple[int, int, float]) -> Float32Array:
    grid = np.full((16, 16), 1.0, np.float32)
    for row, column, score in places:
        grid[row, column] = score
    return grid


def test_the_highest_come_first_and_their_neighbours_are_left_out() -> None:
    beside, apart = 1 + APART, 2 + APART
    grid = scores((1, 1, 9.0), (1, 2, 8.0), (beside, beside, 7.5), (1, apart, 6.0), (15, 15, 5.0))
    assert flagged_patches(grid, 2.0, 4) == [(1, 1), (1, apart), (15, 15)]


def test_the_highest_of_all_is_given_though_nothing_is_above_the_threshold() -> None:
    assert flagged_patches(scores((2, 5, 1.5)), 2.0, 4) == [(2, 5)]
    assert flagged_patches(scores(), 2.0, 4) == [(0, 0)]


def test_there_are_no_more_than_asked_for_nor_than_there_is_room() -> None:
    assert len(flagged_patches(np.full((64, 64), 9, np.float32), 2.0, 3)) == 3
    assert len(flagged_patches(np.full((APART, APART), 9, np.float32), 2.0, 3)) == 1


def test_a_scratched_part_is_explained_where_the_scratch_is(bank: Path) -> None:
    pipeline = Pipeline.open(bank)
    payload = drawn_part(2000, scratched=True)
    told, seen = pipeline.explain(payload), pipeline.inspect(payload)
    assert told.score == pytest.approx(seen.score)
    assert np.array_equal(told.anomaly_map, seen.anomaly_map)
    rows, columns = told.grid_hw
    first = told.patches[0]
    assert first.score == pytest.approx(told.score)
    assert 0.25 < (first.row + 0.5) / rows < 0.75
    assert 0.25 < (first.column + 0.5) / columns < 0.75
    for patch in told.patches:
        near, *_, far = patch.neighbours
        assert len(patch.neighbours) == NEAREST
        assert 0 < near.distance <= far.distance
        assert 0 <= near.sample < len(pipeline.bank.manifest.samples)
        assert 0 <= near.row < rows
        assert 0 <= near.column < columns


class Repeating:
    """An engine that embeds every patch of every picture as one vector."""

    name = "repeating"

    def __init__(self, vector: Float32Array, grid_hw: tuple[int, int]) -> None:
        self.embeddings = np.tile(vector, (1, *grid_hw, 1))

    def embed(self, images: UInt8Image) -> Float32Array:  # noqa: ARG002
        return self.embeddings

    def distances(self, vectors: Float32Array, k: int, count: int, planes: object = None) -> None:
        """Faiss searches."""


def test_a_patch_that_is_in_the_bank_is_its_own_nearest_neighbour(bank: Path) -> None:
    loaded = Bank.load(bank)
    number = 7
    pipeline = Pipeline(loaded, Repeating(loaded.vectors[number], loaded.manifest.grid_hw))
    nearest = pipeline.explain(drawn_part(1)).patches[0].neighbours[0]
    assert (nearest.sample, nearest.row, nearest.column) == (loaded.source[number], *loaded.position[number])
    assert nearest.distance == pytest.approx(0, abs=1e-3)
