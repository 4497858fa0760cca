"""The database's lock, which one daemon holds as long as it runs: pages and commands use the database beside it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from inspector.errors import StoreError
from inspector.file_lock import file_lock
from inspector.store.database import make_engine, named, sqlite_file, store_errors

log = logging.getLogger(__name__)

_DAEMON_LOCK = 0x696E7364
""" "insd": the daemon that uses PostgreSQL holds this advisory lock; each database of a server has its own."""

_TRY_LOCK = text(f"SELECT pg_try_advisory_lock({_DAEMON_LOCK})")
_STILL_THERE = text("SELECT 1")
_RELEASE_S = 10.0
"""A server needs a moment to notice that a daemon was killed."""

_STALE_S = 30.0
"""A server needs so long to notice that a client was cut off: until then our own former session may hold the lock."""

_LOOK_EVERY_S = 1.0
_LET_GO_S = 5.0
_SHARED = (
    "is used by another daemon, expected a database for each; name another one in the settings, or stop that daemon"
)


@contextmanager
def sole_daemon(url: str, tell: Callable[[str | None], None] = lambda _: None) -> Iterator[None]:
    """Two daemons must not share a database: each would publish what the other decided, to its own broker.

    tell: called where, after PostgreSQL was away, another daemon holds the lock, in words; with None once it is ours.

    Raises:
        StoreError: the URL is wrong, the database cannot be reached, or another daemon uses it.
    """
    engine = make_engine(url, lasting=False)
    file = sqlite_file(engine.url)
    if file is not None:
        with file_lock(lock_beside(file), named(engine), _SHARED):
            yield
    elif engine.dialect.name == "postgresql":
        with _Hold(engine, tell):
            yield
    else:
        yield


def lock_beside(file: Path) -> Path:
    """What a daemon locks. Not the file itself: closed, that would let go SQLite's own locks on it."""
    return file.with_name(f"{file.name}.lock")


class _Hold:
    """PostgreSQL's lock, in a session of its own; a thread watches over it, and takes it again after a fault."""

    def __init__(self, engine: Engine, tell: Callable[[str | None], None]) -> None:
        self._engine = engine
        self._what = named(engine)
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
        """Tells that another daemon got the lock. That the server is away is told by those who write to it."""
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
