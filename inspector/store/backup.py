"""A copy of the ledger that can be relied on, taken while the daemon writes."""

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sqlalchemy.engine import make_url

from inspector.errors import StoreError

_PAGES = 5_000
"""Of four kilobytes, copied between two calls of `progress`."""


def backup(url: str, target: Path, *, progress: Callable[[float], None] = lambda _: None) -> int:
    """Copies a SQLite database as it is at this moment, and checks the copy; returns its size in bytes.

    The copy is there whole or not at all. Nobody waits meanwhile. progress: told the share that is done, 0 to 1.

    Raises:
        StoreError: the database is none of SQLite's, cannot be read, or is damaged; the target is there already, or
            cannot be written.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(
            f"backup: got a database of {parsed.get_backend_name()}, expected SQLite; "
            "its own program copies it, as in pg_dump --format=custom"
        )
    source = Path(parsed.database or "")
    if not source.is_file():
        raise StoreError(f"backup: {source}: no such file, expected the ledger; has the daemon been run?")
    if target.exists():
        raise StoreError(f"backup: {target}: is there already, expected a new name")
    half = target.with_name(target.name + ".tmp")
    try:
        half.unlink(missing_ok=True)
        _copy(source, half, progress)
        os.link(half, target)
    except sqlite3.Error as error:
        raise StoreError(f"backup of {source}: {error}") from error
    except FileExistsError as error:
        raise StoreError(f"backup: {target}: is there already, expected a new name") from error
    except OSError as error:
        raise StoreError(f"backup to {target}: {error.strerror or error}") from error
    finally:
        half.unlink(missing_ok=True)
    return target.stat().st_size


def _copy(source: Path, half: Path, progress: Callable[[float], None]) -> None:
    with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as database:
        # What is committed from here on is not in the copy, and does not make it begin again.
        database.execute("BEGIN")
        database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        with closing(sqlite3.connect(half)) as copy:
            database.backup(copy, pages=_PAGES, progress=lambda _, left, all_: progress(1 - left / max(1, all_)))
            copy.execute("PRAGMA journal_mode=DELETE").close()
            found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise StoreError(f"backup of {source}: the copy is damaged ({found}), and so is probably the ledger")
    with half.open("rb") as file:
        os.fsync(file.fileno())
