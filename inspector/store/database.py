"""Opening the database: SQLite that survives a power cut, or another by URL; migrated to the newest schema."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from sqlite3 import SQLITE_BUSY
from sqlite3 import Connection as SqliteConnection
from sqlite3 import OperationalError as SqliteError
from typing import Any

from sqlalchemy import URL, ColumnElement, Connection, Engine, create_engine, event, false, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    TimeoutError,
)
from sqlalchemy.pool import NullPool

from inspector.errors import StoreError, to_install
from inspector.legible import legible
from inspector.store.tables import HEAD

MIGRATIONS = Path(__file__).parent / "migrations"

_BUSY_TIMEOUT_MS = 5_000
_POSTGRES_DRIVER = "postgresql+psycopg"
_POSTGRES = {
    "client_encoding": "utf8",
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
    "options": "-c timezone=UTC -c lock_timeout=10s "
    "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3",
}
"""The driver notices within seconds that the server is gone (times in seconds, tcp_user_timeout in milliseconds). By
`options` the server notices as soon that a client is gone: otherwise the locks of a box that lost its power would stay
for hours; and it tells who waits for somebody else's lock (VACUUM FULL, ALTER) instead of keeping silent. Text comes as
text also from a database of another encoding, so that it can be told of which.
"""

ENCODING = "UTF8"
"""The one in which PostgreSQL holds every text: in others a part number in Chinese would stop the line."""

MAKE_IT = f"make it with createdb --encoding {ENCODING} --locale C --template template0"

_MIGRATION_LOCK = 0x696E7370
""" "insp": who migrates PostgreSQL holds this advisory lock."""

_TRY_AGAIN_S = 0.01
_WRITES = "inspector_writes"


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
def open_database(url: str, *, migrate: bool = False) -> Iterator[Engine]:
    """The database, with the newest tables; closed at the end.

    migrate: True for the daemon alone: the version that wrote the ledger could not read it afterwards, and may be the
    one on the line. Where there are no tables yet, they are made all the same.

    Raises:
        StoreError: the URL is wrong, the database cannot be opened, does not hold every text, or was written by a
            newer version; or by an older one, where it is not to be migrated.
    """
    engine = make_engine(url)
    if engine.dialect.name == "sqlite":
        if (file := sqlite_file(engine.url)) is not None:
            make_private(file)
        _make_durable(engine)
    try:
        with store_errors(named(engine)):
            _migrate(engine, older=migrate)
        yield engine
    finally:
        engine.dispose()


def make_engine(url: str, *, lasting: bool = True) -> Engine:
    """An engine without a connection yet. lasting: connections are kept and used again.

    Raises:
        StoreError: the URL is wrong, or its driver cannot be loaded.
    """
    try:
        parsed = with_driver(url)
        if parsed.get_backend_name() != "postgresql":
            return create_engine(parsed)
        if lasting:
            return create_engine(parsed, pool_pre_ping=True, connect_args=_POSTGRES)
        return create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT", connect_args=_POSTGRES)
    except ImportError as error:
        ours = parsed.drivername == _POSTGRES_DRIVER
        todo = to_install("postgres") if ours else "expected sqlite:/// or postgresql://"
        why = str(error).partition("\n")[0]
        raise StoreError(f"database: the driver of this URL cannot be loaded ({why}); {todo}") from error
    except (ArgumentError, NoSuchModuleError) as error:
        raise StoreError(f"database: got a URL that cannot be used ({error}), expected an SQLAlchemy URL") from error


def named(engine: Engine) -> str:
    """The database in messages, without its password."""
    return f"database {without_password(engine.url)}"


def without_password(url: URL) -> str:
    """A URL that may be shown: PostgreSQL takes a password as an option too."""
    secret = [name for name in url.query if name.lower().endswith(("password", "passwd"))]
    return url.difference_update_query(secret).render_as_string(hide_password=True)


def sqlite_file(url: URL) -> Path | None:
    """The file of a SQLite database; None for one in memory, and for those of servers."""
    name = (url.database or "").removeprefix("file:")
    if url.get_backend_name() != "sqlite" or name in ("", ":memory:"):
        return None
    return Path(name).resolve()


def make_private(file: Path) -> None:
    """An empty file where there is none, which other users of the machine cannot read, as a ledger has hashes of
    passwords. Its folder, where that is new, is closed to them too.
    """
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with suppress(OSError):  # it is there, or whoever opens it says what is wrong
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640))


def equals(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Whether a column has this text; never, where a database cannot hold it."""
    return column == text if legible(text) else false()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction of several questions, all of which see one moment's state: on SQLite each does, on PostgreSQL it
    asks for that.
    """
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")  # of the connection until it is given back
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that may read before it writes: SQLite gives it the right to write from the start, so that what
    it read still holds; on PostgreSQL it locks what it reads by `with_for_update`.
    """
    with engine.connect() as connection:
        writer = connection.execution_options(**{_WRITES: True})
        with writer.begin():
            yield writer


def in_turn(connection: Connection, lock: int) -> None:
    """One transaction at a time from here to its end: on PostgreSQL by this advisory lock; SQLite has one writer."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({lock})"))


def with_driver(url: str) -> URL:
    """The URL, with the driver for PostgreSQL that is installed with inspector."""
    parsed = make_url(url)
    return parsed.set(drivername=_POSTGRES_DRIVER) if parsed.drivername in ("postgres", "postgresql") else parsed


def revision(connection: Connection) -> str | None:
    """The revision of a database's tables; None where there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def encoding(connection: Connection) -> str:
    """In which a database holds text; SQLite has no other than ENCODING."""
    if connection.dialect.name != "postgresql":
        return ENCODING
    return str(connection.execute(text("SHOW server_encoding")).scalar_one())


def schemas() -> frozenset[str]:
    """The revisions that this version can read; it migrates older ones to the newest."""
    return frozenset(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*.py"))


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


def _migrate(engine: Engine, *, older: bool) -> None:
    """One process at a time: the daemon and the review page may start together. older: also tables that are there."""
    with engine.connect() as connection:
        if (theirs := encoding(connection)) != ENCODING:
            raise StoreError(f"database: its encoding is {theirs}, expected {ENCODING}; {MAKE_IT}")
        current = revision(connection)
        if current == HEAD:
            return
        if not older and current in schemas():
            raise StoreError(
                f"{named(engine)}: got schema {current}, expected {HEAD}; start the daemon of this version, which "
                "migrates it, or use the version that wrote it"
            )
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = 0"))  # who migrates first may take long
        in_turn(connection, _MIGRATION_LOCK)
        current = revision(connection)
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
