"""From patch embeddings to an anomaly map, an image score, a p-value and regions. Arrays in, arrays out.

The patch score is the mean Euclidean distance to the k nearest vectors of the bank (PatchCore, Roth et al., CVPR 2022),
or to the planes through them (`inspector.planes`), smoothed over neighbouring patches: a defect spans several, noise
does not. The image score is the largest patch score.
The p-value is conformal (Vovk et al., 2005): the share of normal samples, this one counted in, that score at least as
high.
"""

import os
from collections.abc import Sequence
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.planes import Planes
from inspector.types import Engine, Float32Array, Region
from inspector.window import View

# faiss's OpenMP reads this when it is loaded. Threads that spin while they wait take four times the processor time of
# threads that sleep, and on a busy box four times as long.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import faiss

Inside = NDArray[np.bool_] | None
"""Which patches count, bool (grid_h, grid_w), at least one; None: all."""

SMOOTHING = 0.75
"""Standard deviation of the Gaussian over patch scores, in patches.

Chosen by separation of held-back normals from synthetic defects: 0.5 to 1 are alike, half a point of AUROC above none.
"""

MOST_REGIONS = 100
"""The most regions of a frame that are reported. A frame of noise has thousands, and its verdict would be larger than
brokers accept.
"""

_AT_ONCE = 1024
"""Patches whose distances to planes are computed at a time, where the engine does not do it."""


class NearestNeighbours:
    """Exact k-NN over the vectors of a bank, float32 (n, dim), by Euclidean distance.

    k: how many nearest vectors a distance is the mean over; at most n. plane: how many vectors span the plane through
    each that distances are taken to; 0: they are taken to the vector itself. engine: searches in place of faiss for
    `count` patches at a time, those of a frame, where it is able to; the two agree but for rounding. Which vectors are
    nearest is always answered by faiss.
    """

    def __init__(
        self, vectors: Float32Array, k: int = 1, plane: int = 0, *, engine: Engine | None = None, count: int = 0
    ) -> None:
        self.k = min(k, len(vectors))
        self._vectors = vectors
        self._planes = Planes(vectors, plane) if plane and len(vectors) > 1 else None
        # No bound method of its own is kept here: a search in a circle is not freed before the collector comes by.
        self._by_engine = None if engine is None else engine.distances(vectors, self.k, count, self._planes)

    @cached_property
    def _index(self) -> faiss.IndexFlatL2:
        """A copy of the vectors, made when it is first needed: never on a line whose engine searches."""
        index = faiss.IndexFlatL2(self._vectors.shape[1])
        index.add(np.ascontiguousarray(self._vectors))
        return index

    def search(self, queries: Float32Array, k: int | None = None) -> tuple[Float32Array, NDArray[np.int64]]:
        """Distances float32 (m, k) ascending, and vector numbers int64 (m, k), for queries float32 (m, dim).

        k: the recipe's by default; never more than there are vectors.
        """
        squared, numbers = self._index.search(queries, self.k if k is None else min(k, len(self._vectors)))
        return np.sqrt(np.maximum(squared, 0, out=squared), out=squared), numbers

    def distances(self, queries: Float32Array) -> Float32Array:
        """Distances to the k nearest vectors, or to the planes through them; float32 (m, dim) -> float32 (m, k)."""
        distances, numbers = self.search(queries)
        if self._planes is None:
            return distances
        for begin in range(0, len(queries), _AT_ONCE):
            part = slice(begin, begin + _AT_ONCE)
            apart = self._vectors[self._planes.around[numbers[part]]] - queries[part, None, None]
            others = np.einsum("pkmd,pkmd->pkm", apart, apart)
            distances[part] = np.sqrt(self._planes.shortened(distances[part] ** 2, numbers[part], others))
        return distances

    def patch_scores(self, embeddings: Float32Array, inside: Inside = None) -> Float32Array:
        """float32 (grid_h, grid_w, dim) -> float32 (grid_h, grid_w), the mean of its `distances`, smoothed.

        Only patches that are inside are searched for; the others score 0.
        """
        rows, columns, dim = embeddings.shape
        distances = self._by_engine or self.distances
        if inside is None:
            return smooth(distances(embeddings.reshape(-1, dim)).mean(1).reshape(rows, columns))
        scores = np.zeros((rows, columns), np.float32)
        scores[inside] = distances(embeddings[inside]).mean(1)
        return smooth(scores, inside)


