"""A copy of the ledger that can be relied on, taken while the daemon writes, and the way back."""

import errno
import glob
import os
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from inspector.durable import HALF, sync_dir
from inspector.errors import StoreError
from inspector.file_lock import file_lock
from inspector.folder import refuse_bank
from inspector.owner import hand_over, owner_beside
from inspector.store.database import open_database, schemas, sqlite_file, with_driver
from inspector.store.sole_daemon import lock_beside
from inspector.store.tables import HEAD

_PAGES = 5_000
"""Of four kilobytes, copied between two calls of `progress`."""

_OLD_S = 24 * 3600.0
"""A backup that has written nothing for so long is none any more."""

_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What file systems say that have no hard links: those of USB sticks."""

_IN_USE = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_TABLES = {"alembic_version", "frames", "outbox"}
_DAEMON_RUNS = "is used by a daemon, expected none; stop it, restore, and start it again"
_PAGE_RUNS = "is open in another program, expected none; stop inspector review and what else reads it"


def backup(url: str, target: Path, *, progress: Callable[[float], None] = lambda _: None) -> int:
    """Copies a SQLite database as it is at this moment, and checks the copy; returns its size in bytes.

    The copy is there whole or not at all. Nobody waits meanwhile; of two that write the same copy, the first to be done
    wins. progress: told the share that is done, 0 to 1.

    Raises:
        StoreError: the database is none of SQLite's, cannot be read, or is damaged; the target is there already, or
            cannot be written.
        UsageError: the target lies in a bank.
    """
    refuse_bank(target, "backup to")
    source = _file_of(url, "backup", "its own program copies it, as in pg_dump --format=custom")
    if not source.is_file():
        raise StoreError(f"backup: {source}: no such file, expected the ledger; has the daemon been run?")
    if target.exists():
        raise StoreError(f"backup: {target}: is there already, expected a new name")
    half = target.with_name(f"{target.name}.{secrets.token_hex(4)}{HALF}")
    _begin(half, f"backup to {target}")
    try:
        _remove_old_halves(target)
        _copy(source, half, progress)
        _place(half, target)
        sync_dir(target.parent)
    except sqlite3.Error as error:
        raise StoreError(f"backup of {source} to {target}: {error}") from error
    except FileExistsError as error:
        raise StoreError(f"backup: {target}: is there already, expected a new name") from error
    except OSError as error:
        raise StoreError(f"backup to {target}: {error.strerror or error}") from error
    finally:
        _drop(half)
    return target.stat().st_size


def restore(url: str, source: Path, *, progress: Callable[[float], None] = lambda _: None) -> Path | None:
    """Puts a checked copy in the place of the ledger; returns where the ledger of before is kept, if there was one.

    SQLite's log beside the ledger would be played back onto the copy, so it goes into the ledger of before. At each
    moment there is a whole ledger. progress: told the share that is done, 0 to 1.

    Raises:
        StoreError: the database is none of SQLite's, or in use; the copy is damaged, or no ledger that this version
            knows; the folder cannot be written. The ledger is as it was.
    """
    ledger = _file_of(url, "restore", "its own program restores it: pg_restore, or psql for a plain dump")
    if not source.is_file():
        raise StoreError(f"restore: {source}: no such file, expected a copy made by inspector db backup")
    if source.resolve() == ledger:
        raise StoreError(f"restore: {source}: is the ledger itself, expected a copy made by inspector db backup")
    half = ledger.with_name(ledger.name + HALF)
    lock = lock_beside(ledger)
    with file_lock(lock, f"restore: {ledger}", _DAEMON_RUNS):
        _begin(half, f"restore to {ledger}")
        try:
            _copy(source, half, progress)
            _check(half, source)
            if ledger.exists():
                shutil.copymode(ledger, half)
            for made in (half, lock):
                hand_over(made, owner_beside(ledger))
            return _exchange(ledger, half)
        except sqlite3.Error as error:
            raise StoreError(f"restore of {source} to {ledger}: {error}") from error
        except OSError as error:
            raise StoreError(f"restore to {ledger}: {error.strerror or error}") from error
        finally:
            _drop(half)


def _file_of(url: str, what: str, instead: str) -> Path:
    parsed = with_driver(url)
    if parsed.get_backend_name() != "sqlite":
        raise StoreError(f"{what}: got a database of {parsed.get_backend_name()}, expected SQLite; {instead}")
    return sqlite_file(parsed) or Path(parsed.database or "")


def _begin(half: Path, what: str) -> None:
    """Whether there is room for a copy is seen before SQLite is asked, which does not say of which file it speaks."""
    try:
        half.unlink(missing_ok=True)
        half.touch(mode=0o640)  # as `make_private` has it
    except OSError as error:
        hint = "; is the disk mounted?" if half.parent.is_dir() else f"; {half.parent} is not there"
        raise StoreError(f"{what}: {error.strerror}, expected a folder to write to{hint}") from error


def _drop(half: Path) -> None:
    """With SQLite's journal, which stays where a disk was full."""
    for file in (half, half.with_name(f"{half.name}-journal")):
        file.unlink(missing_ok=True)


