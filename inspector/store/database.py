"""Opening the database: SQLite that survives a power cut, or another by URL; migrated to the newest schema.

And its lock, which one daemon holds as long as it runs: pages and commands use the database beside it.
"""

import fcntl
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteError
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
    TimeoutError,
)
from sqlalchemy.pool import NullPool

from inspector.errors import StoreError
from inspector.store.tables import HEAD

log = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"

_BUSY_TIMEOUT_MS = 5_000
_POSTGRES = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c timezone=UTC",
}
"""A server that is gone is noticed in seconds: of the driver, seconds, the last in milliseconds. Hours are UTC's."""

_MIGRATION_LOCK = 0x696E7370
""" "insp": who migrates PostgreSQL holds this advisory lock."""

_DAEMON_LOCK = 0x696E7364
""" "insd": the daemon that uses PostgreSQL holds this advisory lock; each database of a server has its own."""

_TRY_LOCK = text(f"SELECT pg_try_advisory_lock({_DAEMON_LOCK})")
_STILL_THERE = text("SELECT 1")
_KEEPALIVES = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
_HOLD = {**_POSTGRES, "options": f"{_POSTGRES['options']} {_KEEPALIVES}"}
"""The server, too, is to notice in seconds that we are gone: the lock of a box without power would stay for hours."""

_RELEASE_S = 10.0
"""A server needs a moment to notice that a daemon was killed."""

_STALE_S = 30.0
"""And so long where it was cut off: until then it may be our own session of before that has the lock."""

_LOOK_EVERY_S = 1.0
_LET_GO_S = 5.0
_IN_USE = "is used by another daemon, expected one of its own"
_SHARED = (
    "is used by another daemon, expected a database for each; name another one in the settings, or stop that daemon"
)

_TRY_AGAIN_S = 0.01
_WRITES = "inspector_writes"

_ILLEGIBLE = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of characters, which are no UTF-8."""


class ConflictError(StoreError):
    """A row with this key is there already."""


@contextmanager
def store_errors(what: str) -> Iterator[None]:
    """Maps what the database driver raises.

    Raises:
        ConflictError: a row with this key is there already.
        StoreError: the database cannot be reached, read or written.
    """
    try:
        yield
    except IntegrityError as error:
        raise ConflictError(f"{what}: {error.orig}") from error
    except DBAPIError as error:
        raise StoreError(f"{what}: {error.orig}") from error
    except TimeoutError as error:
        raise StoreError(f"{what}: no connection to the database in time") from error


@contextmanager
def open_database(url: str) -> Iterator[Engine]:
    """The database, migrated; closed at the end.

    Raises:
        StoreError: the URL is wrong, the database cannot be opened, or it was written by a newer version.
    """
    engine = _engine(url)
    if engine.dialect.name == "sqlite":
        if engine.url.database:
            Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        _make_durable(engine)
    try:
        with store_errors(_named(engine)):
            _migrate(engine)
        yield engine
    finally:
        engine.dispose()


@contextmanager
def sole_daemon(url: str, tell: Callable[[str | None], None] = lambda _: None) -> Iterator[None]:
    """Two daemons must not share a database: each would publish what the other decided, to its own broker.

    tell: after PostgreSQL was away, that another daemon has got it meanwhile, in words; None once it is ours again.

    Raises:
        StoreError: the URL is wrong, the database cannot be reached, or another daemon uses it.
    """
    engine = _engine(url, lasting=False)
    file = sqlite_file(engine.url)
    if file is not None:
        with file_lock(lock_beside(file), _named(engine), _SHARED):
            yield
    elif engine.dialect.name == "postgresql":
        with _Hold(engine, tell):
            yield
    else:
        yield


@contextmanager
def file_lock(path: Path, what: str, refusal: str = _IN_USE) -> Iterator[None]:
    """A lock that ends with the process. what, refusal: what is said where another one holds it.

    Raises:
        StoreError: the file cannot be made or locked, or another process holds the lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror}, expected a folder to write to") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoreError(f"{what}: {refusal}") from error
        except OSError as error:
            raise StoreError(f"{what}: {error.strerror}, expected a folder whose files can be locked") from error
        yield
    finally:
        os.close(lock)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for those of servers."""
    name = (url.database or "").removeprefix("file:")
    if url.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name).resolve()


def lock_beside(file: Path) -> Path:
    """What a daemon locks. Not the file itself: closed, that would let go SQLite's own locks on it."""
    return file.with_name(f"{file.name}.lock")


