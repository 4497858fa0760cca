"""Where frames come from. A source is opened by name and gives encoded pictures, one after the other.

./frames            every image below the folder, in the order of their paths, bytes as they are
part.png            one image
clip.mp4            a video file
rtsp://host/stream  a network stream: always its newest picture
0, /dev/video0      a camera of this machine: always its newest picture
synthetic[:PRODUCT] the drawn product, without end
"""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from inspector.errors import InspectorError, UsageError
from inspector.folder import CONTENT_TYPES, image_files

_MASKS = "ground_truth"
_MAX_PART_ID = 128


class SourceError(UsageError):
    """The source does not exist or cannot be opened, or there is no image in it."""


class SourceLostError(InspectorError):
    """A stream or device that delivered frames does so no longer."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One encoded picture. truth: `good` or the kind of defect, where the source knows."""

    image: bytes
    content_type: str
    part_id: str | None = None
    truth: str | None = None


class Source(AbstractContextManager["Source"], Protocol):
    """Pictures, one pass at a time. `fps`: its own rate, or None where it has none."""

    @property
    def fps(self) -> float | None:
        """The rate that the source itself runs at."""
        ...

    def shots(self) -> Iterator[Shot]:
        """One pass over the pictures; a second call begins anew where the source can."""
        ...


def open_source(name: str, *, run: str = "", seed: int | None = None, defect_rate: float = 0.1) -> Source:
    """The source of that name, not yet entered.

    run: a word that makes the part ids of drawn parts unique. seed, defect_rate: for the drawn product.

    Raises:
        SourceError: there is no such file or folder, no image in the folder, or the name means nothing.
        UsageError: no such synthetic product.
    """
    if name == "synthetic" or name.startswith("synthetic:"):
        from inspector.camera.drawn import DrawnSource

        return DrawnSource(name.partition(":")[2] or "plate", run=run, seed=seed, defect_rate=defect_rate)
    if name.isdigit() or "://" in name or name.startswith("/dev/"):
        from inspector.camera.video import LiveSource

        return LiveSource(name)
    path = Path(name)
    if path.is_dir():
        return FolderSource.of(path)
    if not path.exists():
        raise SourceError(
            f"source {name!r}: no such file or folder; expected a folder of images, an image, a video, "
            "a stream (rtsp://...), a device number, or synthetic[:PRODUCT]"
        )
    if path.suffix.lower() in CONTENT_TYPES:
        return FolderSource(path.parent, (path,))
    from inspector.camera.video import FileSource

    return FileSource(path)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Images of a folder. Their bytes are published as they are: judging them is the other side's work."""

    folder: Path
    paths: tuple[Path, ...]

    @classmethod
    def of(cls, folder: Path) -> "FolderSource":
        """Every image below the folder, as calibration finds them, without the masks in `ground_truth`.

        Raises:
            SourceError: not one image.
        """
        paths = tuple(path for path in image_files(folder) if _MASKS not in path.relative_to(folder).parts)
        if not paths:
            raise SourceError(
                f"source {str(folder)!r}: no image in this folder; expected files named {' '.join(CONTENT_TYPES)}"
            )
        return cls(folder, paths)

    @property
    def fps(self) -> float | None:
        """A folder has no rate of its own."""
        return None

    def shots(self) -> Iterator[Shot]:
        """The images in order; the part id is the path within the folder.

        Raises:
            SourceLostError: a file cannot be read any more.
        """
        for path in self.paths:
            try:
                image = path.read_bytes()
            except OSError as error:
                raise SourceLostError(f"source: cannot read {path}: {error.strerror}") from error
            part_id = _legible(path.relative_to(self.folder).as_posix())[-_MAX_PART_ID:]
            yield Shot(image, CONTENT_TYPES[path.suffix.lower()], part_id)

    def __enter__(self) -> "FolderSource":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def _legible(name: str) -> str:
    """Names of files may be bytes that are no text, and hold what no message may."""
    text = os.fsencode(name).decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
