"""The baseline of the normals' whole pictures: collected while they are embedded, cross-fitted as thresholds are."""

import numpy as np
from numpy.typing import NDArray

from inspector.drift import PICTURE_SIDE, SIGNALS, Baseline, Glance, Reference, glance, mean_embedding
from inspector.types import Float32Array, UInt8Image


class Normals:
    """Collects `count` normal samples, each once, in any order. dim: of their patch embeddings."""

    def __init__(self, count: int, dim: int) -> None:
        self._looks: list[Glance | None] = [None] * count
        self._small = np.zeros((count, PICTURE_SIDE, PICTURE_SIDE), np.uint8)
        self._means = np.zeros((count, dim), np.float32)

    def take(
        self, index: int, picture: UInt8Image, embeddings: Float32Array, inside: NDArray[np.bool_] | None = None
    ) -> None:
        """Add sample `index`: what the backbone saw of it, its patch embeddings, and which patches count."""
        looked = glance(picture)
        self._looks[index] = looked
        self._small[index] = looked.small
        self._means[index] = mean_embedding(embeddings, inside)

    def baseline(self, fold: NDArray[np.int32], usual_patches: Float32Array) -> Baseline:
        """The baseline of all samples, once each was added.

        fold: int32 (count,); the signals of each sample are told against the samples of the other folds. usual_patches:
        float32 (count,), the median patch score of each, cross-fitted by the same folds.
        """
        signals = np.zeros((len(fold), len(SIGNALS)))
        for held_out in range(int(fold.max()) + 1):
            others = Reference.of(self._small[fold != held_out], self._means[fold != held_out])
            for index in np.flatnonzero(fold == held_out):
                looked = self._looks[index]
                if looked is None:
                    raise AssertionError(f"sample {index} was not taken")
                signals[index] = others.signals(looked, self._means[index])
        return Baseline(Reference.of(self._small, self._means), signals, usual_patches)
