"""The metric: a linear map of patch embeddings that weighs down how normal patches differ from one another.

What a normal patch of one sample is away from the nearest patch of other samples is nuisance: light, grain, play of the
part. Its covariance is measured, shrunk towards even, and whitened (relevant component analysis: Bar-Hillel et al.,
"Learning Distance Functions using Equivalence Relations", ICML 2003; nearest patches of other samples stand for the
equivalent ones). The samples are halved in their order, so that what drifts counts as nuisance as well. Distances then
count in units of what is usual in each direction. Components are rotated so that those that normal patches spread over
most come first, and only the first so many are kept: shorter vectors, a faster search.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.coreset import greedy_k_center
from calibration.pool import Patches
from inspector.scoring import NearestNeighbours
from inspector.types import Float32Array

if TYPE_CHECKING:
    import openvino as ov

SHRINKAGE: Final = 0.3
"""How far the covariance is drawn towards even: a share of the mean variance is added to each direction."""

MEASURED: Final = 10
"""Differences for each direction, at least, before their covariance is believed."""

COMPONENTS: Final = 128
"""Length of the vectors that come out, at most."""

BANK: Final = 1024
QUERIES: Final = 8000
"""Vectors of one half of the samples, and patches of the other that are compared with them, at most."""

CANDIDATES: Final = 8 * BANK
"""Patches that BANK is selected from, drawn at random. Five times as many give distances as alike as another seed does
(correlation 0.998 and 0.999 on two sets), and take three times as long."""

SPREAD: Final = 50_000
"""Patches by which components are ordered, at most."""


@dataclass(frozen=True, slots=True)
class Metric:
    """x weights - offset. weights float32 (dim, kept); offset float32 (kept,): where normal patches lie in the mean, so
    that vectors are short and their distances exact.
    """

    weights: Float32Array
    offset: Float32Array

    def apply(self, embeddings: Float32Array) -> Float32Array:
        """float32 (..., dim) -> float32 (..., kept)."""
        mapped: Float32Array = embeddings @ self.weights - self.offset
        return mapped

    def openvino(self, fused: "ov.Output") -> "ov.Output":
        """Adds to an OpenVINO graph what `apply` does: NCHW (1, dim, h, w) -> (1, kept, h, w)."""
        from openvino import opset13 as ops

        kernel = ops.constant(np.ascontiguousarray(self.weights.T[:, :, None, None]))
        mapped = ops.convolution(fused, kernel, [1, 1], [0, 0], [0, 0], [1, 1])
        moved: ov.Output = ops.subtract(mapped, ops.constant(self.offset.reshape(1, -1, 1, 1))).output(0)
        return moved


def learn(patches: Patches, power: float, rng: np.random.Generator) -> Metric | None:
    """The metric of the patches of two samples or more; None where they are too few to tell, or all the same.

    power: 1 whitens fully, 0 leaves directions as they are. Typical distances keep their size.
    """
    numbers = np.unique(patches.source)
    early = patches.source < numbers[len(numbers) // 2]
    sides = patches.vectors[early], patches.vectors[~early]
    apart = np.concatenate([_apart(a, b, rng) for a, b in (sides, sides[::-1])]).astype(np.float64)
    if len(apart) < MEASURED * apart.shape[1] or not apart.any():
        return None
    variances, directions = np.linalg.eigh(apart.T @ apart / len(apart))
    variances = variances + SHRINKAGE * variances.mean()
    whitening = directions * variances ** (-power / 2)
    everything = _some(patches.vectors, SPREAD, rng).astype(np.float64)
    middle = everything.mean(0)
    spread = (everything - middle) @ whitening
    _, rotation = np.linalg.eigh(spread.T @ spread)
    projection = whitening @ rotation[:, ::-1][:, :COMPONENTS]
    before, after = (np.sqrt((each**2).sum(1)).mean() for each in (apart, apart @ projection))
    projection *= before / after
    return Metric(projection.astype(np.float32), (middle @ projection).astype(np.float32))


def _apart(samples: Float32Array, others: Float32Array, rng: np.random.Generator) -> Float32Array:
    """Differences of patches to the nearest vector of a bank of other samples: float32 (n, dim)."""
    pool = _some(others, CANDIDATES, rng)
    rows, _ = greedy_k_center(pool, BANK, rng)
    bank = pool[rows]
    patches = _some(samples, QUERIES, rng)
    _, nearest = NearestNeighbours(bank).search(patches)
    apart: Float32Array = patches - bank[nearest[:, 0]]
    return apart


def _some(vectors: Float32Array, count: int, rng: np.random.Generator) -> Float32Array:
    """So many of the vectors at random, at most."""
    if len(vectors) <= count:
        return vectors
    return vectors[np.sort(rng.choice(len(vectors), count, replace=False))]
