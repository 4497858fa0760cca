"""What the normals' pictures as a whole are like: collected while they are embedded, cross-fitted like thresholds."""

import numpy as np
from numpy.typing import NDArray

from inspector.drift import PICTURE_SIDE, SIGNALS, Baseline, Glance, Reference, glance, mean_embedding
from inspector.types import Float32Array, UInt8Image


class Normals:
    """Takes so many normal samples, each once, in any order."""

    def __init__(self, count: int, dim: int) -> None:
        self._looks: list[Glance | None] = [None] * count
        self._small = np.zeros((count, PICTURE_SIDE, PICTURE_SIDE), np.uint8)
        self._means = np.zeros((count, dim), np.float32)

    def take(
        self, index: int, picture: UInt8Image, embeddings: Float32Array, inside: NDArray[np.bool_] | None = None
    ) -> None:
        """What the backbone saw of sample `index`, its patch embeddings, and which patches count."""
        looked = glance(picture)
        self._looks[index] = looked
        self._small[index] = looked.small
        self._means[index] = mean_embedding(embeddings, inside)

    def baseline(self, fold: NDArray[np.int32], usual_patches: Float32Array) -> Baseline:
        """Once all are taken. fold: int32 (count,); each sample is held against those of the other folds.

        usual_patches: float32 (count,), cross-fitted by the same folds.
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