def smooth(patch_scores: Float32Array, inside: Inside = None) -> Float32Array:
    """Gaussian smoothing over neighbouring patches, float32 (grid_h, grid_w); what is not inside counts as nothing."""
    if inside is None:
        return _blurred(patch_scores)
    counted, weights = np.where(inside, patch_scores, np.float32(0)), inside.astype(np.float32)
    smoothed = np.zeros_like(counted)
    np.divide(_blurred(counted), _blurred(weights), out=smoothed, where=inside)
    return smoothed


def _blurred(values: Float32Array) -> Float32Array:
    return np.asarray(cv2.GaussianBlur(values, (0, 0), SMOOTHING, borderType=cv2.BORDER_REPLICATE), np.float32)


def image_score(patch_scores: Float32Array) -> float:
    """The largest patch score."""
    return float(patch_scores.max())


def anomaly_map(patch_scores: Float32Array, size_wh: tuple[int, int], inside: Inside = None) -> Float32Array:
    """float32 (grid_h, grid_w) -> float32 (height, width), bilinear; nowhere above the image score.

    Patches that are not inside weigh nothing: next to them the map keeps the level of those that are.
    """
    heat = np.asarray(cv2.resize(patch_scores, size_wh, interpolation=cv2.INTER_LINEAR), np.float32)
    if inside is None:
        return heat
    weight = cv2.resize(inside.astype(np.float32), size_wh, interpolation=cv2.INTER_LINEAR)
    spread = np.zeros_like(heat)
    np.divide(heat, weight, out=spread, where=weight > 0)
    return np.minimum(spread, image_score(patch_scores))


def p_value(score: float, normal_scores: Float32Array) -> float:
    """(1 + how many normals score at least `score`) / (1 + normals); normal_scores ascending. Range (0, 1]."""
    below = int(np.searchsorted(normal_scores, score, side="left"))
    return (1 + len(normal_scores) - below) / (1 + len(normal_scores))


def regions(heat: Float32Array, threshold: float, view: View) -> tuple[Region, ...]:
    """Connected areas (8-neighbourhood) of the anomaly map above `threshold`, at most MOST_REGIONS, the highest first.

    heat: float32 (height, width) over the rectangle `view` of the original frame; regions are in pixels of that frame.
    """
    above = heat > threshold
    places = np.flatnonzero(above)
    if not len(places):
        return ()
    count, labels, stats, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8), connectivity=8)
    peaks = np.full(count, -np.inf, np.float32)
    np.maximum.at(peaks, np.asarray(labels, np.int32).ravel()[places], heat.ravel()[places])
    worst = 1 + np.argsort(-peaks[1:], kind="stable")[:MOST_REGIONS]  # 0 is what is not above
    return tuple(_region(stats[label], float(peaks[label]), heat.shape[:2], view) for label in worst)


def _region(stats: Sequence[int], peak: float, heat_hw: tuple[int, int], view: View) -> Region:
    left, top, wide, high, area = (int(value) for value in stats)
    scale_x, scale_y = view.width / heat_hw[1], view.height / heat_hw[0]
    x0, y0 = int(left * scale_x), int(top * scale_y)
    x1, y1 = int(np.ceil((left + wide) * scale_x)), int(np.ceil((top + high) * scale_y))
    return Region(
        x=view.x + x0,
        y=view.y + y0,
        width=min(x1, view.width) - x0,
        height=min(y1, view.height) - y0,
        area=max(1, round(area * scale_x * scale_y)),
        score=peak,
    )
