"""Figures of merit of scores and anomaly maps, over any number of frames in constant memory.

Values of anomaly maps are counted by their half-precision code, which orders them as their values do, to one part in
two thousand. Curves and areas are scikit-learn's, over those counts.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import auc, precision_recall_curve, roc_auc_score

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
    """Collects anomaly maps with their masks; says pixel AUROC and AUPRO of all of them."""

    _normal: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_CODES, np.int64))
    _defect: NDArray[np.int64] = field(default_factory=lambda: np.zeros(_CODES, np.int64))
    _overlap: NDArray[np.float64] = field(default_factory=lambda: np.zeros(_CODES))
    _areas: int = 0

    def add(self, anomaly_map: Float32Array, mask: NDArray[np.bool_], counts: NDArray[np.bool_] | None = None) -> None:
        """Add one frame; all arrays are of one shape, (height, width).

        anomaly_map: float32, >= 0. mask: bool, True where defective. counts: bool, which pixels count; None: all.
        """
        if counts is None:
            counts = np.ones_like(mask)
        # Beyond half precision all values are as high as can be; a negative zero has a code of its own.
        codes = np.abs(np.minimum(anomaly_map, _HIGHEST)).astype(np.float16).view(np.uint16)
        inspected = mask & counts
        self._normal += _count(codes[~mask & counts])
        self._defect += _count(codes[inspected])
        number, labels = cv2.connectedComponents(inspected.astype(np.uint8), connectivity=8)
        for label in range(1, number):
            inside = codes[labels == label]
            self._overlap += _count(inside) / len(inside)
        self._areas += number - 1

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


def _count(codes: NDArray[np.uint16]) -> NDArray[np.int64]:
    counted: NDArray[np.int64] = np.bincount(codes, minlength=_CODES)
    return counted
