"""Accounts and the first start, on a real SQLite and a real PostgreSQL."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import median
from threading import Lock
from typing import Any, Literal

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, event, select, text, update

from inspector.errors import UsageError
from inspector.store import AccountError, Accounts, ConflictError, Role, Sessions, Setup, Tokens
from inspector.store.tables import accounts as account_table
from inspector.store.tables import metadata

PASSWORD = "correct horse"
QUICK = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def accounts(database: Engine) -> Accounts:
    return Accounts(database, QUICK)


@pytest.fixture
def ann(accounts: Accounts) -> str:
    return accounts.create("ann", PASSWORD, Role.OPERATOR, by="ada").name


def test_the_right_password_and_no_other(accounts: Accounts, ann: str) -> None:
    verified = accounts.verify(ann, PASSWORD)
    assert verified is not None
    assert (verified.name, verified.role) == ("ann", Role.OPERATOR)
    for name, password in ((ann, "correct horsf"), (ann, ""), ("bob", PASSWORD), (ann, "x" * 9999)):
        assert accounts.verify(name, password) is None


def test_capitals_of_a_name_do_not_count_at_the_login_either(accounts: Accounts, ann: str) -> None:
    verified = accounts.verify("Ann", PASSWORD)
    assert verified is not None
    assert verified.name == ann
    assert accounts.verify("ANN", PASSWORD.upper()) is None


def test_nothing_secret_is_in_the_database(database: Engine, ann: str) -> None:
    sessions = Sessions(database)
    secrets = [PASSWORD, sessions.begin(ann, 8), sessions.begin_link(ann, 1, by="ada")]
    secrets.append(Tokens(database).create("mes", ann, Role.OPERATOR, by="ada"))
    Accounts(database, QUICK).set_password(ann, "battery staple", by=ann)
    secrets.append("battery staple")
    with database.connect() as connection:
        held = str([connection.execute(select(table)).all() for table in metadata.sorted_tables])
        (hashed,) = connection.execute(text("SELECT password_hash FROM accounts")).one()
    assert not [secret for secret in secrets if secret in held]
    assert hashed.startswith("$argon2id$")


@SQLITE
def test_an_unknown_name_takes_as_long_as_a_wrong_password(database: Engine, ann: str) -> None:
    accounts = Accounts(database)
    accounts.set_password(ann, PASSWORD, by="ada")

    def duration(name: str) -> float:
        began = time.process_time()
        assert accounts.verify(name, "wrong password") is None
        return time.process_time() - began

    wrong, unknown = (median(duration(name) for _ in range(3)) for name in (ann, "nobody"))
    assert 0.5 < unknown / wrong < 2


@SQLITE
def test_a_hash_of_an_older_strength_is_renewed(database: Engine, ann: str) -> None:
    accounts = Accounts(database)
    assert accounts.verify(ann, PASSWORD) is not None
    with database.connect() as connection:
        hashed = str(connection.execute(text("SELECT password_hash FROM accounts")).scalar())
    assert not PasswordHasher().check_needs_rehash(hashed)
    assert accounts.verify(ann, PASSWORD) is not None


def test_a_password_that_is_changed_during_a_login_stays_changed(
    database: Engine, ann: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old one is right and its hash weak, so it is hashed anew; meanwhile it is no longer the password."""
    stronger = Accounts(database, PasswordHasher(time_cost=2, memory_cost=64, parallelism=1))
    rehash = stronger._rehash

    def late(*arguments: Any) -> None:
        stronger.set_password(ann, "another password", by="ada")
        rehash(*arguments)

    monkeypatch.setattr(stronger, "_rehash", late)
    assert stronger.verify(ann, PASSWORD) is not None
    assert stronger.verify(ann, PASSWORD) is None
    assert stronger.verify(ann, "another password") is not None


def test_names_and_passwords_have_rules(accounts: Accounts) -> None:
    for name, password, told in (
        ("ann", "too short", "password: got 9 characters"),
        ("ann", "x" * 257, "password: got 257 characters"),
        ("anna.maria", "Anna.Maria", "password: got the name"),
        ("ann", "abababababab", "password: got 2 different characters, expected at least 5"),
        ("ann", "Password123", "password: got one of those that everybody tries first"),
        ("", PASSWORD, "name: got ''"),
        ("<script>", PASSWORD, "name: got '<script>'"),
        ("a" * 65, PASSWORD, "name: got"),
    ):
        with pytest.raises(UsageError, match=told):
            accounts.create(name, password, Role.ADMIN, by="ada")
    assert accounts.empty()


def test_a_name_is_taken_once(accounts: Accounts, ann: str) -> None:
    for name in (ann, "Ann"):
        with pytest.raises(ConflictError):
            accounts.create(name, PASSWORD, Role.ADMIN, by="ada")
    assert [account.role for account in accounts.all()] == [Role.OPERATOR]


