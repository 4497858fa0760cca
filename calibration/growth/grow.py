"""Growing a bank: normal pictures are added without embedding all the others again.

Patches of the newcomers that the bank knows already are passed over; of the others those are added that cover what all
stand for (`calibration.growth.cover`).

Thresholds stay. The newcomers are scored against the bank as it was, which checks the thresholds on pictures that did
not set them; and, fold by fold, against the bank with the other newcomers, which says what may be promised now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calibration.growth.cover import merge, most_vectors, unknown
from calibration.growth.derive import Check, Derived, Memory, write_derived
from calibration.growth.reader import Newcomer, Reader
from calibration.normal_scores import NormalScores
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool
from calibration.samples import SampleFile, Skipped, in_blocks, read_sample
from calibration.threads import half_of_the_cores
from calibration.thumbnail import thumbnail
from inspector.bank import Bank
from inspector.errors import FrameError, SamplesError, in_words
from inspector.manifest import Sample, Source
from inspector.progress import Track, silent
from inspector.proportions import misfit
from inspector.scoring import image_score
from inspector.types import Float32Array, Thresholds

FOLDS = 5
"""Into how many parts newcomers are split to be scored by the others."""


@half_of_the_cores()
def grow(
    bank_dir: Path,
    newcomers: Sequence[Newcomer],
    out_dir: Path,
    *,
    operation: str = "add",
    replace: bool = False,
    track: Track = silent,
) -> Derived:
    """Write a bank to `out_dir` that knows what the bank at `bank_dir` knows, and further normal pictures.

    Raises:
        SamplesError: none of the pictures can be used.
        BankError: the bank is damaged, or `out_dir` exists or cannot be written.
    """
    reader = Reader(bank_dir)
    bank = reader.bank
    usable, files, skipped = _usable(newcomers, bank, track)
    if not usable:
        why = f"; {skipped[0].path.name}: {skipped[0].reason}" if skipped else ""
        raise SamplesError(f"bank {bank_dir}: nothing to add of {len(newcomers)} pictures{why}")
    fold = _folds(len(usable), bank)
    first = len(bank.manifest.samples)
    pools, before, known_within = _novel(reader, usable, fold, first, track)
    normals = _cross_fit(reader, usable, fold, pools, track)
    patches, radius = merge(reader, [pool.patches() for pool in pools])
    radius = max(radius, known_within)
    still = _not_passing(reader, usable, patches, track)
    names = [f"{number:06d}.jpg" for number in _free_numbers(bank, len(usable))]
    samples = tuple(
        Sample(path=n.name, sha256=f.sha256, thumbnail=t, pixels_sha256=f.pixels_sha256)
        for n, f, t in zip(usable, files, names, strict=True)
    )
    added = tuple(Source(path=sample.path, sha256=sample.sha256) for sample in samples)
    manifest = write_derived(
        bank,
        out_dir,
        operation=f"{operation} {len(usable)} pictures",
        memory=Memory(
            patches,
            (*bank.manifest.samples, *samples),
            NormalScores.of(bank).with_more(normals),
            radius,
            bank.drift,
        ),
        thumbnails={name: thumbnail(n.path.read_bytes(), bank.recipe) for n, name in zip(usable, names, strict=True)},
        added=added,
        replace=replace,
    )
    return Derived(
        out_dir,
        bank.manifest,
        manifest,
        skipped=tuple(skipped),
        check=_check(before, bank.thresholds),
        still=still,
        cautions=_cautions_of_growth(len(usable), bank, still, full=len(patches.vectors) >= most_vectors(bank)),
    )


def _folds(count: int, bank: Bank) -> NDArray[np.int32]:
    """The fold of each newcomer, int32 (count,): shuffled, or in blocks where the bank was made in blocks."""
    if bank.manifest.calibration.fold_by == "block":
        return in_blocks(count, FOLDS)
    return np.random.default_rng(bank.manifest.seed).permutation(np.arange(count) % FOLDS).astype(np.int32)


def _usable(
    newcomers: Iterable[Newcomer], bank: Bank, track: Track
) -> tuple[list[Newcomer], list[SampleFile], list[Skipped]]:
    """The newcomers that decode, have the bank's proportions and are new to it, each once, with what was read of each;
    and the others, with why they are left out.

    Pictures are the same where their pixels are; of banks that do not know their samples' pixels, where bytes are.
    """
    here = {digest: s.path for s in bank.manifest.samples for digest in (s.sha256, s.pixels_sha256) if digest}
    usual = bank.manifest.proportions
    usable: list[Newcomer] = []
    files: list[SampleFile] = []
    skipped: list[Skipped] = []
    for newcomer in track(list(newcomers), "reading pictures"):
        try:
            file = read_sample(newcomer.path, bank.recipe)
        except (OSError, FrameError) as error:
            skipped.append(Skipped(newcomer.path, in_words(error)))
            continue
        if same := here.get(file.pixels_sha256) or here.get(file.sha256):
            skipped.append(Skipped(newcomer.path, f"the same picture as {same}"))
            continue
        if usual is not None and (why := misfit(file.size_wh, usual)):
            skipped.append(Skipped(newcomer.path, why))
            continue
        here[file.pixels_sha256] = newcomer.name
        usable.append(newcomer)
        files.append(replace(file, picture=None))
    return usable, files, skipped


def _novel(
    reader: Reader, newcomers: Sequence[Newcomer], fold: NDArray[np.int32], first: int, track: Track
) -> tuple[list[Pool], Float32Array, float]:
    """The patches of each fold that the bank does not know; the score of each newcomer by the bank as it is; and how
    far the patches that it knows, which are passed over, are from its vectors at most.
    """
    bank = reader.bank
    limit = KEEP * bank.recipe.vectors
    pools = [
        Pool(MAX_BYTES // FOLDS, limit, np.random.default_rng([bank.manifest.seed, number]))
        for number in range(int(fold.max()) + 1)
    ]
    scores, within = np.empty(len(newcomers), np.float32), 0.0
    for index in track(range(len(newcomers)), "embedding patches"):
        payload = newcomers[index].path.read_bytes()
        scores[index] = image_score(reader.patch_scores(payload, reader.known))
        patches = reader.patches(payload, first + index)
        novel = unknown(reader, patches)
        pools[fold[index]].add(patches.take(novel))
        known = np.delete(patches.vectors, novel, axis=0)
        within = max(within, float(reader.known.search(known, 1)[0].max(initial=0)))
    return pools, scores, within


def _cross_fit(
    reader: Reader, newcomers: Sequence[Newcomer], fold: NDArray[np.int32], pools: Sequence[Pool], track: Track
) -> NormalScores:
    """Each newcomer held against the bank and the newcomers of the other folds."""
    scores, peaks = np.empty(len(fold), np.float32), np.empty(len(fold), np.float32)
    for held_out in track(range(len(pools)), "checking thresholds"):
        others = [pool.patches() for index, pool in enumerate(pools) if index != held_out]
        patches, _ = merge(reader, others)
        neighbours = reader.neighbours(patches.vectors)
        for index in np.flatnonzero(fold == held_out):
            found = reader.patch_scores(newcomers[int(index)].path.read_bytes(), neighbours)
            scores[index], peaks[index] = image_score(found), reader.grid.anomaly_map(found).max()
    return NormalScores(scores, peaks, fold)


def _not_passing(reader: Reader, newcomers: Sequence[Newcomer], patches: Patches, track: Track) -> tuple[str, ...]:
    """Names of newcomers that score above ok although these patches were selected with theirs among them."""
    neighbours = reader.neighbours(patches.vectors)
    ok = reader.bank.thresholds.ok
    return tuple(
        newcomer.name
        for newcomer in track(newcomers, "looking at them again")
        if image_score(reader.patch_scores(newcomer.path.read_bytes(), neighbours)) > ok
    )


def _check(scores: Float32Array, thresholds: Thresholds) -> Check:
    rejected, passed = int((scores > thresholds.ng).sum()), int((scores <= thresholds.ok).sum())
    return Check(passed, len(scores) - passed - rejected, rejected)


def _free_numbers(bank: Bank, count: int) -> range:
    """Numbers for new thumbnails, above those in use."""
    used = [int(Path(sample.thumbnail).stem) for sample in bank.manifest.samples]
    first = max(used, default=-1) + 1
    return range(first, first + count)


def _cautions_of_growth(count: int, bank: Bank, still: Sequence[str], *, full: bool) -> tuple[str, ...]:
    known = len(bank.manifest.samples)
    said = [
        f"the expected false rejects rest on {known} earlier and {count} new pictures together, and hold where the "
        "line sees both in this proportion",
    ]
    if count < FOLDS:
        said.append(f"{count} new pictures hardly stand for others of their kind; give {FOLDS} or more")
    if bank.recipe.plane:
        said.append(
            "distances are taken to planes, which new vectors change: a few frames that passed may be rejected; see "
            "with `inspector replay`, or calibrate again with all"
        )
    if still:
        why = "the bank is full" if full else "though the bank has room"
        said.append(f"{len(still)} of the new pictures would still not pass: {why}; calibrate again with all")
    return tuple(said)
