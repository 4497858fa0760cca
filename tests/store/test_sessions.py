"""Sessions and links, on a real SQLite and a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select, text, update
from sqlalchemy.exc import DBAPIError

from inspector.store import AccountError, Accounts, Role, Sessions
from inspector.store.sessions import IDLE
from inspector.store.tables import sessions as rows

PASSWORD = "correct horse"


@pytest.fixture
def accounts(database: Engine) -> Accounts:
    return Accounts(database, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def ann(accounts: Accounts) -> str:
    return accounts.create("ann", PASSWORD, Role.OPERATOR, by="ada").name


@pytest.fixture
def sessions(database: Engine) -> Sessions:
    return Sessions(database)


def test_a_session_ends(sessions: Sessions, database: Engine, ann: str) -> None:
    def aged(**changes: object) -> str:
        cookie = sessions.begin(ann, 8)
        with database.begin() as connection:
            connection.execute(update(rows).values(changes))
        return cookie

    now = datetime.now(UTC)
    cookie = sessions.begin(ann, 8)
    found = sessions.account(cookie)
    assert found is not None
    assert found.name == ann
    sessions.end(cookie)
    assert sessions.account(cookie) is None
    assert sessions.account(aged(expires_at=now - timedelta(seconds=1))) is None
    assert sessions.account(aged(seen_at=now - IDLE - timedelta(seconds=1))) is None
    assert sessions.account(sessions.begin(ann, 0)) is None
    assert sessions.account("") is None
    before = now - IDLE + timedelta(minutes=5)
    used = aged(seen_at=before)
    assert sessions.account(used, used=False) is not None
    with database.connect() as connection:
        assert max(connection.execute(select(rows.c.seen_at)).scalars()) == before
    assert sessions.account(used) is not None
    with database.connect() as connection:
        assert max(connection.execute(select(rows.c.seen_at)).scalars()) >= now


def test_a_viewer_stays_logged_in_and_is_not_as_somebody_else(
    sessions: Sessions, accounts: Accounts, database: Engine
) -> None:
    wall = accounts.create("wall", PASSWORD, Role.VIEWER, by="ada").name
    cookie = sessions.begin(wall, 8)
    with database.begin() as connection:
        connection.execute(update(rows).values(seen_at=datetime.now(UTC) - IDLE - timedelta(days=1)))
    assert sessions.account(cookie, used=False) is not None
    accounts.set_role(wall, Role.OPERATOR, by="ada")
    assert sessions.account(cookie) is None


def test_a_database_that_cannot_be_written_logs_nobody_out(
    sessions: Sessions, database: Engine, ann: str, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = sessions.begin(ann, 8)
    with database.begin() as connection:
        connection.execute(update(rows).values(seen_at=datetime.now(UTC) - timedelta(minutes=5)))
        refusal = (
            "CREATE TRIGGER full BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'full'); END"
            if database.dialect.name == "sqlite"
            else "CREATE TRIGGER broken BEFORE UPDATE ON sessions EXECUTE FUNCTION inspector_append_only()"
        )
        connection.execute(text(refusal))
    with pytest.raises(DBAPIError), database.begin() as connection:
        connection.execute(update(rows).values(seen_at=datetime.now(UTC)))
    assert sessions.account(cookie) is not None
    assert "session not touched" in caplog.text


def test_a_link_logs_in_once_and_is_no_cookie(sessions: Sessions, ann: str) -> None:
    code = sessions.begin_link(ann, 1, by="ada")
    assert sessions.account(code) is None
    assert sessions.account(f"link:{code}") is None
    redeemed = sessions.redeem_link(code)
    assert redeemed is not None
    assert redeemed.name == ann
    assert sessions.redeem_link(code) is None
    assert sessions.redeem_link(sessions.begin_link(ann, 0, by="ada")) is None
    assert sessions.redeem_link(sessions.begin(ann, 1)) is None


def test_whoever_is_disabled_is_out_at_once(accounts: Accounts, sessions: Sessions, ann: str) -> None:
    cookie, code = sessions.begin(ann, 8), sessions.begin_link(ann, 8, by="ada")
    accounts.disable(ann, by="ada")
    assert sessions.account(cookie) is None
    assert sessions.redeem_link(code) is None
    with pytest.raises(AccountError, match="is disabled"):
        sessions.begin(ann, 8)
    accounts.enable(ann, by="ada")
    assert sessions.account(cookie) is None


def test_another_password_ends_the_sessions(accounts: Accounts, sessions: Sessions, ann: str) -> None:
    cookie = sessions.begin(ann, 8)
    accounts.set_password(ann, "battery staple", by="ada")
    assert sessions.account(cookie) is None


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 10_000, ""])
def test_whatever_is_sent_is_only_wrong(text: str, sessions: Sessions) -> None:
    assert sessions.account(text) is None
    assert sessions.redeem_link(text) is None


def test_nobody_logs_in_without_an_account(sessions: Sessions) -> None:
    with pytest.raises(AccountError, match="is not there"):
        sessions.begin("nobody", 1)
