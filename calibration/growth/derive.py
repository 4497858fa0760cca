"""A bank made from a bank: what stays is copied, what changed is written, and lineage says which it came from."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from calibration.normal_scores import NormalScores
from calibration.options import SUSPECTS_LEFT_OUT
from calibration.pool import Patches
from calibration.samples import Skipped
from calibration.thresholds import promise_of
from inspector import bank as bank_files
from inspector.bank import DRIFT_FILE, SAMPLES_FOLDER, Bank
from inspector.bank_place import new_folder
from inspector.charts.wording import told_apart
from inspector.drift import Baseline
from inspector.errors import UsageError
from inspector.manifest import Calibration, Lineage, Manifest, Sample, Source, write_manifest
from inspector.types import Thresholds


@dataclass(frozen=True, slots=True)
class Memory:
    """What a bank remembers. radius: the largest distance of a normal patch to the nearest vector. drift: None where it
    has no baseline, or none any more.
    """

    patches: Patches
    samples: tuple[Sample, ...]
    normals: NormalScores
    radius: float
    drift: Baseline | None


@dataclass(frozen=True, slots=True)
class Check:
    """How the bank as it was judged pictures that it had not seen: how many of each decision."""

    passed: int
    uncertain: int
    rejected: int

    @property
    def total(self) -> int:
        """How many pictures there were."""
        return self.passed + self.uncertain + self.rejected


@dataclass(frozen=True, slots=True)
class Derived:
    """The bank that was derived, by growing or shrinking, and what is to be known of it.

    before, manifest: of the bank that it came from, and its own, whose lineage names what was added and removed.
    check: the newcomers judged by the bank as it was; None where none were added. still: names of newcomers that would
    not pass although the bank knows them, as when it is full. cautions: what cannot be promised, in words.
    """

    path: Path
    before: Manifest
    manifest: Manifest
    cautions: tuple[str, ...]
    skipped: tuple[Skipped, ...] = ()
    check: Check | None = None
    still: tuple[str, ...] = ()


def write_derived(
    parent: Bank,
    out_dir: Path,
    *,
    operation: str,
    thresholds: Thresholds | None = None,
    memory: Memory | None = None,
    thumbnails: Mapping[str, bytes] | None = None,
    added: Collection[Source] = (),
    removed: Collection[Source] = (),
    replace: bool = False,
) -> Manifest:
    """Write a bank that came from `parent`.

    thresholds, memory: None keeps the parent's. thumbnails: JPEG files by the names that memory.samples give; those of
    the parent's samples are copied.

    Raises:
        BankError: `out_dir` exists and replace is not set, or cannot be written; or another bank lies where the parent
            was read.
    """
    before = parent.manifest
    normals = memory.normals if memory else NormalScores.of(parent)
    limits = thresholds or parent.thresholds
    if SUSPECTS_LEFT_OUT in before.lineage.operation:  # whoever calibrates again from this one is to know it
        operation += f" (of a bank with {SUSPECTS_LEFT_OUT})"
    samples = memory.samples if memory else before.samples
    kept = {f"{SAMPLES_FOLDER}/{sample.thumbnail}" for sample in samples}
    with new_folder(out_dir, replace=replace) as draft:
        (draft / SAMPLES_FOLDER).mkdir()
        for name in before.files:
            if name in kept or not name.startswith(f"{SAMPLES_FOLDER}/"):
                (draft / name).write_bytes(parent.read(name))
        for thumbnail, picture in (thumbnails or {}).items():
            (draft / SAMPLES_FOLDER / thumbnail).write_bytes(picture)
        if memory is not None:
            memory.patches.save(draft)
            memory.normals.save(draft)
            if memory.drift is None:
                (draft / DRIFT_FILE).unlink(missing_ok=True)
            elif memory.drift is not parent.drift:
                save_file(memory.drift.arrays(), draft / DRIFT_FILE)
        calibration = Calibration(
            folds=len(np.unique(normals.fold)),
            fold_by=before.calibration.fold_by,
            ok=limits.ok,
            ng=limits.ng,
            pixel=limits.pixel,
            promise=promise_of(normals.scores, limits.ng, before.calibration.promise.max_false_reject),
        )
        files = bank_files.digests(draft)
        changes: dict[str, Any] = {
            "id": bank_files.identity(files, calibration),
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
        write_manifest(draft, manifest)
    return manifest


def with_thresholds(bank_dir: Path, out_dir: Path, *, ok: float, ng: float) -> Manifest:
    """The same bank under other thresholds of the image score; that of patches stays.

    Raises:
        UsageError: the thresholds cannot be. BankError: the bank is damaged, or `out_dir` cannot be written.
    """
    bank = Bank.load(bank_dir)
    before = bank.thresholds
    try:
        thresholds = Thresholds(ok, ng, before.pixel)
    except ValueError as error:
        raise UsageError(str(error)) from error
    ok_before, ok_now, ng_before, ng_now = told_apart(before.ok, ok, before.ng, ng)
    operation = f"thresholds ok {ok_before} to {ok_now}, ng {ng_before} to {ng_now}"
    return write_derived(bank, out_dir, operation=operation, thresholds=thresholds)