def test_of_two_names_that_differ_by_capitals_made_together_one_is(database: Engine) -> None:
    def hesitate(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "lower(" in statement:
            time.sleep(0.3)  # between the look at the others and the own name

    def make(name: str) -> str | None:
        try:
            return Accounts(database, QUICK).create(name, PASSWORD, Role.OPERATOR, by="ada").name
        except ConflictError:
            return None

    event.listen(database, "after_cursor_execute", hesitate)
    with ThreadPoolExecutor(2) as pool:
        made = [name for name in pool.map(make, ("olga", "Olga")) if name]
    assert [account.name for account in Accounts(database, QUICK).all()] == made
    assert len(made) == 1


def test_accounts_that_differ_by_capitals_each_log_in_by_their_exact_name(
    database: Engine, accounts: Accounts, ann: str
) -> None:
    accounts.create("other", "another horse", Role.VIEWER, by="ada")
    with database.begin() as connection:  # as two pages could make them together once
        connection.execute(update(account_table).where(account_table.c.name == "other").values(name="Ann"))
    by_name = {
        (name, word): accounts.verify(name, word) for name in (ann, "Ann") for word in (PASSWORD, "another horse")
    }
    assert {asked: one.name for asked, one in by_name.items() if one is not None} == {
        ("ann", PASSWORD): "ann",
        ("Ann", "another horse"): "Ann",
    }
    oldest = accounts.verify("ANN", PASSWORD)
    assert oldest is not None
    assert oldest.name == "ann"


def test_roles_cover_those_below() -> None:
    assert Role.ADMIN.covers(Role.ENGINEER)
    assert Role.ENGINEER.covers(Role.ENGINEER)
    assert not Role.OPERATOR.covers(Role.ENGINEER)


def test_the_first_admin_needs_the_code_and_is_the_only_first(accounts: Accounts) -> None:
    setup = Setup(accounts)
    old = setup.begin()
    code = setup.begin()
    assert old is not None
    assert code is not None
    assert not setup.accepts(old)
    assert setup.accepts(code)
    for wrong in (old, "", code[:-1]):
        with pytest.raises(AccountError, match="not valid any more"):
            setup.finish(wrong, "eve", PASSWORD)
    with pytest.raises(UsageError):
        setup.finish(code, "eve", "short")
    assert setup.finish(code, "eve", PASSWORD).role is Role.ADMIN
    assert setup.begin() is None
    with pytest.raises(AccountError, match="not valid any more"):
        setup.finish(code, "mallory", PASSWORD)


def test_of_two_that_set_up_together_one_does(database: Engine) -> None:
    pages = [Setup(Accounts(database, QUICK)) for _ in range(4)]
    codes = [page.begin() or "" for page in pages]

    def finish(number: int) -> str | None:
        try:
            return pages[number].finish(codes[number], f"admin{number}", PASSWORD).name
        except AccountError:
            return None

    with ThreadPoolExecutor(4) as pool:
        made = [name for name in pool.map(finish, range(4)) if name]
    assert [account.name for account in Accounts(database, QUICK).all()] == made
    assert len(made) == 1


def test_whoever_is_disabled_is_out_at_once(accounts: Accounts, ann: str) -> None:
    accounts.disable(ann, by="ada")
    assert accounts.verify(ann, PASSWORD) is None
    accounts.enable(ann, by="ada")
    assert accounts.verify(ann, PASSWORD) is not None


def test_another_password_takes_the_place_of_the_old_one(accounts: Accounts, ann: str) -> None:
    accounts.set_password(ann, "battery staple", by="ada")
    assert accounts.verify(ann, PASSWORD) is None
    assert accounts.verify(ann, "battery staple") is not None


def test_the_last_admin_remains(accounts: Accounts, ann: str) -> None:
    accounts.create("eve", PASSWORD, Role.ADMIN, by="ada")
    for change in (
        lambda: accounts.disable("eve", by="ada"),
        lambda: accounts.set_role("eve", Role.ENGINEER, by="ada"),
    ):
        with pytest.raises(AccountError, match="is the last admin"):
            change()
    accounts.set_role(ann, Role.ADMIN, by="ada")
    accounts.disable("eve", by="ada")
    with pytest.raises(AccountError, match="is the last admin"):
        accounts.disable(ann, by="ada")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 10_000, "'; DROP TABLE accounts; --", ""])
def test_whatever_is_typed_is_only_wrong(text: str, accounts: Accounts, ann: str) -> None:
    assert accounts.verify(text, PASSWORD) is None
    assert accounts.verify(ann, text) is None
    with pytest.raises(AccountError, match="is not there"):
        accounts.set_role(text, Role.ADMIN, by="ada")


def test_what_is_not_there_is_told(accounts: Accounts) -> None:
    changes: list[Callable[[], object]] = [
        lambda: accounts.set_role("nobody", Role.ADMIN, by="ada"),
        lambda: accounts.set_password("nobody", PASSWORD, by="ada"),
        lambda: accounts.disable("nobody", by="ada"),
        lambda: accounts.enable("nobody", by="ada"),
    ]
    for change in changes:
        with pytest.raises(AccountError, match="is not there"):
            change()


@SQLITE
def test_two_hashes_are_computed_at_a_time(database: Engine) -> None:
    class Watched(PasswordHasher):
        now = most = 0

        def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
            with self._counted():
                return super().hash(password, salt=salt)

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            with self._counted():
                return super().verify(hash, password)

        @contextmanager
        def _counted(self) -> Iterator[None]:
            with lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.02)
            yield
            with lock:
                self.now -= 1

    lock, watched = Lock(), Watched(time_cost=1, memory_cost=64, parallelism=1)
    accounts = Accounts(database, watched)
    accounts.create("ann", PASSWORD, Role.OPERATOR, by="ada")
    with ThreadPoolExecutor(12) as many:
        right = [many.submit(accounts.verify, "ann", PASSWORD) for _ in range(8)]
        anew = [many.submit(accounts.set_password, "ann", PASSWORD, by="ada") for _ in range(4)]
    assert all(one.result() is not None for one in right)
    assert [one.exception() for one in anew] == [None] * 4
    assert watched.most == 2
