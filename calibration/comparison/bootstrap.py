"""How sure figures are: frames are drawn again with replacement (Efron, 1979), the same draws for all candidates."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array

RESAMPLES: Final = 1000
CONFIDENCE: Final = 0.90


def resampled(good: Sequence[Float32Array], defect: Sequence[Float32Array], seed: int = 0) -> NDArray[np.float64]:
    """Image AUROC of k candidates in RESAMPLES draws of the frames: float64 (k, RESAMPLES).

    good, defect: each candidate's scores of the same frames in the same order, float32 (n,) and (m,).
    """
    rng = np.random.default_rng(seed)
    n, m = len(good[0]), len(defect[0])
    drawn_good = rng.multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(np.float32)
    drawn_defect = rng.multinomial(m, np.full(m, 1 / m), RESAMPLES).astype(np.float32)
    found = []
    for normal, abnormal in zip(good, defect, strict=True):
        above = (abnormal > normal[:, None]) + 0.5 * (abnormal == normal[:, None])
        found.append((drawn_good @ above.astype(np.float32) * drawn_defect).sum(1) / (n * m))
    return np.array(found, np.float64)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """Between which values the middle CONFIDENCE of the draws lies, float64 (RESAMPLES,)."""
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)
