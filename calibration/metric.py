"""The metric: a linear map of patch embeddings that weighs down the directions in which normal patches vary most.

In the embeddings of a convolutional net, light, contrast and the commonest structure take up a few directions of large
variance, which dominate distances. So the principal components of all normal patches are divided by their standard
deviation, shrunk towards the mean, and each direction counts alike (PCA whitening; Kessy, Lewin and Strimmer, "Optimal
Whitening and Decorrelation", The American Statistician, 2018). Only the components of largest variance are kept:
shorter vectors, a faster search.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from calibration.pool import Patches
from inspector.types import Float32Array

if TYPE_CHECKING:
    import openvino as ov

SHRINKAGE: Final = 0.1
"""Shrinkage of the covariance: this share of the mean variance is added to each direction."""

MEASURED: Final = 10
"""Patches for each direction that an estimate of their covariance needs at least."""

COMPONENTS: Final = 128
"""Length of the mapped vectors at most."""

_ROWS: Final = 65536
"""Patches that are centred at a time."""


@dataclass(frozen=True, slots=True)
class Metric:
    """x @ weights - offset.

    weights: float32 (dim, kept). offset: float32 (kept,), the mean of the mapped normal patches: without it vectors are
    short, and their distances exact.
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


def fewest(dim: int) -> int:
    """Of how many patches at least the metric of so many dimensions is learnt."""
    return MEASURED * dim


def learn(patches: Patches, power: float) -> Metric | None:
    """The metric of the patches; None where they are too few for an estimate, or all the same.

    power: 1 whitens fully, 0 leaves directions as they are. Typical distances keep their size.
    """
    count, dim = patches.vectors.shape
    if count < fewest(dim):
        return None
    middle = patches.vectors.mean(0, dtype=np.float64)
    covariance = np.zeros((dim, dim))
    for start in range(0, count, _ROWS):
        centred = patches.vectors[start : start + _ROWS] - middle.astype(np.float32)
        covariance += centred.T @ centred / np.float32(count)
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = np.maximum(variances[::-1], 0), directions[:, ::-1]
    if not variances[0] > 0:
        return None
    kept = min(dim, COMPONENTS)
    scale = (variances + SHRINKAGE * variances.mean()) ** (-power / 2)
    scale *= np.sqrt(variances.sum() / (variances[:kept] * scale[:kept] ** 2).sum())
    projection = directions[:, :kept] * scale[:kept]
    return Metric(projection.astype(np.float32), (middle @ projection).astype(np.float32))
