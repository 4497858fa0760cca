"""Pictures that lie in a folder, or one of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from inspector.camera.source import Shot, SourceError, SourceLostError, part_id_of
from inspector.folder import CONTENT_TYPES, Contents, contents_of, foreign


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Images of a folder, or one of them. Their bytes are published as they are: judging them is the other side's work.

    only: the one image; None: all. on_notice: told of each that cannot be read.
    """

    folder: Path
    only: Path | None
    on_notice: Callable[[str], None]

    @classmethod
    def of(cls, folder: Path, on_notice: Callable[[str], None]) -> "FolderSource":
        """Every image below the folder, as calibration finds them, without masks.

        Raises:
            SourceError: not one image. SamplesError: a folder below it cannot be read.
        """
        contents = contents_of(folder)
        frames, masks = _frames(folder, contents)
        if not frames:
            raise SourceError(
                f"source {str(folder)!r}: {contents.none_read}; expected files named {' '.join(CONTENT_TYPES)}"
            )
        if contents.foreign:
            first, number = contents.foreign[0], len(contents.foreign)
            on_notice(f"left out, in formats that are not read: {number}, such as {first.name} ({foreign(first)})")
        if masks:
            on_notice(f"left out, masks of frames: {len(masks)}, such as {masks[0].relative_to(folder)}")
        return cls(folder, None, on_notice)

    @property
    def fps(self) -> float | None:
        """A folder has no rate of its own."""
        return None

    def shots(self) -> Iterator[Shot]:
        """The images that are there now, in order; the part id is the path within the folder. One that cannot be read
        is told and passed over: what lies behind it is inspected all the same.

        Raises:
            SourceLostError: none can be read any more. SamplesError: a folder cannot be read.
        """
        lost, found = 0, False
        for path in _frames(self.folder, contents_of(self.folder))[0] if self.only is None else [self.only]:
            try:
                image = path.read_bytes()
            except OSError as error:
                self.on_notice(f"cannot read {path}: {error.strerror}; it is passed over")
                lost += 1
                continue
            part_id = part_id_of(path.relative_to(self.folder).as_posix())
            yield Shot(image, CONTENT_TYPES[path.suffix.lower()], part_id, lost=lost)
            lost, found = 0, True
        if not found:
            raise SourceLostError(f"source: no image in {self.only or self.folder} can be read any more")

    def __enter__(self) -> "FolderSource":
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def _frames(folder: Path, contents: Contents) -> tuple[list[Path], list[Path]]:
    """The frames, and the masks."""
    from calibration.evaluation.cases import without_masks

    return without_masks(folder, contents.pictures)
