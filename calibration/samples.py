"""The folder of good samples: which files make the bank, and which are left out and why."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from calibration.augmentation import check_room
from calibration.evaluation.cases import good_folders, is_reject, masks_beside
from calibration.evaluation.truth import truths_in
from calibration.look import Look, look_of
from inspector import frame as decoder
from inspector.errors import FrameError, SamplesError, in_words
from inspector.folder import TRUTH, Contents, contents_of, foreign, no_pictures
from inspector.frame import pixels_sha256
from inspector.patches import picture_of
from inspector.progress import Track, silent
from inspector.recipe import Recipe
from inspector.samples.enough import MINIMUM
from inspector.types import UInt8Image

T = TypeVar("T")

SAME_SIZE_SHARE = 0.9
"""Where at least this share of the samples has one size, the others are odd; below it, sizes vary by nature."""

KEPT_BYTES = 256 << 20
"""Bound of the pictures that are kept of all samples, bytes: 1,365 of 256x256."""


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A readable sample.

    pixels_sha256: digest of its size and pixels: the same picture may come in another format or with other metadata.
    look: of the picture that the backbone sees. picture: that picture, uint8 (height, width, 3) RGB, where it is kept.
    """

    path: Path
    sha256: str
    pixels_sha256: str
    size_wh: tuple[int, int]
    look: Look
    picture: UInt8Image | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file that was left out, and why."""

    path: Path
    reason: str


@dataclass(frozen=True, slots=True)
class Samples:
    """The samples of a folder in order of their paths, and what was left out. recipe: what they were read by."""

    folder: Path
    recipe: Recipe
    files: tuple[SampleFile, ...]
    skipped: tuple[Skipped, ...]

    def name(self, index: int) -> str:
        """The path of a sample below the folder."""
        return self.files[index].path.relative_to(self.folder).as_posix()

    def without(self, reasons: Mapping[int, str]) -> "Samples":
        """The samples without those of these numbers, each left out for the reason given.

        Raises:
            SamplesError: fewer than MINIMUM remain.
        """
        files = tuple(file for index, file in enumerate(self.files) if index not in reasons)
        if len(files) < MINIMUM:
            raise SamplesError(
                f"samples {self.folder}: {len(files)} of {len(self.files)} would remain without the suspects, expected "
                f"at least {MINIMUM}; calibrate without --exclude-suspects, and look at them with --report DIR"
            )
        left_out = [Skipped(self.files[index].path, reason) for index, reason in reasons.items()]
        skipped = tuple(sorted((*self.skipped, *left_out), key=lambda item: item.path))
        return replace(self, files=files, skipped=skipped)


def read_sample(path: Path, recipe: Recipe) -> SampleFile:
    """Decode a picture that is to be a sample, and look at it.

    Raises:
        OSError, FrameError: it cannot be read, does not fit the recipe, or has no room for its shift.
    """
    payload = path.read_bytes()
    frame = decoder.decode(payload)
    picture, _ = picture_of(frame, recipe)
    check_room(frame, recipe)
    return SampleFile(
        path=path,
        sha256=hashlib.sha256(payload).hexdigest(),
        pixels_sha256=pixels_sha256(frame),
        size_wh=frame.size_wh,
        look=look_of(picture),
        picture=picture.copy(),  # it may be a part of the frame, which would be kept with it
    )


@contextmanager
def again(path: Path) -> Iterator[None]:
    """Within the block a sample is read once more, which others may have removed or written over meanwhile.

    Raises:
        SamplesError: it cannot be read any more, or does not decode.
    """
    try:
        yield
    except (OSError, FrameError) as error:
        raise SamplesError(
            f"{path}: was read, and is not what it was any more ({in_words(error)}); leave samples alone while "
            "they are calibrated, or give a copy of them"
        ) from error


def evenly(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` of the items, evenly spaced in their order: of files sorted by time they stand for all."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]


def in_blocks(count: int, folds: int) -> NDArray[np.int32]:
    """The fold of each of `count` samples where folds are runs of consecutive samples: int32 (count,).

    There are as many folds as asked for, or as there are samples.
    """
    return (np.arange(count) * min(folds, count) // count).astype(np.int32)


def read_samples(
    folder: Path, recipe: Recipe, *, first: int | None = None, limit: int | None = None, track: Track = silent
) -> Samples:
    """Find, decode and check the samples below a folder, recursively.

    first: use only the first so many files in order of their paths. limit: of those, so many, evenly spaced.

    Raises:
        SamplesError: no such folder, no picture in it, fewer than MINIMUM that can be used, or a whole data set.
    """
    contents = contents_of(folder)
    refuse_data_set(folder, contents.pictures)
    paths = evenly(contents.pictures[:first], limit)
    if not paths:
        raise no_pictures(f"samples {folder}", contents.none_read)
    found, skipped = _read(folder, paths, recipe, track)
    files, odd = _split_odd(found)
    skipped += odd + _left_out(contents)
    if len(files) < MINIMUM:
        if not files and len({item.reason for item in skipped}) == 1:
            raise SamplesError(f"samples {folder}: none of {len(paths)} can be used: {skipped[0].reason}")
        why = f"; left out: {skipped[0].path.name} ({skipped[0].reason})" if skipped else ""
        raise SamplesError(
            f"samples {folder}: {len(files)} usable of {len(paths)}, expected at least {MINIMUM} different pictures: "
            f"fewer cannot be held against one another to set thresholds{why}"
        )
    return Samples(folder, recipe, tuple(files), tuple(sorted(skipped, key=lambda item: item.path)))


def refuse_data_set(folder: Path, pictures: Sequence[Path]) -> None:
    """Rejects and masks below it would be taken for good samples.

    pictures: all that lie below the folder.

    Raises:
        SamplesError: it is a whole data set, has a folder of rejects, or masks beside frames.
    """
    good = next(iter(good_folders(folder, pictures)), None)
    masks = min(truths_in(folder, pictures), default=None)
    if good or masks or (folder / TRUTH).is_dir():
        why = f"; there are masks in {masks.relative_to(folder)}" if masks else ""
        meant = f"; did you mean {good}?" if good else why
        raise SamplesError(f"samples {folder}: is a whole data set, expected the folder of its good samples{meant}")
    places = {place for each in pictures for place in each.relative_to(folder).parents}
    if rejects := min((place for place in places if is_reject(place.name)), default=None):
        raise SamplesError(
            f"samples {folder}: {rejects} is named as rejects are, which would pass as good from then on; expected "
            "good samples alone: name their folder, or call this one otherwise if what lies there is good"
        )
    if beside := masks_beside(pictures):
        frame, (mask, *_) = next((frame, each.masks) for frame, each in beside.items())
        raise SamplesError(
            f"samples {folder}: {mask.relative_to(folder)} is a mask of {frame.name} beside it, so defective frames "
            "may be among them; expected good samples alone, in a folder of their own"
        )


def _left_out(contents: Contents) -> list[Skipped]:
    """What is no sample, and would be missed by nobody without a word."""
    return [
        *(Skipped(bank, "a bank, whose pictures are small copies of its samples") for bank in contents.banks),
        *(Skipped(f, f"a format that is not read: {foreign(f)}") for f in contents.foreign),
    ]


def _read(folder: Path, paths: Sequence[Path], recipe: Recipe, track: Track) -> tuple[list[SampleFile], list[Skipped]]:
    """Pictures are kept up to KEPT_BYTES: large frames take longer to decode than their pictures to embed."""
    found: list[SampleFile] = []
    skipped: list[Skipped] = []
    seen: dict[str, Path] = {}
    room = KEPT_BYTES
    for path in track(paths, "reading samples"):
        try:
            file = read_sample(path, recipe)
        except (OSError, FrameError) as error:
            skipped.append(Skipped(path, in_words(error)))
            continue
        if (same := seen.setdefault(file.pixels_sha256, path)) != path:
            skipped.append(Skipped(path, f"the same picture as {same.relative_to(folder)}"))
            continue
        room -= file.picture.nbytes if file.picture is not None else 0
        found.append(file if room >= 0 else replace(file, picture=None))
    return found, skipped


def _split_odd(found: Iterable[SampleFile]) -> tuple[list[SampleFile], list[Skipped]]:
    files = list(found)
    if not files:
        return files, []
    (usual, count), *_ = Counter(file.size_wh for file in files).most_common(1)
    if count < SAME_SIZE_SHARE * len(files):
        return files, []
    odd = [
        Skipped(file.path, f"{file.size_wh[0]}x{file.size_wh[1]} pixels, the others are {usual[0]}x{usual[1]}")
        for file in files
        if file.size_wh != usual
    ]
    return [file for file in files if file.size_wh == usual], odd
