"""The baseline of the normals' whole pictures, cross-fitted as thresholds are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from inspector.drift import SIGNALS, Baseline, Glance, Reference
from inspector.types import Float32Array


def baseline_of(
    looks: Sequence[Glance], means: Float32Array, fold: NDArray[np.int32], usual_patches: Float32Array
) -> Baseline:
    """Of n normal samples: what was seen of each, and its mean patch embedding, float32 (n, dim).

    fold: int32 (n,); the signals of each sample are told against the samples of the other folds. usual_patches: float32
    (n,), the median patch score of each, cross-fitted by the same folds.
    """
    pictures = np.stack([look.small for look in looks])
    signals = np.empty((len(looks), len(SIGNALS)))
    for held_out in range(int(fold.max()) + 1):
        others = Reference.of(pictures[fold != held_out], means[fold != held_out])
        for index in map(int, np.flatnonzero(fold == held_out)):
            signals[index] = others.signals(looks[index], means[index])
    return Baseline(Reference.of(pictures, means), signals, usual_patches)
