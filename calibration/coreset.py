"""Greedy k-center coreset: few vectors that leave no patch far from the nearest of them.

The farthest-first traversal of Gonzalez (1985), as PatchCore uses it: a 2-approximation of the smallest covering
radius. Done literally it reads all vectors once for every vector selected, and memory is what it waits for. Here the
reading is put off without changing what is selected: distances to the nearest center only ever fall, so among the
farthest few thousand the next centers can be chosen for as long as the best of them is farther than every vector
outside was. The whole set is then brought up to date by one matrix product for all centers chosen meanwhile.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array

CANDIDATES = 2048
"""How many of the farthest vectors are kept up to date between two passes over all."""

_ROWS = 8192
"""Rows of one block of a pass: its products stay in the cache."""

RESOLUTION = 4e-6
"""Squared distances below this share of the squared length are rounding of single precision, and count as none."""


def greedy_k_center(
    vectors: Float32Array,
    count: int,
    rng: np.random.Generator,
    *,
    start: Sequence[int] | NDArray[np.int64] = (),
    radius: float = 0.0,
) -> tuple[NDArray[np.int64], float]:
    """Select `count` of `vectors`, float32 (n, dim); the first by chance, each next the farthest from those selected.

    start: rows that are selected already, at most `count`; instead of chance. radius: ends when no vector is farther
    than this from the nearest selected.

    Returns:
        Their row numbers, int64 (min(count, distinct),), in order of selection; and the covering radius: the largest
        distance of any vector to the nearest selected.
    """
    norms = np.einsum("ij,ij->i", vectors, vectors)
    nearest = np.full(len(vectors), np.inf, np.float32)  # squared distance to the nearest center
    selected = [int(row) for row in start] or [int(rng.integers(len(vectors)))]
    _update(nearest, vectors, norms, selected)
    while len(selected) < min(count, len(vectors)):
        chosen = _choose(nearest, vectors, norms, min(count, len(vectors)) - len(selected), radius**2)
        if not chosen:
            break  # every vector left equals a selected one, or is near enough
        _update(nearest, vectors, norms, chosen)
        selected += chosen
    return np.array(selected, np.int64), float(np.sqrt(nearest.max()))


def _choose(nearest: Float32Array, vectors: Float32Array, norms: Float32Array, limit: int, enough: float) -> list[int]:
    """The next centers, at least one if any vector is away from all centers, without a pass over all vectors.

    enough: squared distance up to which a vector needs no center of its own.
    """
    if len(nearest) > CANDIDATES:
        candidates = np.argpartition(nearest, -CANDIDATES)[-CANDIDATES:]
    else:
        candidates = np.arange(len(nearest))
    away, near, lengths = vectors[candidates], nearest[candidates], norms[candidates]
    # One product for all pairs: many small ones wait on threads where the cores are shared with a running daemon.
    apart = lengths[:, None] + lengths - 2 * (away @ away.T)
    apart[apart <= RESOLUTION * lengths] = 0
    outside = near.min() if len(nearest) > CANDIDATES else 0.0
    chosen: list[int] = []
    while len(chosen) < limit:
        best = int(near.argmax())
        if near[best] <= enough or (chosen and near[best] < outside):
            break
        chosen.append(int(candidates[best]))
        np.minimum(near, apart[best], out=near)
        near[best] = 0
    return chosen


def _update(nearest: Float32Array, vectors: Float32Array, norms: Float32Array, centers: list[int]) -> None:
    """Lower `nearest` to the squared distance to any of `centers`; the centers and their equals get exactly 0."""
    points = vectors[centers].T
    for start in range(0, len(vectors), _ROWS):
        block = slice(start, start + _ROWS)
        squared = vectors[block] @ points
        squared *= -2
        squared += norms[centers]
        np.minimum(nearest[block], squared.min(1) + norms[block], out=nearest[block])
    nearest[nearest <= RESOLUTION * norms] = 0
    nearest[centers] = 0
