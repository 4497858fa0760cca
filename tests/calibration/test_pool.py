"""Patches in bounded memory, each still knowing where it came from."""

import numpy as np
import pytest

from calibration import pool as pool_of_patches
from calibration.pool import Patches, Pool, join, patches_of


def embedded(sample: int, rows: int = 4, columns: int = 5, dim: int = 8) -> Patches:
    embeddings = np.random.default_rng(sample).normal(size=(rows, columns, dim)).astype(np.float32)
    return patches_of(embeddings, sample)


def test_each_patch_knows_its_sample_and_place() -> None:
    embeddings = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    patches = patches_of(embeddings, 7)
    assert patches.source.tolist() == [7] * 6
    assert patches.position.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]
    for vector, (row, column) in zip(patches.vectors, patches.position, strict=True):
        np.testing.assert_array_equal(vector, embeddings[row, column])
    assert (patches.source.dtype, patches.position.dtype) == (np.int32, np.int32)
    assert patches.position.flags.c_contiguous


def test_taking_and_joining_keep_rows_together() -> None:
    whole = join([embedded(0), embedded(1)])
    rows = np.array([25, 3, 39])
    taken = whole.take(rows)
    np.testing.assert_array_equal(taken.vectors, whole.vectors[rows])
    assert taken.source.tolist() == [1, 0, 1]
    assert taken.position.tolist() == whole.position[rows].tolist()


def test_nothing_is_lost_while_there_is_room() -> None:
    pool = Pool(10**9, 5, np.random.default_rng(0))
    parts = [embedded(sample) for sample in range(6)]
    for part in parts:
        pool.add(part)
    np.testing.assert_array_equal(pool.patches().vectors, join(parts).vectors)


def test_small_arrays_are_put_together_and_the_selection_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand small ones that are let go stay with the process; a few large ones do not."""
    found = []
    for chunk in (1, 70 * 8 * 4, 10**9):
        monkeypatch.setattr(pool_of_patches, "CHUNK_BYTES", chunk)
        pool = Pool(100 * 8 * 4, 40, np.random.default_rng(0))
        for sample in range(30):
            pool.add(embedded(sample))
            assert sum(part.vectors.nbytes for part in pool._small) < chunk
        found.append(pool.patches())
    for other in found[1:]:
        np.testing.assert_array_equal(other.vectors, found[0].vectors)
        np.testing.assert_array_equal(other.source, found[0].source)


@pytest.mark.parametrize("keep", [10, 60, 10_000])
def test_memory_is_bounded_however_many_samples_come(keep: int) -> None:
    bound = 100 * 8 * 4  # a hundred vectors
    pool = Pool(bound, keep, np.random.default_rng(0))
    held = []
    for sample in range(60):
        pool.add(embedded(sample))
        held.append(pool.patches().vectors.nbytes)
        assert held[-1] <= bound
    assert max(held) > bound // 2


def test_a_full_pool_keeps_a_coreset_with_its_places() -> None:
    pool = Pool(100 * 8 * 4, 40, np.random.default_rng(0))
    for sample in range(30):
        pool.add(embedded(sample))
    patches = pool.patches()
    assert len(set(patches.source.tolist())) > 10  # early samples are still there
    for vector, source, position in zip(patches.vectors, patches.source, patches.position, strict=True):
        own = embedded(int(source))
        row = int(position[0]) * 5 + int(position[1])
        np.testing.assert_array_equal(vector, own.vectors[row])


def test_what_is_kept_covers_what_is_gone() -> None:
    """Three far clusters; one is seen only at the beginning, and is not forgotten."""
    rng = np.random.default_rng(0)
    pool = Pool(200 * 4 * 4, 20, np.random.default_rng(0))
    for sample in range(50):
        center = 100.0 if sample == 0 else -100.0 * (sample % 2)
        pool.add(patches_of((center + rng.normal(size=(3, 3, 4))).astype(np.float32), sample))
    assert (pool.patches().vectors.mean(1) > 90).any()


def test_the_same_seed_keeps_the_same() -> None:
    kept = []
    for _ in range(2):
        pool = Pool(100 * 8 * 4, 30, np.random.default_rng(3))
        for sample in range(20):
            pool.add(embedded(sample))
        kept.append(pool.patches().vectors.tobytes())
    assert kept[0] == kept[1]