def legible(text: str) -> bool:
    """Whether a database can hold this text: what it cannot hold is not in it either."""
    return not _ILLEGIBLE.search(text)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may read before it writes: SQLite gives it the right to write from the start, so that what
    it read still holds; on PostgreSQL it locks what it reads by `with_for_update`.
    """
    with engine.connect() as connection:
        writer = connection.execution_options(**{_WRITES: True})
        with writer.begin():
            yield writer


def with_driver(url: str) -> URL:
    """The URL of the settings, with the driver that comes with us."""
    parsed = make_url(url)
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername in ("postgres", "postgresql") else parsed


def schemas() -> frozenset[str]:
    """Those that this version can read, the newest after migration of the others."""
    return frozenset(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


class _Hold:
    """PostgreSQL's lock in a session of its own; one thread sees that it is there, and gets it again after a fault."""

    def __init__(self, engine: Engine, tell: Callable[[str | None], None]) -> None:
        self._engine = engine
        self._what = _named(engine)
        self._refusal = f"{self._what}: {_SHARED}"
        self._tell = tell
        self._session: Connection | None = None
        self._lost_at = 0.0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database lock", daemon=True)

    def __enter__(self) -> "_Hold":
        give_up = time.monotonic() + _RELEASE_S
        with store_errors(self._what):
            while not self._take():
                if time.monotonic() > give_up:
                    raise StoreError(self._refusal)
                time.sleep(_LOOK_EVERY_S / 4)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Lets go; a session that hangs ends with the process."""
        self._closing.set()
        self._thread.join(_LET_GO_S)

    def _run(self) -> None:
        while not self._closing.wait(_LOOK_EVERY_S):
            self._look()
        self._let_go()

    def _look(self) -> None:
        """That the server is away is told by those who write to it; that it gave our lock to another one, here."""
        try:
            with store_errors(self._what):
                if self._session is not None:
                    self._session.execute(_STILL_THERE)
                elif self._take():
                    log.info("database lock taken again")
                    self._tell(None)
                elif time.monotonic() - self._lost_at > _STALE_S:
                    self._tell(self._refusal)
        except (StoreError, SQLAlchemyError) as error:
            if self._session is not None:
                log.warning("database lock lost", extra={"fault": str(error)})
                self._lost_at = time.monotonic()
                self._let_go()

    def _take(self) -> bool:
        with ExitStack() as opened:
            session = opened.enter_context(self._engine.connect())
            if not session.execute(_TRY_LOCK).scalar_one():
                return False
            opened.pop_all()
        self._session = session
        return True

    def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with suppress(SQLAlchemyError):
                session.close()


def _engine(url: str, *, lasting: bool = True) -> Engine:
    """lasting: connections are kept and used again.

    Raises:
        StoreError: the URL is wrong, or its driver is not installed.
    """
    try:
        parsed = with_driver(url)
        if parsed.get_backend_name() != "postgresql":
            return create_engine(parsed)
        if lasting:
            return create_engine(parsed, pool_pre_ping=True, connect_args=_POSTGRES)
        return create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_HOLD)
    except ModuleNotFoundError as error:
        hint = "; install inspector[postgres]" if error.name == "psycopg" else ""
        raise StoreError(f"database: the driver of this URL is not installed ({error}){hint}") from error
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"database: got a URL that cannot be used ({error}), expected an SQLAlchemy URL") from error


def _named(engine: Engine) -> str:
    return f"database {engine.url.render_as_string(hide_password=True)}"


def _make_durable(engine: Engine) -> None:
    """WAL with a sync at each commit; transactions begun by us, so that migrations are whole or not at all."""

    @event.listens_for(engine, "connect")
    def _configure(connection: SqliteConnection, _record: Any) -> None:
        connection.isolation_level = None
        _write_ahead(connection)
        for pragma in ("synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def _write_ahead(connection: SqliteConnection) -> None:
    """Where several make the same new file, SQLite calls it locked without waiting for its busy timeout."""
    give_up = time.monotonic() + _BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except SqliteError as error:
            if error.sqlite_errorcode != SQLITE_BUSY or time.monotonic() > give_up:
                raise
            time.sleep(_TRY_AGAIN_S)
        else:
            return


def _migrate(engine: Engine) -> None:
    """One process at a time: the daemon and the review page may start together."""
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
        current = _revision(connection)
        if current == HEAD:
            return
        # Alembic is only imported where there is something to migrate: it would double the time to start.
        from alembic import command
        from alembic.config import Config
        from alembic.util import CommandError

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise StoreError(
                f"database: got schema {current}, expected {HEAD} or older; was it written by a newer version?"
            ) from error


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
