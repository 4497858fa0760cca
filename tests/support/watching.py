"""A watched folder for tests, in which each picture is asked for by the test."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pictures import smooth_picture, with_opencv

from inspector.camera import Answer, Shot
from inspector.camera.watch import WatchedFolder

JPEG = with_opencv(smooth_picture(), ".jpg")
PNG = with_opencv(smooth_picture(), ".png")


class Watched:
    """The folder under watch; each picture is asked for by the test."""

    def __init__(
        self, folder: Path, *, keep: int | None = None, bridged: bool = False, patience_s: float = 60.0
    ) -> None:
        self.notices: list[str] = []
        self.stop = threading.Event()
        self.folder = folder
        self.source = WatchedFolder(
            str(folder),
            keep=keep,
            bridged=bridged,
            patience_s=patience_s,
            stop=self.stop,
            on_notice=self.notices.append,
        )
        self._shots = self.source.shots()

    def next(self, answer: Answer | None = Answer.TAKEN) -> Shot:
        """The next picture, and what the broker says to it."""
        shot = next(self._shots)
        if answer is not None:
            shot.on_answer(answer)
        return shot

    def told(self, part: str) -> int:
        return sum(part in notice for notice in self.notices)


@contextmanager
def watched(folder: Path, **options: object) -> Iterator[Watched]:
    folder.mkdir(exist_ok=True)
    it = Watched(folder, **options)  # type: ignore[arg-type]
    with it.source:
        yield it


def drop(folder: Path, name: str, content: bytes = JPEG, *, age_s: float = 0) -> Path:
    """A file that appears whole, written so long ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(".half")
    half.write_bytes(content)
    if age_s:
        moment = half.stat().st_mtime_ns - int(age_s * 1e9)
        os.utime(half, ns=(moment, moment))
    return half.rename(path)


def names(folder: Path) -> list[str]:
    """The names in `sent`, without what is put before them."""
    return sorted(path.name.split("-", 2)[2] for path in (folder / "sent").iterdir())
