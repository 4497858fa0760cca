"""The samples as they are when a calibration begins: people leave some out, and delete them, while it reads."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from inspector.draft import draft_folder
from inspector.errors import SamplesError
from inspector.folder import Contents, contents_of

_PREFIX = ".samples-"


@contextmanager
def held(samples: Path, parent: Path) -> Iterator[Path]:
    """The pictures below a folder, held in a new one in `parent`, which goes away with the block.

    They are the same files by further names, which cost no room on the same disk; copies where that cannot be.

    Raises:
        SamplesError: the folder cannot be read, or the new one cannot be made.
    """
    contents = contents_of(samples)
    with draft_folder(parent, _PREFIX) as place:
        try:
            _hold(contents, samples, place)
        except OSError as error:
            raise SamplesError(
                f"samples {samples}: cannot be held in {parent} ({error.strerror}: {error.filename}); make room, "
                "or make both readable for the service"
            ) from error
        try:
            yield place
        except SamplesError as error:
            raise SamplesError(str(error).replace(str(place), str(samples))) from error


def _hold(contents: Contents, samples: Path, place: Path) -> None:
    for picture in contents.every:
        name = place / picture.relative_to(samples)
        name.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):  # left out or removed just now
            file = picture.resolve(strict=True)
            try:
                os.link(file, name)
            except OSError:  # on another disk, or one that gives a file no second name
                shutil.copyfile(file, name)
    for bank in contents.banks:  # told as left out; nothing in it is read
        name = place / bank.relative_to(samples)
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(bank.resolve())
