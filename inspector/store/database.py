"""Opening the database: SQLite that survives a power cut, or another by URL; migrated to the newest schema."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection as SqliteConnection
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, TimeoutError

from inspector.errors import StoreError
from inspector.store.tables import HEAD

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
    try:
        parsed = _with_driver(make_url(url))
        engine = _engine(parsed)
    except ModuleNotFoundError as error:
        hint = "; install inspector[postgres]" if error.name == "psycopg" else ""
        raise StoreError(f"database: the driver of this URL is not installed ({error}){hint}") from error
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(f"database: got a URL that cannot be used ({error}), expected an SQLAlchemy URL") from error
    if engine.dialect.name == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        _make_durable(engine)
    try:
        with store_errors(f"database {parsed.render_as_string(hide_password=True)}"):
            _migrate(engine)
        yield engine
    finally:
        engine.dispose()


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


def _with_driver(url: URL) -> URL:
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgres", "postgresql") else url


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_pre_ping=True, connect_args=_POSTGRES)
    return create_engine(url)


def _make_durable(engine: Engine) -> None:
    """WAL with a sync at each commit; transactions begun by us, so that migrations are whole or not at all."""

    @event.listens_for(engine, "connect")
    def _configure(connection: SqliteConnection, _record: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={_BUSY_TIMEOUT_MS}", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


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
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
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