def _remove_old_halves(target: Path) -> None:
    """What kills left of this copy, with SQLite's journals; another backup may be writing to those that are young."""
    for half in target.parent.glob(f"{glob.escape(target.name)}.{'[0-9a-f]' * 8}{HALF}*"):
        with suppress(OSError):
            if half.stat().st_mtime < time.time() - _OLD_S:
                half.unlink()


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
        raise StoreError(f"copy of {source}: is damaged ({found}), and so is probably {source}; expected a sound one")
    with half.open("rb") as file:
        os.fsync(file.fileno())


def _check(half: Path, source: Path) -> None:
    with closing(sqlite3.connect(half)) as copy:
        tables = {name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not tables >= _TABLES:
            raise StoreError(f"restore: {source}: is no ledger, expected a copy made by inspector db backup")
        row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        found = _acting(copy)
    own = _own_acting()
    for kind, name, _, _ in sorted(found - own):
        raise StoreError(
            f"restore: {source}: has the {kind} {name!r}, which no ledger has and which would act on what is written "
            "later; expected a copy made by inspector db backup"
        )
    lacking = {one for one in own - found if one[2] in tables}  # older ledgers have fewer tables
    for kind, name, _, _ in sorted(lacking):
        raise StoreError(
            f"restore: {source}: lacks the {kind} {name!r}, which keeps the audit as it was written; "
            "expected a copy made by inspector db backup"
        )
    if row is None or row[0] not in schemas():
        got = None if row is None else row[0]
        raise StoreError(
            f"restore: {source}: got schema {got}, expected {HEAD} or older; was it written by a newer version?"
        )


def _acting(database: sqlite3.Connection) -> set[tuple[str, str, str, str]]:
    """Kind, name, table and text of what is in a database and does something by itself."""
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')"
    return {(str(kind), str(name), str(table), str(sql)) for kind, name, table, sql in database.execute(query)}


def _own_acting() -> set[tuple[str, str, str, str]]:
    """The same of a new ledger."""
    with TemporaryDirectory() as folder:
        new = Path(folder) / "ledger.sqlite3"
        with open_database(f"sqlite:///{new}"), closing(sqlite3.connect(new)) as database:
            return _acting(database)


def _exchange(ledger: Path, half: Path) -> Path | None:
    """What is there is kept under a name with the time; then the copy takes its place in one step."""
    kept = ledger.with_name(f"{ledger.stem}-before-restore-{datetime.now(UTC):%Y%m%dT%H%M%SZ}{ledger.suffix}")
    before = ledger.exists()
    if before:
        _settle(ledger)
        _place(ledger, kept)
    for log in ("-wal", "-journal"):
        if (there := ledger.with_name(ledger.name + log)).exists():
            there.rename(kept.with_name(kept.name + log))
    ledger.with_name(f"{ledger.name}-shm").unlink(missing_ok=True)
    sync_dir(ledger.parent)
    half.replace(ledger)
    sync_dir(ledger.parent)
    return kept if before else None


def _settle(ledger: Path) -> None:
    """Brings what SQLite's log holds into its file, for which nobody else may have it open; a log that cannot be
    brought in stays beside it.
    """
    try:
        with closing(sqlite3.connect(ledger, timeout=1.0)) as database:
            database.execute("PRAGMA journal_mode=DELETE").close()
    except sqlite3.Error as error:
        if error.sqlite_errorcode & 0xFF in _IN_USE:
            raise StoreError(f"restore: {ledger}: {_PAGE_RUNS}") from error


def _place(file: Path, name: Path) -> None:
    """Gives a file a new name that nobody has."""
    try:
        os.link(file, name)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if name.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(name)) from error
        file.rename(name)
