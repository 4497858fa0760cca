"""Cross-fitted scores of the normal samples: what thresholds are set by, and a bank carries."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save_file

from inspector.bank import SCORES_FILE, Bank
from inspector.types import Float32Array


@dataclass(frozen=True, slots=True)
class NormalScores:
    """Of n samples in the order of the manifest, each held against a bank of the other folds.

    scores: float32 (n,), image scores. peaks: float32 (n,), the highest values of their anomaly maps. fold: int32 (n,).
    """

    scores: Float32Array
    peaks: Float32Array
    fold: NDArray[np.int32]

    @classmethod
    def of(cls, bank: Bank) -> "NormalScores":
        """Those of a bank that was loaded, and so verified. Raises BankError: see `Bank.read`."""
        arrays = load(bank.read(SCORES_FILE))
        return cls(arrays["scores"], arrays["peaks"], arrays["fold"])

    def save(self, folder: Path) -> None:
        """Write them into a bank's folder."""
        save_file({"scores": self.scores, "peaks": self.peaks, "fold": self.fold}, folder / SCORES_FILE)

    def take(self, rows: NDArray[np.int64]) -> "NormalScores":
        """Those of some samples."""
        return NormalScores(self.scores[rows], self.peaks[rows], self.fold[rows])

    def with_more(self, more: "NormalScores") -> "NormalScores":
        """These, and those of further samples, whose folds are numbered after these."""
        first = int(self.fold.max()) + 1 if len(self.fold) else 0
        return NormalScores(
            np.concatenate([self.scores, more.scores]),
            np.concatenate([self.peaks, more.peaks]),
            np.concatenate([self.fold, more.fold + first]).astype(np.int32),
        )
