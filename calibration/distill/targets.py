"""What the student learns to predict: the teachers' channels standardised, weighed, rotated and shortened.

A principal component analysis of the standardised channels of all teachers at a stride, each component divided by its
variance to the power of `whitening / 2`. Whitening, 0 to 1, moves the Euclidean distance of the nearest-neighbour
search from the loud directions to all of them, as the Mahalanobis distance does (Rippel et al., "Modeling the
Distribution of Normal Data in Pre-Trained Deep Features for Anomaly Detection", ICPR 2020).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibration.distill.teachers import STRIDES, FeatureMaps
from inspector.types import Float32Array


@dataclass(frozen=True, slots=True)
class Projection:
    """A linear map of channels: `(x - mean) @ matrix`.

    mean: float32 (channels,). matrix: float32 (channels, components). explained: the share of the standardised variance
    that the components keep, [0, 1].
    """

    mean: Float32Array
    matrix: Float32Array
    explained: float

    def apply(self, maps: Float32Array) -> Float32Array:
        """Float32 (n, channels, h, w) -> float32 (n, components, h, w)."""
        n, channels, height, width = maps.shape
        flat = maps.transpose(0, 2, 3, 1).reshape(-1, channels) - self.mean
        out = (flat @ self.matrix).reshape(n, height, width, -1)
        return np.ascontiguousarray(out.transpose(0, 3, 1, 2))


@dataclass(slots=True)
class Moments:
    """Running count, sum and second moment of channel vectors, in float64."""

    count: int = 0
    total: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    outer: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))

    def add(self, vectors: Float32Array) -> None:
        """vectors: float32 (n, channels)."""
        if self.count == 0:
            channels = vectors.shape[1]
            self.total, self.outer = np.zeros(channels), np.zeros((channels, channels))
        self.count += len(vectors)
        self.total += vectors.sum(axis=0, dtype=np.float64)
        self.outer += vectors.T @ vectors

    def projection(self, groups: Sequence[tuple[int, float]], components: int, whitening: float) -> Projection:
        """The principal components.

        groups: for each teacher, its channels and its share of the variance. The result is scaled so that the variance
        is 1 in the mean over components.
        """
        mean = self.total / self.count
        covariance = self.outer / self.count - np.outer(mean, mean)
        shares = np.concatenate([np.full(channels, share / channels) for channels, share in groups])
        scale = np.sqrt(shares / np.maximum(np.diag(covariance), 1e-8))
        values, vectors = np.linalg.eigh(covariance * np.outer(scale, scale))
        kept = np.argsort(values)[::-1][:components]
        variances = np.maximum(values[kept], 1e-8)
        gains = variances ** (-whitening / 2)
        gains /= np.sqrt(np.mean(variances * gains**2))
        matrix = scale[:, None] * vectors[:, kept] * gains
        explained = float(variances.sum() / np.maximum(values, 0).sum())
        return Projection(mean.astype(np.float32), matrix.astype(np.float32), explained)


def stack(features: Sequence[FeatureMaps], stride: int) -> Float32Array:
    """The maps of all teachers at a stride, side by side: float32 (n, all channels, h, w)."""
    return np.concatenate([maps[stride] for maps in features], axis=1)


class TargetFit:
    """Gathers the teachers' channels, then makes one projection a stride."""

    def __init__(self) -> None:
        self._moments = {stride: Moments() for stride in STRIDES}
        self._channels: dict[int, list[int]] = {}

    def add(self, features: Sequence[FeatureMaps]) -> None:
        """features: what `Teachers.features` returned for a batch."""
        for stride, moments in self._moments.items():
            self._channels[stride] = [maps[stride].shape[1] for maps in features]
            maps = stack(features, stride)
            moments.add(maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]))

    def projections(
        self, components: Sequence[int], shares: Sequence[float], whitening: float
    ) -> dict[int, Projection]:
        """By stride. components: how many at strides 4, 8 and 16. shares: each teacher's, adding up to 1."""
        return {
            stride: self._moments[stride].projection(
                list(zip(self._channels[stride], shares, strict=True)), count, whitening
            )
            for stride, count in zip(STRIDES, components, strict=True)
        }
