"""One daemon for each database: a lock that pages and commands do not feel, and that outlives a server's restart."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from postgres import Postgres
from services import wait_until
from sqlalchemy import Connection, create_engine, text

from inspector.errors import StoreError
from inspector.store import open_database
from inspector.store.database import with_driver
from inspector.store.sole_daemon import _DAEMON_LOCK, sole_daemon

HOLDERS = text(f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {_DAEMON_LOCK} AND granted")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.store.sole_daemon._RELEASE_S", 0.5)
    monkeypatch.setattr("inspector.store.sole_daemon._LOOK_EVERY_S", 0.1)


@contextmanager
def session(url: str) -> Iterator[Connection]:
    engine = create_engine(with_driver(url), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def holders(url: str) -> list[int]:
    with session(url) as connection:
        return list(connection.execute(HOLDERS).scalars())


def test_a_second_daemon_is_refused_and_others_are_not(url: str) -> None:
    for _ in range(2):
        if url.startswith("postgresql"):
            wait_until(lambda: not holders(url), "the server has noticed that the one before has let go")
        with sole_daemon(url), open_database(url):
            with pytest.raises(StoreError, match=r"database .*: is used by another daemon, expected a database for"):
                sole_daemon(url).__enter__()
            with open_database(url) as engine, engine.connect() as connection:
                assert connection.execute(text("SELECT count(*) FROM frames")).scalar() == 0


def test_the_password_is_not_told(postgres: Postgres) -> None:
    url = postgres.create_database()
    with sole_daemon(url), pytest.raises(StoreError) as told:
        sole_daemon(url).__enter__()
    assert "inspector:***@127.0.0.1" in str(told.value)


def test_one_file_by_two_names_is_one_database(tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(tmp_path / "data")
    with sole_daemon(f"sqlite:///{tmp_path}/data/x.sqlite3"):
        with pytest.raises(StoreError, match="is used by another daemon"):
            sole_daemon(f"sqlite:///{tmp_path}/other/x.sqlite3").__enter__()
        with sole_daemon(f"sqlite:///{tmp_path}/data/y.sqlite3"):
            pass


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"database .*expected a folder to write to"):
        sole_daemon(f"sqlite:///{tmp_path}/file/x.sqlite3").__enter__()


def test_databases_in_memory_are_nobody_elses() -> None:
    with sole_daemon("sqlite://"), sole_daemon("sqlite://"):
        pass


def test_a_server_that_is_away_is_told_at_the_start(postgres: Postgres) -> None:
    url = postgres.create_database()
    postgres.stop()
    try:
        with pytest.raises(StoreError, match=r"database .*refused"):
            sole_daemon(url).__enter__()
    finally:
        postgres.start()


def test_the_lock_is_taken_again_when_the_server_is_back(postgres: Postgres) -> None:
    url = postgres.create_database()
    told: list[str | None] = []
    with sole_daemon(url, told.append):
        (before,) = holders(url)
        postgres.stop()
        postgres.start()
        wait_until(lambda: holders(url), "the lock is taken again")
        assert holders(url) != [before]
        wait_until(lambda: told == [None], "that it is ours again is told, and nothing else")
        with pytest.raises(StoreError, match="is used by another daemon"):
            sole_daemon(url).__enter__()
    wait_until(lambda: not holders(url), "it lets go, which a server notices a moment later")


def test_a_lock_that_another_one_took_meanwhile_is_told_and_taken_when_it_is_free(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.store.sole_daemon._STALE_S", 0.0)
    url = postgres.create_database()
    told: list[str | None] = []
    with sole_daemon(url, told.append):
        with session(url) as thief:
            waiting = text(f"SELECT pg_terminate_backend(:pid), pg_advisory_lock({_DAEMON_LOCK})")
            thief.execute(waiting, {"pid": holders(url)[0]})
            wait_until(lambda: told, "it is told")
            assert told[0] is not None
            assert "is used by another daemon" in told[0]
        wait_until(lambda: told[-1] is None, "it is ours again")
        assert len(holders(url)) == 1
