"""A bank made from a bank: what stays is copied, what changed is written, and lineage says which it came from."""

import hashlib
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from calibration.pool import Patches
from calibration.thresholds import promise_of
from inspector import bank as bank_files
from inspector.bank import DRIFT_FILE, Bank, Calibration, Lineage, Manifest, Sample, Source
from inspector.drift import Baseline
from inspector.errors import UsageError
from inspector.types import Float32Array, Thresholds

_MEMORY, _CALIBRATION, _SAMPLES = "memory.safetensors", "calibration.safetensors", "samples/"


@dataclass(frozen=True, slots=True)
class Figures:
    """Cross-fitted figures of the normal samples, in the order of the manifest.

    scores, peaks: float32 (samples). fold: int32 (samples).
    """

    scores: Float32Array
    peaks: Float32Array
    fold: NDArray[np.int32]

    @classmethod
    def of(cls, bank: Bank) -> "Figures":
        """Those of a bank that was loaded, and so verified."""
        arrays = load_file(bank.path / _CALIBRATION)
        return cls(arrays["scores"], arrays["peaks"], arrays["fold"])

    def take(self, rows: NDArray[np.int64]) -> "Figures":
        """Those of some samples."""
        return Figures(self.scores[rows], self.peaks[rows], self.fold[rows])

    def with_more(self, scores: Float32Array, peaks: Float32Array, fold: NDArray[np.int32]) -> "Figures":
        """These, and those of further samples, whose folds are numbered after these."""
        first = int(self.fold.max()) + 1 if len(self.fold) else 0
        return Figures(
            np.concatenate([self.scores, scores]),
            np.concatenate([self.peaks, peaks]),
            np.concatenate([self.fold, fold + first]).astype(np.int32),
        )


@dataclass(frozen=True, slots=True)
class Memory:
    """What a bank remembers. radius: how far a normal patch is from the nearest vector, at most."""

    patches: Patches
    samples: tuple[Sample, ...]
    figures: Figures
    radius: float


def write_derived(
    parent: Bank,
    out_dir: Path,
    *,
    operation: str,
    thresholds: Thresholds | None = None,
    memory: Memory | None = None,
    drift: Baseline | None = None,
    thumbnails: Mapping[str, bytes] | None = None,
    added: Collection[Source] = (),
    removed: Collection[Source] = (),
    replace: bool = False,
) -> Manifest:
    """Write a bank that came from `parent`.

    thresholds, memory, drift: None keeps the parent's. thumbnails: JPEG files by the names that memory.samples give;
    those of the parent's samples are copied.

    Raises:
        BankError: `out_dir` exists and replace is not set, or cannot be written.
    """
    before = parent.manifest
    figures = memory.figures if memory else Figures.of(parent)
    limits = thresholds or parent.thresholds
    samples = memory.samples if memory else before.samples
    kept = {f"{_SAMPLES}{sample.thumbnail}" for sample in samples} - {f"{_SAMPLES}{name}" for name in thumbnails or ()}
    with bank_files.new_folder(out_dir, replace=replace) as draft:
        (draft / _SAMPLES).mkdir()
        for name in before.files:
            if name.startswith(_SAMPLES):
                if name in kept:
                    shutil.copyfile(parent.path / name, draft / name)
            elif memory is None or name not in (_MEMORY, _CALIBRATION):
                (draft / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(parent.path / name, draft / name)
        for name, picture in (thumbnails or {}).items():
            (draft / _SAMPLES / name).write_bytes(picture)
        if memory is not None:
            save_file(_arrays(memory.patches), draft / _MEMORY)
            save_file({"scores": figures.scores, "peaks": figures.peaks, "fold": figures.fold}, draft / _CALIBRATION)
        if drift is not None:
            save_file(drift.arrays(), draft / DRIFT_FILE)
        calibration = Calibration(
            folds=len(np.unique(figures.fold)),
            fold_by=before.calibration.fold_by,
            ok=limits.ok,
            ng=limits.ng,
            pixel=limits.pixel,
            promise=promise_of(figures.scores, limits.ng, before.calibration.promise.max_false_reject),
        )
        files = bank_files.digests(draft)
        # The same vectors under other thresholds decide otherwise: their id is another.
        figure = hashlib.sha256(calibration.model_dump_json().encode()).hexdigest()
        changes: dict[str, Any] = {
            "id": bank_files.identity({**files, "calibration": figure}),
            "calibration": calibration,
            "files": files,
            "samples": samples,
            "lineage": Lineage(
                parent=parent.ref.digest, operation=operation, added=tuple(added), removed=tuple(removed)
            ),
        }
        if memory is not None:
            changes |= {"vectors": len(memory.patches.vectors), "covering_radius": memory.radius}
        manifest = before.model_copy(update=changes)
        bank_files.write_manifest(draft, manifest)
    return manifest


def with_thresholds(bank_dir: Path, out_dir: Path, *, ok: float, ng: float, pixel: float | None = None) -> Manifest:
    """The same bank under other thresholds. pixel: None keeps it.

    Raises:
        UsageError: the thresholds cannot be. BankError: the bank is damaged, or `out_dir` cannot be written.
    """
    bank = Bank.load(bank_dir)
    before = bank.thresholds
    try:
        thresholds = Thresholds(ok, ng, before.pixel if pixel is None else pixel)
    except ValueError as error:
        raise UsageError(str(error)) from error
    operation = f"thresholds ok {before.ok:.4g} to {ok:.4g}, ng {before.ng:.4g} to {ng:.4g}"
    return write_derived(bank, out_dir, operation=operation, thresholds=thresholds)


def _arrays(patches: Patches) -> dict[str, NDArray[Any]]:
    return {
        "vectors": np.ascontiguousarray(patches.vectors),
        "source": np.ascontiguousarray(patches.source),
        "position": np.ascontiguousarray(patches.position),
    }
