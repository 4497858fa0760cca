"""Figures of merit of scores and anomaly maps, over any number of frames in constant memory.

Values of anomaly maps are counted by their half-precision code, which orders them as their values do, to one part in
two thousand. Curves and areas are scikit-learn's, over those counts.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

from calibration.evaluation.areas import Areas
from inspector.types import Float32Array

FPR_LIMIT = 0.3
"""AUPRO is the area up to this false-positive rate, over it (Bergmann et al., MVTec AD, CVPR 2019)."""

_CODES = 0x7C01
"""Half-precision codes of 0 to infinity."""

_HIGHEST = float(np.finfo(np.float16).max)


def image_auroc(good: Float32Array, defect: Float32Array) -> float | None:
    """Area under the ROC curve of image scores; None without good or without defective frames."""
    if not len(good) or not len(defect):
        return None
    labels = np.repeat([0, 1], [len(good), len(defect)])
    return float(roc_auc_score(labels, np.concatenate([good, defect])))


def f1_max(good: Float32Array, defect: Float32Array) -> float | None:
    """The best F1 that any threshold reaches; None without good or without defective frames."""
    if not len(good) or not len(defect):
        return None
    labels = np.repeat([0, 1], [len(good), len(defect)])
    precision, recall, _ = precision_recall_curve(labels, np.concatenate([good, defect]))
    return float((2 * precision * recall / np.maximum(precision + recall, 1e-12)).max())


@dataclass
class PixelFigures:
    """Collects anomaly maps with their defective areas; says pixel AUROC and AUPRO of all of them.

    Each pixel of a map weighs the same, whatever the size of its frame.
    """

    _normal: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_CODES))
    _defect: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_CODES))
    _overlap: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_CODES))
    _areas: int = 0

    def add(self, anomaly_map: Float32Array, areas: Areas, counts: NDArray[np.bool_] | None = None) -> None:
        """Add one frame.

        anomaly_map: float32 (height, width), >= 0. areas: for a map of that size. counts: bool (height, width), which
        pixels count; None: all.
        """
        # Beyond half precision all values are as high as can be; a negative zero has a code of its own.
        codes = np.abs(np.minimum(anomaly_map, _HIGHEST)).astype(np.float16).view(np.uint16).ravel()
        counted = np.ones(codes.shape) if counts is None else counts.ravel().astype(np.float64)
        defective = areas.defective.ravel()
        self._normal += _sum(codes, counted * (1 - defective))
        self._defect += _sum(codes, counted * defective)
        shares = areas.share * counted[areas.pixel]
        of = np.bincount(areas.area, shares)
        inside = shares > 0
        self._overlap += _sum(codes[areas.pixel[inside]], shares[inside] / of[areas.area[inside]])
        self._areas += int((of > 0).sum())

    @property
    def auroc(self) -> float | None:
        """Area under the ROC curve over all pixels; None without defective ones."""
        if not self._areas or not self._normal.any():
            return None
        counts = np.concatenate([self._normal, self._defect])
        labels = np.repeat([0, 1], _CODES)
        values = np.tile(np.arange(_CODES), 2)
        kept = counts > 0
        return float(roc_auc_score(labels[kept], values[kept], sample_weight=counts[kept]))

    @property
    def aupro(self) -> float | None:
        """Per-region overlap, averaged over all defective areas, over the false-positive rate up to FPR_LIMIT."""
        if not self._areas or not self._normal.any():
            return None
        false_positive = np.concatenate([[0], np.cumsum(self._normal[::-1]) / self._normal.sum()])
        overlap = np.concatenate([[0], np.cumsum(self._overlap[::-1]) / self._areas])
        inside = false_positive < FPR_LIMIT
        x = np.append(false_positive[inside], FPR_LIMIT)
        y = np.append(overlap[inside], np.interp(FPR_LIMIT, false_positive, overlap))
        return float(auc(x, y) / FPR_LIMIT)


def _sum(codes: NDArray[np.uint16], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weight of each code."""
    summed: NDArray[np.float64] = np.bincount(codes, weights, _CODES).astype(np.float64)
    return summed
