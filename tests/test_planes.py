"""Distances to the planes between vectors, against what they are by definition."""

import numpy as np
import pytest

from inspector.planes import LEAST_RIDGE, RIDGE
from inspector.scoring import NearestNeighbours

DIM, COUNT = 24, 12


def by_definition(vectors: np.ndarray, query: np.ndarray, count: int) -> float:
    """Least squares with a ridge, solved as one augmented system in double precision."""
    bank, point = vectors.astype(float), query.astype(float)
    nearest = int(np.linalg.norm(bank - point, axis=1).argmin())
    around = np.linalg.norm(bank - bank[nearest], axis=1).argsort()[1 : count + 1]
    rows, rest = bank[around] - bank[nearest], point - bank[nearest]
    ridge = max(RIDGE * (rows**2).sum(1).mean(), LEAST_RIDGE * (bank**2).sum(1).mean())
    augmented = np.concatenate([rows.T, np.sqrt(ridge) * np.eye(len(rows))])
    weights = np.linalg.lstsq(augmented, np.concatenate([rest, np.zeros(len(rows))]), rcond=None)[0]
    return float(np.linalg.norm(rest - weights @ rows))


def test_distances_are_to_the_plane_through_the_nearest_vector() -> None:
    rng = np.random.default_rng(0)
    vectors, queries = (rng.normal(size=(count, DIM)).astype(np.float32) for count in (200, 40))
    got = NearestNeighbours(vectors, plane=COUNT).distances(queries)[:, 0]
    expected = [by_definition(vectors, query, COUNT) for query in queries]
    np.testing.assert_allclose(got, expected, rtol=1e-4)
    assert (got <= NearestNeighbours(vectors).distances(queries)[:, 0]).all()


def test_what_lies_between_vectors_is_near_and_what_lies_beside_them_is_not() -> None:
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.normal(size=(DIM, 4)))[0].T
    vectors = (10 + rng.normal(size=(300, 4)) @ basis).astype(np.float32)
    between = (10 + rng.normal(size=(50, 4)) * 0.5 @ basis).astype(np.float32)
    away = rng.normal(size=(50, DIM))
    away -= away @ basis.T @ basis
    beside = between + (away / np.linalg.norm(away, axis=1, keepdims=True)).astype(np.float32)
    point, plane = NearestNeighbours(vectors), NearestNeighbours(vectors, plane=32)
    assert np.median(plane.distances(between)) < np.median(point.distances(between)) / 4
    assert plane.distances(beside).min() > 0.95


def test_far_out_along_a_plane_is_far() -> None:
    """The ridge: a plane does not excuse what is far beyond the vectors that span it."""
    rng = np.random.default_rng(2)
    vectors = np.zeros((100, DIM), np.float32)
    vectors[:, :4] = rng.normal(size=(100, 4))
    beyond = np.zeros((1, DIM), np.float32)
    beyond[0, 0] = 1000
    assert NearestNeighbours(vectors, plane=8).distances(beyond)[0, 0] > 5


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_plane_takes_no_more_vectors_than_there_are(count: int) -> None:
    vectors = np.random.default_rng(3).normal(size=(count, DIM)).astype(np.float32)
    distances = NearestNeighbours(vectors, plane=32).distances(vectors + 1)
    assert np.isfinite(distances).all()


def test_vectors_that_are_all_the_same_hide_nothing() -> None:
    vectors = np.full((40, DIM), 30.0, np.float32)
    query = vectors[:1] + 1
    expected = NearestNeighbours(vectors).distances(query)
    np.testing.assert_allclose(NearestNeighbours(vectors, plane=32).distances(query), expected, rtol=1e-3)


def test_many_patches_at_once_are_scored_as_one_by_one() -> None:
    rng = np.random.default_rng(4)
    vectors, queries = (rng.normal(size=(count, 8)).astype(np.float32) for count in (64, 2500))
    nearest = NearestNeighbours(vectors, 2, plane=6)
    together = nearest.distances(queries)
    assert together.shape == (2500, 2)
    np.testing.assert_allclose(together[[0, 1023, 1024, 2499]], nearest.distances(queries[[0, 1023, 1024, 2499]]))
