"""The lazy greedy selects what the naive one does, and treats equal vectors as one."""

import numpy as np
import pytest

from calibration import coreset
from calibration.coreset import greedy_k_center


def naive(vectors: np.ndarray, count: int, first: int) -> tuple[list[int], float]:
    """Farthest-first traversal by definition, in double precision."""
    points = vectors.astype(np.float64)
    selected = [first]
    nearest = np.linalg.norm(points - points[first], axis=1)
    while len(selected) < count:
        selected.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.linalg.norm(points - points[selected[-1]], axis=1))
    return selected, float(nearest.max())


def clustered(count: int, dim: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    centers = rng.normal(scale=4, size=(12, dim))
    return (centers[rng.integers(12, size=count)] + rng.normal(size=(count, dim))).astype(np.float32)


@pytest.mark.parametrize(("size", "dim", "count"), [(50, 3, 50), (500, 8, 40), (5000, 16, 300), (9000, 2, 100)])
def test_it_selects_what_the_naive_greedy_selects(size: int, dim: int, count: int) -> None:
    vectors = clustered(size, dim, seed=size)
    rows, radius = greedy_k_center(vectors, count, np.random.default_rng(0))
    expected, expected_radius = naive(vectors, count, int(rows[0]))
    assert rows.dtype == np.int64
    assert rows.tolist() == expected
    assert radius == pytest.approx(expected_radius, rel=1e-3, abs=1e-2)


@pytest.mark.parametrize("candidates", [1, 2, 7, 100])
def test_how_many_candidates_are_kept_changes_nothing(monkeypatch: pytest.MonkeyPatch, candidates: int) -> None:
    vectors = clustered(700, 6, seed=1)
    expected, _ = naive(vectors, 60, int(np.random.default_rng(5).integers(700)))
    monkeypatch.setattr(coreset, "CANDIDATES", candidates)
    monkeypatch.setattr(coreset, "_ROWS", 64)
    assert greedy_k_center(vectors, 60, np.random.default_rng(5))[0].tolist() == expected


def test_it_covers_nearly_as_well_as_can_be() -> None:
    """Gonzalez: at most twice the best radius. Twelve tight clusters can be covered by twelve vectors."""
    rng = np.random.default_rng(0)
    centers = rng.normal(scale=100, size=(12, 5))
    vectors = (np.repeat(centers, 50, 0) + rng.uniform(-1, 1, size=(600, 5))).astype(np.float32)
    rows, radius = greedy_k_center(vectors, 12, np.random.default_rng(0))
    assert set(rows // 50) == set(range(12))
    assert radius < 2 * np.sqrt(5)


def test_the_radius_is_the_farthest_that_any_vector_is_from_the_selected() -> None:
    vectors = clustered(400, 4, seed=3)
    rows, radius = greedy_k_center(vectors, 25, np.random.default_rng(0))
    apart = np.linalg.norm(vectors[:, None] - vectors[rows][None], axis=2).min(1)
    assert radius == pytest.approx(apart.max(), rel=1e-3)


@pytest.mark.parametrize("dim", [2, 64, 384])
def test_equal_vectors_are_selected_once(dim: int) -> None:
    rng = np.random.default_rng(dim)
    distinct = rng.normal(5, 1, size=(30, dim)).astype(np.float32)
    vectors = distinct[rng.integers(30, size=3000)]
    rows, radius = greedy_k_center(vectors, 200, np.random.default_rng(1))
    assert len(rows) == len(np.unique(vectors[rows], axis=0)) == 30
    assert radius == 0


def test_a_single_vector_many_times_over() -> None:
    rows, radius = greedy_k_center(np.ones((100, 8), np.float32), 10, np.random.default_rng(0))
    assert len(rows) == 1
    assert radius == 0


def test_more_than_there_are_is_all_of_them() -> None:
    vectors = clustered(40, 5, seed=4)
    rows, radius = greedy_k_center(vectors, 1000, np.random.default_rng(0))
    assert sorted(rows.tolist()) == list(range(40))
    assert radius == 0


def test_the_seed_chooses_the_first_and_nothing_else_is_left_to_chance() -> None:
    vectors = clustered(500, 5, seed=6)
    once, again, other = (greedy_k_center(vectors, 50, np.random.default_rng(seed))[0] for seed in (0, 0, 1))
    assert once.tolist() == again.tolist()
    assert once[0] != other[0]


def test_the_vectors_are_left_as_they_were() -> None:
    vectors = clustered(300, 5, seed=7)
    before = vectors.copy()
    greedy_k_center(vectors, 20, np.random.default_rng(0))
    np.testing.assert_array_equal(vectors, before)


def test_a_selection_goes_on_from_what_is_selected() -> None:
    vectors = np.random.default_rng(1).standard_normal((500, 8), np.float32)
    first, _ = greedy_k_center(vectors, 40, np.random.default_rng(3))
    whole, radius = greedy_k_center(vectors, 90, np.random.default_rng(3))
    further, same = greedy_k_center(vectors, 90, np.random.default_rng(9), start=first)
    assert np.array_equal(further, whole)
    assert same == pytest.approx(radius)


def test_a_selection_ends_when_all_is_near_enough() -> None:
    vectors = np.random.default_rng(1).standard_normal((500, 8), np.float32)
    _, radius = greedy_k_center(vectors, 60, np.random.default_rng(3))
    rows, reached = greedy_k_center(vectors, 500, np.random.default_rng(3), radius=radius)
    assert len(rows) <= 60
    assert reached <= radius * 1.0001
