"""Shrinking a bank: samples are removed with every vector that came from them. Thresholds stay."""

from collections.abc import Collection, Sequence
from dataclasses import replace as changed
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.caveats import LOWER
from calibration.growth.cover import cover
from calibration.growth.derive import Derived, Memory, write_derived
from calibration.growth.reader import Newcomer, Reader
from calibration.normal_scores import NormalScores
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool
from calibration.threads import half_of_the_cores
from calibration.thresholds import limits
from inspector.bank import Bank
from inspector.drift import Baseline
from inspector.errors import SamplesError
from inspector.manifest import Sample, Source
from inspector.progress import Track, silent
from inspector.samples.enough import MINIMUM
from inspector.scoring import NearestNeighbours
from inspector.types import Float32Array

_ROUNDING: Final = 1e-3
"""Distances this share above the covering radius equal it: the farthest patch is measured once more."""


@half_of_the_cores()
def shrink(
    bank_dir: Path,
    names: Collection[str],
    out_dir: Path,
    *,
    good: Sequence[Newcomer] = (),
    replace: bool = False,
    track: Track = silent,
) -> Derived:
    """Write a bank to `out_dir` that lacks some samples of the bank at `bank_dir`.

    names: paths as the manifest lists them, or sha256. good: files of the samples that stay: what the removed vectors
    stood for among them is covered anew.

    Raises:
        SamplesError: a name is no sample of the bank's, or the path of several, or too little would remain.
        BankError: the bank is damaged, or `out_dir` exists or cannot be written.
    """
    reader = Reader(bank_dir)
    bank, manifest = reader.bank, reader.bank.manifest
    leaving = _leaving(bank, names)
    stays = np.flatnonzero(~leaving)
    patches = _staying(bank, stays)
    remaining = len(patches.vectors)
    samples = tuple(manifest.samples[index] for index in stays)
    found = _found(good, samples)
    radius = manifest.covering_radius
    if found:
        patches, radius = _fill(reader, patches, found, track)
    gone = tuple(
        Source(path=manifest.samples[index].path, sha256=manifest.samples[index].sha256)
        for index in np.flatnonzero(leaving)
    )
    normals = NormalScores.of(bank)
    written = write_derived(
        bank,
        out_dir,
        operation=f"remove {len(gone)} pictures",
        memory=Memory(patches, samples, normals.take(stays), radius, _drift_of(bank, stays)),
        removed=gone,
        replace=replace,
    )
    return Derived(
        out_dir,
        manifest,
        written,
        cautions=(
            *_cautions_of_shrinking(len(bank.vectors) - remaining, len(samples) - len(found)),
            *_rests_on_removed(bank, normals.scores, stays),
        ),
    )


def _leaving(bank: Bank, names: Collection[str]) -> NDArray[np.bool_]:
    """Which samples are named, bool (samples,). Raises SamplesError: see `shrink`."""
    samples = bank.manifest.samples
    known = {name for sample in samples for name in (sample.path, sample.sha256)}
    if unknown := sorted(set(names) - known):
        raise SamplesError(
            f"bank {bank.path}: {unknown[0]} is none of its samples; expected a path as `bank show --json` lists it"
        )
    for name in sorted(set(names)):
        if len(alike := [sample.sha256 for sample in samples if sample.path == name]) > 1:
            raise SamplesError(
                f"bank {bank.path}: {name} is the path of {len(alike)} of its samples, expected one; "
                f"say which by sha256: {', '.join(alike)}"
            )
    leaving = np.array([sample.path in names or sample.sha256 in names for sample in samples])
    if (left := len(samples) - int(leaving.sum())) < MINIMUM:
        raise SamplesError(
            f"bank {bank.path}: {left} of its samples would remain, expected at least {MINIMUM}; calibrate again"
        )
    return leaving


def _staying(bank: Bank, stays: NDArray[np.int64]) -> Patches:
    """The vectors of the samples that stay, which are numbered anew. Raises SamplesError: there are none."""
    rows = np.flatnonzero(np.isin(bank.source, stays))
    if len(rows) == 0:
        raise SamplesError(f"bank {bank.path}: no vector would remain; calibrate again from the samples that stay")
    patches = Patches(bank.vectors, bank.source, bank.position).take(rows)
    return changed(patches, source=np.searchsorted(stays, patches.source).astype(np.int32))


def _drift_of(bank: Bank, stays: NDArray[np.int64]) -> Baseline | None:
    """The baseline without the samples that leave, so that they set no limits any more. Their share of its reference, a
    mean, stays. Samples that were added later are not in it: None where no others stay, or there is none.
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
    """Cover anew what the removed vectors stood for among the samples that stay; and the radius of all.

    What the bank did not cover before, as a patch that was left out as doubtful, stays out.
    """
    bank = reader.bank
    pool = Pool(MAX_BYTES, KEEP * bank.recipe.vectors, np.random.default_rng(bank.manifest.seed))
    former, nearest = NearestNeighbours(bank.vectors, 1), NearestNeighbours(patches.vectors, 1)
    radius = bank.manifest.covering_radius
    for number, newcomer in track(list(found), "covering what stays"):
        of_sample = reader.patches(newcomer.path.read_bytes(), number)
        was, away = (search.search(of_sample.vectors)[0][:, 0] for search in (former, nearest))
        pool.add(of_sample.take(np.flatnonzero((away > radius) & (was <= radius * (1 + _ROUNDING)))))
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


def _rests_on_removed(bank: Bank, scores: Float32Array, stays: NDArray[np.int64]) -> tuple[str, ...]:
    """Said where samples that leave have set ok. scores: float32 (samples,), of those that stay and leave."""
    budget, ok = bank.manifest.calibration.promise.max_false_reject, bank.thresholds.ok
    without = limits(scores[stays], budget).ok
    if without > LOWER * min(ok, limits(scores, budget).ok):
        return ()
    return (
        f"ok rests on what was removed: by the samples that stay it would be {without:.3g}, not {ok:.3g}; what was "
        "wrong with them still passes: calibrate again from the samples that stay",
    )
