"""Shrinking a bank: samples that should not be in it go, with every vector that came from them. Thresholds stay."""

from collections.abc import Collection, Sequence
from dataclasses import replace as changed
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.derive import Memory, write_derived
from calibration.grow import Grown, cover
from calibration.normal_scores import NormalScores
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool
from calibration.reader import Newcomer, Reader
from calibration.samples import MINIMUM
from inspector.bank import Bank
from inspector.drift import Baseline
from inspector.errors import SamplesError
from inspector.manifest import Sample, Source
from inspector.progress import Track, silent
from inspector.scoring import NearestNeighbours


def shrink(
    bank_dir: Path,
    names: Collection[str],
    out_dir: Path,
    *,
    good: Sequence[Newcomer] = (),
    replace: bool = False,
    track: Track = silent,
) -> Grown:
    """The bank at `bank_dir` without some of its samples becomes a bank at `out_dir`.

    names: paths as the manifest has them, or digests. good: where the samples that stay can be read: what the removed
    vectors stood for among them is covered again.

    Raises:
        SamplesError: a name is none of the bank's or a path of several, or nothing would remain.
        BankError: the bank is damaged, or `out_dir` exists or cannot be written.
    """
    reader = Reader(bank_dir)
    bank, manifest = reader.bank, reader.bank.manifest
    leaving = [sample.path in names or sample.sha256 in names for sample in manifest.samples]
    known = {name for sample in manifest.samples for name in (sample.path, sample.sha256)}
    if unknown := sorted(set(names) - known):
        raise SamplesError(
            f"bank {bank_dir}: {unknown[0]} is none of its samples; expected a path as `bank show --json` lists it"
        )
    for name in sorted(set(names)):
        if len(alike := [sample.sha256 for sample in manifest.samples if sample.path == name]) > 1:
            raise SamplesError(
                f"bank {bank_dir}: {name} is the path of {len(alike)} of its samples, expected one; "
                f"say which by sha256: {', '.join(alike)}"
            )
    stays = np.flatnonzero(~np.array(leaving))
    if len(stays) < MINIMUM:
        raise SamplesError(
            f"bank {bank_dir}: {len(stays)} of its samples would remain, expected at least {MINIMUM}; calibrate again"
        )
    rows = np.flatnonzero(np.isin(bank.source, stays))
    if len(rows) == 0:
        raise SamplesError(f"bank {bank_dir}: no vector would remain; calibrate again from the samples that stay")
    renumber = np.full(len(leaving), -1, np.int32)
    renumber[stays] = np.arange(len(stays), dtype=np.int32)
    patches = Patches(bank.vectors, bank.source, bank.position).take(rows)
    patches = Patches(patches.vectors, renumber[patches.source], patches.position)
    samples = tuple(manifest.samples[int(index)] for index in stays)
    found = _found(good, samples)
    radius = manifest.covering_radius
    if found:
        patches, radius = _fill(reader, patches, found, track)
    gone = tuple(
        Source(path=s.path, sha256=s.sha256) for s, goes in zip(manifest.samples, leaving, strict=True) if goes
    )
    derived = write_derived(
        bank,
        out_dir,
        operation=f"remove {len(gone)} pictures",
        memory=Memory(patches, samples, NormalScores.of(bank).take(stays), radius),
        drift=_drift_of(bank, stays),
        removed=gone,
        replace=replace,
    )
    return Grown(
        path=out_dir,
        bank_id=derived.id,
        added=(),
        removed=gone,
        skipped=(),
        vectors=(len(bank.vectors), derived.vectors),
        radius=(manifest.covering_radius, radius),
        thresholds=derived.thresholds,
        promise=derived.calibration.promise,
        check=None,
        still=(),
        cautions=_cautions_of_shrinking(len(bank.vectors) - len(rows), len(samples) - len(found)),
    )


def _drift_of(bank: Bank, stays: NDArray[np.int64]) -> Baseline | None:
    """The baseline without the samples that leave, which would set its limits still; their share of its reference, a
    mean, stays. Samples that were added later are not in it.
    """
    if bank.drift is None:
        return None
    known = stays[stays < len(bank.drift.usual_patches)]
    if len(known) == 0:
        return None
    return changed(bank.drift, signals=bank.drift.signals[known], usual_patches=bank.drift.usual_patches[known])


def _fill(
    reader: Reader, patches: Patches, found: Sequence[tuple[int, Newcomer]], track: Track
) -> tuple[Patches, float]:
    """Covers again what the removed vectors stood for among the samples that stay."""
    bank = reader.bank
    pool = Pool(MAX_BYTES, KEEP * bank.recipe.vectors, np.random.default_rng(bank.manifest.seed))
    nearest = NearestNeighbours(patches.vectors, 1)
    radius = bank.manifest.covering_radius
    for number, newcomer in track(list(found), "covering what stays"):
        of_sample = reader.patches(newcomer.path.read_bytes(), number)
        away = nearest.search(of_sample.vectors)[0][:, 0]
        pool.add(of_sample.take(np.flatnonzero(away > radius)))
    return cover(reader, patches, [pool.patches()], radius, until=radius)


def _found(good: Sequence[Newcomer], samples: Sequence[Sample]) -> list[tuple[int, Newcomer]]:
    numbers = {sample.sha256: number for number, sample in enumerate(samples)}
    found = {numbers[digest]: newcomer for newcomer in good if (digest := newcomer.sha256) in numbers}
    return sorted(found.items(), key=lambda item: item[0])


def _cautions_of_shrinking(vectors: int, unread: int) -> tuple[str, ...]:
    said = [
        "the samples that stay were scored while the removed ones were in the bank: more of them may be rejected now"
    ]
    if unread:
        said.append(
            f"{vectors} vectors went, and what they stood for in {unread} samples that could not be read is covered by "
            "others only as far as those reach; give the folder of the samples with --good, or calibrate again"
        )
    return tuple(said)
