"""The one folder that a demo lives in: made, named, and removed at the end."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inspector.demo.machine import DemoError
from inspector.folder import refuse_bank

_MARK = ".inspector-demo"


@contextmanager
def workplace(folder: Path | None, *, keep: bool) -> Iterator[Path]:
    """A folder for the demo; one in the system's temporary folder where none is given. Removed unless `keep`.

    A given folder may be new, empty, or left by an earlier demo, which is then cleared; nothing else is ever removed.

    Raises:
        DemoError: it cannot be made or written, or holds something that is not a demo's.
        UsageError: it lies in a bank.
    """
    try:
        chosen, existed = _made(folder)
        (chosen / _MARK).touch()
    except OSError as error:
        raise DemoError(
            f"demo folder {folder or tempfile.gettempdir()}: cannot be written ({error.strerror}); "
            "choose another with --folder"
        ) from error
    try:
        yield chosen
    finally:
        if not keep:
            _clear(chosen)
            if not existed:
                shutil.rmtree(chosen, ignore_errors=True)


def _made(folder: Path | None) -> tuple[Path, bool]:
    """The folder, empty, and whether it was there before."""
    if folder is None:
        return Path(tempfile.mkdtemp(prefix="inspector-demo-")), False
    refuse_bank(folder, "demo folder")
    folder = folder.absolute()
    if not folder.exists():
        folder.mkdir(parents=True)
        return folder, False
    if any(folder.iterdir()) and not (folder / _MARK).is_file():
        raise DemoError(f"demo folder {folder}: is not empty; expected a new or empty folder, or one of a former demo")
    _clear(folder)
    return folder, True


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
