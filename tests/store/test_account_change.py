"""Changes of accounts in the audit: each with its change or not at all, on a real SQLite and a real PostgreSQL."""

from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select, text

from inspector.errors import InspectorError, StoreError
from inspector.store import AccountError, Accounts, Audit, AuditFilter, ConflictError, Role, Sessions, Tokens
from inspector.store.tables import accounts as account_rows
from inspector.store.tables import sessions as session_rows
from inspector.store.tables import tokens as token_rows

PASSWORD = "correct horse"

Told = tuple[str, str, str, str | None]


@pytest.fixture
def accounts(database: Engine) -> Accounts:
    """Of eve, an administrator, and ann."""
    made = Accounts(database, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    made.create_first("eve", PASSWORD)
    made.create("ann", PASSWORD, Role.OPERATOR, by="eve")
    return made


def told(database: Engine, **asked: str) -> list[Told]:
    """By, account, action and detail, oldest first."""
    rows = Audit(database).account_changes(AuditFilter(**asked), limit=100)
    return [(row.by, row.account, row.action, row.detail) for row in reversed(rows)]


def held(database: Engine) -> list[object]:
    with database.connect() as connection:
        return [list(connection.execute(select(table))) for table in (account_rows, session_rows, token_rows)]


def refuse(database: Engine, change: str, table: str) -> None:
    """As of now the database does not take such a change of a table, as it may not where its disk is full."""
    with database.begin() as connection:
        if connection.dialect.name == "sqlite":
            refused = "BEGIN SELECT RAISE(ABORT, 'refused'); END"
        else:
            refused = "FOR EACH STATEMENT EXECUTE FUNCTION inspector_append_only()"
        connection.execute(text(f"CREATE TRIGGER refused BEFORE {change} ON {table} {refused}"))


def test_each_change_says_who_what_and_of_whom(database: Engine, accounts: Accounts) -> None:
    tokens = Tokens(database)
    accounts.set_role("ann", Role.ENGINEER, by="eve")
    accounts.set_password("ann", "another password", by="ann")
    Sessions(database).begin_link("ann", 1, by="eve")
    accounts.set_password("ann", "a third password", by="ann", by_link=True)
    for name, role in (("mes", Role.OPERATOR), ("board", Role.VIEWER), ("cad", Role.ENGINEER)):
        tokens.create(name, "ann", role, by="ann")
    tokens.revoke(tokens.all()[1].id, by="eve")
    accounts.disable("ann", by="eve")
    accounts.enable("ann", by="root (command line)")
    assert told(database) == [
        ("eve", "eve", "made", "admin"),
        ("eve", "ann", "made", "operator"),
        ("eve", "ann", "role", "operator to engineer"),
        ("ann", "ann", "password", None),
        ("eve", "ann", "link", None),
        ("ann", "ann", "password", "came by a login link"),
        ("ann", "ann", "token_made", "operator: mes"),
        ("ann", "ann", "token_made", "viewer: board"),
        ("ann", "ann", "token_made", "engineer: cad"),
        ("eve", "ann", "token_revoked", "viewer: board"),
        ("eve", "ann", "disabled", None),
        ("eve", "ann", "token_revoked", "operator: mes"),
        ("eve", "ann", "token_revoked", "engineer: cad"),
        ("root (command line)", "ann", "enabled", None),
    ]
    assert told(database, who="ann", action="password", named="ann") == [
        ("ann", "ann", "password", None),
        ("ann", "ann", "password", "came by a login link"),
    ]
    assert told(database, named="eve") == [("eve", "eve", "made", "admin")]


def test_what_was_so_already_is_no_change(database: Engine, accounts: Accounts) -> None:
    tokens = Tokens(database)
    tokens.create("mes", "ann", Role.OPERATOR, by="ann")
    accounts.disable("ann", by="eve")
    before, since = told(database), held(database)
    accounts.disable("ann", by="eve")
    tokens.revoke(tokens.all()[0].id, by="eve")
    accounts.set_role("ann", Role.OPERATOR, by="eve")
    accounts.enable("eve", by="eve")
    accounts.verify("ann", PASSWORD)
    assert (told(database), held(database)) == (before, since)


def test_what_is_refused_is_not_told(database: Engine, accounts: Accounts) -> None:
    tokens, before = Tokens(database), told(database)
    refused: list[tuple[type[InspectorError], Callable[[], object]]] = [
        (ConflictError, lambda: accounts.create("Ann", PASSWORD, Role.ADMIN, by="eve")),
        (AccountError, lambda: accounts.create_first("mallory", PASSWORD)),
        (AccountError, lambda: accounts.set_role("eve", Role.VIEWER, by="ann")),
        (AccountError, lambda: accounts.disable("eve", by="ann")),
        (AccountError, lambda: tokens.create("mes", "ann", Role.ADMIN, by="ann")),
        (AccountError, lambda: Sessions(database).begin_link("nobody", 1, by="eve")),
    ]
    for error, change in refused:
        with pytest.raises(error):
            change()
    assert told(database) == before


def test_without_its_row_no_change_is_made(database: Engine, accounts: Accounts) -> None:
    tokens, sessions = Tokens(database), Sessions(database)
    tokens.create("mes", "ann", Role.OPERATOR, by="ann")
    accounts.create("bob", PASSWORD, Role.VIEWER, by="eve")
    accounts.disable("bob", by="eve")
    sessions.begin("ann", 1)
    before, since = told(database), held(database)
    refuse(database, "INSERT", "account_changes")
    changes: list[Callable[[], object]] = [
        lambda: accounts.create("carl", PASSWORD, Role.OPERATOR, by="eve"),
        lambda: accounts.set_role("ann", Role.ADMIN, by="eve"),
        lambda: accounts.set_password("ann", "another password", by="ann"),
        lambda: accounts.disable("ann", by="eve"),
        lambda: accounts.enable("bob", by="eve"),
        lambda: sessions.begin_link("ann", 1, by="eve"),
        lambda: tokens.create("board", "ann", Role.VIEWER, by="ann"),
        lambda: tokens.revoke(tokens.all()[0].id, by="eve"),
    ]
    for change in changes:
        with pytest.raises(StoreError):
            change()
    assert (told(database), held(database)) == (before, since)


def test_a_change_that_fails_after_its_row_is_not_told(database: Engine, accounts: Accounts) -> None:
    Tokens(database).create("mes", "ann", Role.OPERATOR, by="ann")
    before, since = told(database), held(database)
    refuse(database, "UPDATE", "tokens")
    with pytest.raises(StoreError):
        accounts.disable("ann", by="eve")
    assert (told(database), held(database)) == (before, since)
