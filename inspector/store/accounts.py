"""Accounts: who may review, and with which password."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from inspector.errors import UsageError
from inspector.store.account import COLUMNS, Account, AccountError, Role, is_name, locked_account
from inspector.store.account_change import record
from inspector.store.database import ConflictError, in_turn, store_errors, writing
from inspector.store.password_hash import PasswordHashes, check_password
from inspector.store.tables import accounts, sessions, tokens
from inspector.store.tokens import revoke_valid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_LOCK = 0x61636373
""" "accs": the advisory lock under which PostgreSQL makes accounts, as each looks first at those there are."""


class Accounts:
    """Reads and writes accounts. Safe from any thread.

    hasher: of passwords, see PasswordHashes. by: who makes a change, as the audit has it, where it is written with it;
    what was so already is no change.

    Every method raises StoreError where the database cannot be read or written.
    """

    def __init__(self, engine: Engine, hasher: "PasswordHasher | None" = None) -> None:
        self._engine = engine
        self._hashes = PasswordHashes(hasher)

    def empty(self) -> bool:
        """Whether nobody has an account yet."""
        with store_errors("accounts"), self._engine.connect() as connection:
            return not _count(connection)

    def create(self, name: str, password: str, role: Role, *, by: str) -> Account:
        """A new account.

        Raises:
            ConflictError: the name is taken, or differs from one that is by capitals alone.
            UsageError: the name or password is not allowed.
        """
        _check(name, password)
        hashed = self._hashes.hash(password)
        alike = select(accounts.c.name).where(func.lower(accounts.c.name) == name.lower()).limit(1)
        with store_errors(f"account {name}"), writing(self._engine) as connection:
            in_turn(connection, _LOCK)
            if (other := connection.execute(alike).scalar()) is not None:
                raise ConflictError(f"account {name}: the name is taken by {other}")
            return _insert(connection, name, hashed, role, by)

    def create_first(self, name: str, password: str) -> Account:
        """The first account, an administrator, made by itself.

        Raises:
            AccountError: there is an account already.
            UsageError: the name or password is not allowed.
        """
        _check(name, password)
        hashed = self._hashes.hash(password)
        with store_errors("accounts"), writing(self._engine) as connection:
            in_turn(connection, _LOCK)
            if _count(connection):
                raise AccountError("setup: there is an account already; log in with it")
            return _insert(connection, name, hashed, Role.ADMIN, name)

    def verify(self, name: str, password: str) -> Account | None:
        """The account of this name, in whatever capitals, where the password is its own. Takes the same time for a name
        that is not there. Of several that differ by capitals alone, as could once be made, that of exactly this name,
        else the oldest.
        """
        asked = name.lower() if is_name(name) else ""
        query = select(*COLUMNS, accounts.c.password_hash).where(func.lower(accounts.c.name) == asked)
        with store_errors("accounts"), self._engine.connect() as connection:
            alike = connection.execute(query).all()
        row = min(alike, key=lambda one: (one.name != name, one.id), default=None)
        right = self._hashes.matches(None if row is None else row.password_hash, password)
        if row is None or not right or row.disabled_at is not None:
            return None
        if self._hashes.is_outdated(row.password_hash):
            self._rehash(row.id, row.password_hash, password)
        return Account.of(row)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with store_errors("accounts"), self._engine.connect() as connection:
            return [Account.of(row) for row in connection.execute(select(*COLUMNS).order_by(accounts.c.name))]

    def set_role(self, name: str, role: Role, *, by: str) -> None:
        """Gives another role; tokens never exceed it. Who was a viewer has to log in again, as those sessions are long.

        Raises:
            AccountError: there is no such account, or it is the last admin.
        """
        with store_errors("accounts"), writing(self._engine) as connection:
            account = locked_account(connection, name)
            if role is account.role:
                return
            if role is not Role.ADMIN:
                _spare_last_admin(connection, account)
            _update(connection, account.id, role=role.value)
            record(connection, name, "role", by=by, detail=f"{account.role} to {role}")
            if account.role is Role.VIEWER:
                connection.execute(delete(sessions).where(sessions.c.account == account.id))

    def set_password(self, name: str, password: str, *, by: str, by_link: bool = False) -> None:
        """Another password; whoever is logged in under this name is no longer.

        by_link: who changes it came by a login link, which somebody else can have made.

        Raises:
            AccountError: there is no such account.
            UsageError: the password is not allowed.
        """
        _check(name, password)
        hashed = self._hashes.hash(password)
        with store_errors("accounts"), writing(self._engine) as connection:
            account = locked_account(connection, name)
            _update(connection, account.id, password_hash=hashed)
            record(connection, name, "password", by=by, detail="came by a login link" if by_link else None)
            connection.execute(delete(sessions).where(sessions.c.account == account.id))

    def disable(self, name: str, *, by: str) -> None:
        """May no longer log in; sessions end, tokens are revoked. The name stays taken: the audit speaks of it.

        Raises:
            AccountError: there is no such account, or it is the last admin.
        """
        with store_errors("accounts"), writing(self._engine) as connection:
            account = locked_account(connection, name)
            _spare_last_admin(connection, account)
            if account.disabled_at is not None:
                return
            _update(connection, account.id, disabled_at=datetime.now(UTC))
            record(connection, name, "disabled", by=by)
            connection.execute(delete(sessions).where(sessions.c.account == account.id))
            revoke_valid(connection, tokens.c.account == account.id, name, by=by)

    def enable(self, name: str, *, by: str) -> None:
        """May log in again.

        Raises:
            AccountError: there is no such account.
        """
        with store_errors("accounts"), writing(self._engine) as connection:
            account = locked_account(connection, name)
            if account.disabled_at is None:
                return
            _update(connection, account.id, disabled_at=None)
            record(connection, name, "enabled", by=by)

    def _rehash(self, account: int, weak: str, password: str) -> None:
        """The password is right, and its hash weaker than those of today; it may have been changed meanwhile."""
        hashed = self._hashes.hash(password)
        unchanged = (accounts.c.id == account, accounts.c.password_hash == weak)
        with store_errors("accounts"), writing(self._engine) as connection:
            connection.execute(update(accounts).where(*unchanged).values(password_hash=hashed))


def _count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(accounts)).scalar_one())


def _insert(connection: Connection, name: str, hashed: str, role: Role, by: str) -> Account:
    row = {"name": name, "password_hash": hashed, "role": role.value, "created_at": datetime.now(UTC)}
    made = Account.of(connection.execute(insert(accounts).returning(*COLUMNS), row).one())
    record(connection, name, "made", by=by, detail=role.value)
    return made


def _update(connection: Connection, account: int, **values: object) -> None:
    connection.execute(update(accounts).where(accounts.c.id == account).values(**values))


def _spare_last_admin(connection: Connection, account: Account) -> None:
    admins = select(accounts.c.id).where(accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at.is_(None))
    left = {row.id for row in connection.execute(admins.with_for_update())} - {account.id}
    if account.role is Role.ADMIN and not left:
        raise AccountError(f"account {account.name}: is the last admin; make another one first")


def _check(name: str, password: str) -> None:
    if not is_name(name):
        raise UsageError(f"name: got {name[:80]!r}, expected 1 to 64 of letters, digits, '.', '_', '@', '-'")
    check_password(name, password)
