"""Tokens, on a real SQLite and a real PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine

from inspector.store import AccountError, Accounts, Role, Tokens


@pytest.fixture
def accounts(database: Engine) -> Accounts:
    return Accounts(database, PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@pytest.fixture
def ann(accounts: Accounts) -> str:
    return accounts.create("ann", "correct horse", Role.OPERATOR, by="ada").name


@pytest.fixture
def tokens(database: Engine) -> Tokens:
    return Tokens(database)


def test_a_token_may_what_it_says_and_no_more_than_its_account(tokens: Tokens, accounts: Accounts, ann: str) -> None:
    accounts.set_role(ann, Role.ENGINEER, by="ada")
    with pytest.raises(AccountError, match="expected at most engineer"):
        tokens.create("mes", ann, Role.ADMIN, by="ada")
    bearer = tokens.create("mes", ann, Role.ENGINEER, by="ada")
    limited = tokens.create("board", ann, Role.OPERATOR, datetime.now(UTC) + timedelta(hours=1), by="ada")
    expired = tokens.create("old", ann, Role.OPERATOR, datetime.now(UTC) - timedelta(seconds=1), by="ada")

    def role(of: str) -> Role | None:
        found = tokens.account(of)
        return None if found is None else found[1]

    assert [role(of) for of in (bearer, limited, expired, "insp_x")] == [Role.ENGINEER, Role.OPERATOR, None, None]
    accounts.set_role(ann, Role.OPERATOR, by="ada")
    assert role(bearer) is Role.OPERATOR
    listed = tokens.all()
    assert [(token.name, token.account) for token in listed] == [("old", ann), ("board", ann), ("mes", ann)]
    tokens.revoke(listed[1].id, by="ada")
    assert role(limited) is None
    assert tokens.all()[1].revoked_at is not None


def test_the_tokens_of_whoever_is_disabled_are_void_for_good(accounts: Accounts, tokens: Tokens, ann: str) -> None:
    bearer = tokens.create("mes", ann, Role.OPERATOR, by="ada")
    accounts.disable(ann, by="ada")
    assert tokens.account(bearer) is None
    with pytest.raises(AccountError, match="is disabled"):
        tokens.create("x", ann, Role.OPERATOR, by="ada")
    accounts.enable(ann, by="ada")
    assert tokens.account(bearer) is None


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 10_000, ""])
def test_whatever_is_sent_is_only_wrong(text: str, tokens: Tokens) -> None:
    assert tokens.account(text) is None


def test_what_is_not_there_is_told(tokens: Tokens) -> None:
    with pytest.raises(AccountError, match="is not there"):
        tokens.create("t", "nobody", Role.OPERATOR, by="ada")
    with pytest.raises(AccountError, match="is not there"):
        tokens.revoke(7, by="ada")
