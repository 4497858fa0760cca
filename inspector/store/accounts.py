"""Accounts: who may review. Of passwords, cookies, links and tokens the database holds only hashes."""

import hashlib
import hmac
import logging
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from inspector.errors import InspectorError, StoreError, UsageError
from inspector.store.database import in_turn, store_errors, writing
from inspector.store.tables import accounts, sessions, tokens

if TYPE_CHECKING:
    from argon2 import PasswordHasher

log = logging.getLogger(__name__)

MIN_PASSWORD = 10
MAX_PASSWORD = 256
IDLE = timedelta(hours=2)
"""A session that nobody used for so long has ended."""

_TOUCH = timedelta(minutes=1)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_TOKEN_NAME = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,64}")
_SECRET_BYTES = 32
_HASHES_AT_ONCE = 2
"""A hash takes 64 MiB: a burst of logins must not take the memory of the box."""

_FIRST_LOCK = 0x61636373
""" "accs": who makes the first account in PostgreSQL holds this advisory lock."""


class AccountError(InspectorError):
    """An account, token or link that is not there, or a change that is not allowed."""


class Role(StrEnum):
    """What somebody may do; each may do what those before it may."""

    OPERATOR = "operator"
    ENGINEER = "engineer"
    ADMIN = "admin"

    def covers(self, other: "Role") -> bool:
        """Whether this role may do what the other may."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may log in, unless disabled."""

    id: int
    name: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Token:
    """What a machine says instead of a password; itself not known any more. account: whose it is, by name."""

    id: int
    name: str
    account: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


_ACCOUNT = (accounts.c.id, accounts.c.name, accounts.c.role, accounts.c.created_at, accounts.c.disabled_at)


class Accounts:
    """Reads and writes accounts, sessions and tokens. Safe from any thread.

    hasher: of passwords; argon2id as RFC 9106 has it when not given.

    Every method raises StoreError where the database cannot be read or written.
    """

    def __init__(self, engine: Engine, hasher: "PasswordHasher | None" = None) -> None:
        # The daemon imports the store without ever hashing a password.
        from argon2 import PasswordHasher

        self._engine = engine
        self._hasher = hasher or PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe())
        self._hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)
        self._setup: bytes | None = None
        self._setup_lock = threading.Lock()

    def empty(self) -> bool:
        """Whether nobody has an account yet."""
        with store_errors("accounts"), self._engine.connect() as connection:
            return not _count(connection)

    def begin_setup(self) -> str | None:
        """A code, known to this process alone, with which the first admin may be made; None where there are accounts.
        An earlier code is void.
        """
        if not self.empty():
            return None
        code = secrets.token_urlsafe(_SECRET_BYTES)
        with self._setup_lock:
            self._setup = _digest("setup", code).encode()
        return code

    def may_set_up(self, code: str) -> bool:
        """Whether this is the code of `begin_setup`, and still of use."""
        with self._setup_lock:
            return self._setup is not None and hmac.compare_digest(self._setup, _digest("setup", code).encode())

    def finish_setup(self, code: str, name: str, password: str) -> Account:
        """Makes the first admin; the code is used up.

        Raises:
            AccountError: the code is not the one, or there is an account.
            UsageError: the name or password is not allowed; the code remains.
        """
        _check(name, password)
        hashed = self._hash(password)
        if not self.may_set_up(code):
            raise AccountError("setup: this link is not valid any more; start the review page again for a new one")
        with store_errors("accounts"), writing(self._engine) as connection:
            in_turn(connection, _FIRST_LOCK)
            if _count(connection):
                raise AccountError("setup: there is an account already; log in with it")
            account = _insert(connection, name, hashed, Role.ADMIN)
        with self._setup_lock:
            self._setup = None
        return account

    def create(self, name: str, password: str, role: Role) -> Account:
        """A new account.

        Raises:
            ConflictError: the name is taken.
            UsageError: the name or password is not allowed.
        """
        _check(name, password)
        hashed = self._hash(password)
        with store_errors(f"account {name}"), writing(self._engine) as connection:
            return _insert(connection, name, hashed, role)

    def verify(self, name: str, password: str) -> Account | None:
        """The account, where the password is its own. Takes the same time for a name that is not there."""
        from argon2.exceptions import InvalidHashError, VerificationError

        query = select(*_ACCOUNT, accounts.c.password_hash).where(accounts.c.name == (name if _is_name(name) else ""))
        with store_errors("accounts"), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        hashed = self._nobody if row is None else row.password_hash
        try:
            with self._hashing:
                self._hasher.verify(hashed, _bytes(password[: MAX_PASSWORD + 1]))
        except (VerificationError, InvalidHashError):
            return None
        if row is None or row.disabled_at is not None:
            return None
        if self._hasher.check_needs_rehash(hashed):
            self._rehash(row.id, password)
        return _account(row)

    def all(self) -> list[Account]:
        """Every account, by name."""
        with store_errors("accounts"), self._engine.connect() as connection:
            return [_account(row) for row in connection.execute(select(*_ACCOUNT).order_by(accounts.c.name))]

    def by_name(self, name: str) -> Account | None:
        """The account of this name."""
        if not _is_name(name):
            return None
        with store_errors("accounts"), self._engine.connect() as connection:
            row = connection.execute(select(*_ACCOUNT).where(accounts.c.name == name)).one_or_none()
        return None if row is None else _account(row)

    def set_role(self, name: str, role: Role) -> None:
        """Gives another role; tokens never exceed it.

        Raises:
            AccountError: there is no such account, or it is the last admin.
        """
        with store_errors("accounts"), writing(self._engine) as connection:
            account = _existing(connection, name)
            if role is not Role.ADMIN:
                _spare_last_admin(connection, account)
            connection.execute(update(accounts).where(accounts.c.id == account.id).values(role=role.value))

    def set_password(self, name: str, password: str) -> None:
        """Another password; whoever is logged in under this name is no longer.

        Raises:
            AccountError: there is no such account.
            UsageError: the password is not allowed.
        """
        _check(name, password)
        hashed = self._hash(password)
        with store_errors("accounts"), writing(self._engine) as connection:
            account = _existing(connection, name)
            connection.execute(update(accounts).where(accounts.c.id == account.id).values(password_hash=hashed))
            connection.execute(delete(sessions).where(sessions.c.account == account.id))

    def disable(self, name: str) -> None:
        """May no longer log in; sessions end, tokens are revoked. The name stays taken: the audit speaks of it.

        Raises:
            AccountError: there is no such account, or it is the last admin.
        """
        now = datetime.now(UTC)
        with store_errors("accounts"), writing(self._engine) as connection:
            account = _existing(connection, name)
            _spare_last_admin(connection, account)
            connection.execute(update(accounts).where(accounts.c.id == account.id).values(disabled_at=now))
            connection.execute(delete(sessions).where(sessions.c.account == account.id))
            mine = (tokens.c.account == account.id, tokens.c.revoked_at.is_(None))
            connection.execute(update(tokens).where(*mine).values(revoked_at=now))

    def enable(self, name: str) -> None:
        """May log in again.

        Raises:
            AccountError: there is no such account.
        """
        with store_errors("accounts"), writing(self._engine) as connection:
            account = _existing(connection, name)
            connection.execute(update(accounts).where(accounts.c.id == account.id).values(disabled_at=None))

    def begin_session(self, name: str, hours: float) -> str:
        """Logs in for at most so many hours; returns the value of the cookie.

        Raises:
            AccountError: there is no such account, or it is disabled.
        """
        return self._begin("session", name, hours)

    def session(self, cookie: str, *, used: bool = True) -> Account | None:
        """Who is logged in; None where the session has expired or ended, or the account is disabled.

        used: somebody does something; False where a page asks by itself, which prolongs nothing.
        """
        now = datetime.now(UTC)
        digest = _digest("session", cookie)
        query = select(*_ACCOUNT, sessions.c.seen_at).join_from(sessions, accounts, sessions.c.account == accounts.c.id)
        alive = (sessions.c.digest == digest, sessions.c.expires_at > now, sessions.c.seen_at > now - IDLE)
        with store_errors("sessions"), self._engine.connect() as connection:
            row = connection.execute(query.where(*alive, accounts.c.disabled_at.is_(None))).one_or_none()
        if row is None:
            return None
        if used and now - row.seen_at > _TOUCH:
            self._touch(digest, now)
        return _account(row)

    def end_session(self, cookie: str) -> None:
        """Logs out."""
        with store_errors("sessions"), writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == _digest("session", cookie)))

    def begin_link(self, name: str, hours: float) -> str:
        """A code that logs in once, within so many hours.

        Raises:
            AccountError: there is no such account, or it is disabled.
        """
        return self._begin("link", name, hours)

    def redeem_link(self, code: str) -> Account | None:
        """Whom the code of `begin_link` logs in; it is used up. None where it is not valid."""
        now = datetime.now(UTC)
        spent = (sessions.c.digest == _digest("link", code), sessions.c.expires_at > now)
        with store_errors("sessions"), writing(self._engine) as connection:
            found = connection.execute(delete(sessions).where(*spent).returning(sessions.c.account)).scalar()
            if found is None:
                return None
            query = select(*_ACCOUNT).where(accounts.c.id == found, accounts.c.disabled_at.is_(None))
            row = connection.execute(query).one_or_none()
        return None if row is None else _account(row)

    def create_token(self, name: str, account: str, role: Role, expires_at: datetime | None = None) -> str:
        """What a machine may say in the name of an account; told this once.

        Raises:
            AccountError: there is no such account, it is disabled, or its role does not cover the token's.
            UsageError: the name is not allowed.
        """
        if not _TOKEN_NAME.fullmatch(name):
            raise UsageError(
                f"token: got {name[:80]!r}, expected a name of 1 to 64 characters, none a control character"
            )
        bearer = f"insp_{secrets.token_urlsafe(_SECRET_BYTES)}"
        with store_errors("tokens"), writing(self._engine) as connection:
            owner = _existing(connection, account, enabled=True)
            if not owner.role.covers(role):
                raise AccountError(f"token {name!r}: got role {role}, expected at most {owner.role}, that of {account}")
            row = {"name": name, "digest": _digest("token", bearer), "role": role.value, "account": owner.id}
            connection.execute(insert(tokens), {**row, "created_at": datetime.now(UTC), "expires_at": expires_at})
        return bearer

    def token(self, bearer: str) -> tuple[Account, Role] | None:
        """Whose token this is, and what it may; None where it has expired, was revoked, or its account is disabled."""
        now = datetime.now(UTC)
        query = select(*_ACCOUNT, tokens.c.role.label("of_token"), tokens.c.expires_at).join_from(
            tokens, accounts, tokens.c.account == accounts.c.id
        )
        valid = (tokens.c.digest == _digest("token", bearer), tokens.c.revoked_at.is_(None))
        with store_errors("tokens"), self._engine.connect() as connection:
            row = connection.execute(query.where(*valid, accounts.c.disabled_at.is_(None))).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= now):
            return None
        account, role = _account(row), Role(row.of_token)
        return account, role if account.role.covers(role) else account.role

    def tokens(self) -> list[Token]:
        """Every token, newest first."""
        query = (
            select(
                tokens.c.id,
                tokens.c.name,
                accounts.c.name.label("owner"),
                tokens.c.role,
                tokens.c.created_at,
                tokens.c.expires_at,
                tokens.c.revoked_at,
            )
            .join_from(tokens, accounts, tokens.c.account == accounts.c.id)
            .order_by(tokens.c.id.desc())
        )
        with store_errors("tokens"), self._engine.connect() as connection:
            return [Token(r[0], r[1], r[2], Role(r[3]), *r[4:]) for r in connection.execute(query)]

    def revoke_token(self, token: int) -> None:
        """The token is void.

        Raises:
            AccountError: there is no such token.
        """
        with store_errors("tokens"), writing(self._engine) as connection:
            if connection.execute(select(tokens.c.id).where(tokens.c.id == token)).scalar() is None:
                raise AccountError(f"token {token}: is not there")
            mine = (tokens.c.id == token, tokens.c.revoked_at.is_(None))
            connection.execute(update(tokens).where(*mine).values(revoked_at=datetime.now(UTC)))

    def _begin(self, kind: str, name: str, hours: float) -> str:
        secret, now = secrets.token_urlsafe(_SECRET_BYTES), datetime.now(UTC)
        with store_errors("sessions"), writing(self._engine) as connection:
            account = _existing(connection, name, enabled=True)
            connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
            row = {"digest": _digest(kind, secret), "account": account.id, "created_at": now, "seen_at": now}
            connection.execute(insert(sessions), {**row, "expires_at": now + timedelta(hours=hours)})
        return secret

    def _touch(self, digest: str, now: datetime) -> None:
        """Best effort: who reads on a full disk is not logged out for it."""
        try:
            with store_errors("sessions"), writing(self._engine) as connection:
                connection.execute(update(sessions).where(sessions.c.digest == digest).values(seen_at=now))
        except StoreError as error:
            log.warning("session not touched", extra={"fault": str(error)})

    def _hash(self, password: str) -> str:
        with self._hashing:
            return self._hasher.hash(_bytes(password))

    def _rehash(self, account: int, password: str) -> None:
        """The password is right and its hash of an older strength."""
        hashed = self._hash(password)
        with store_errors("accounts"), writing(self._engine) as connection:
            connection.execute(update(accounts).where(accounts.c.id == account).values(password_hash=hashed))


def _digest(kind: str, secret: str) -> str:
    """Secrets are random and long: a plain hash keeps them. The kind parts a link from a session."""
    return hashlib.sha256(_bytes(f"{kind}:{secret}")).hexdigest()


def _is_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


def _bytes(password: str) -> bytes:
    """Of anything that can be typed or sent, half a character included."""
    return password.encode("utf-8", "surrogatepass")


def _count(connection: Connection) -> int:
    return int(connection.execute(select(func.count()).select_from(accounts)).scalar_one())


def _insert(connection: Connection, name: str, hashed: str, role: Role) -> Account:
    row = {"name": name, "password_hash": hashed, "role": role.value, "created_at": datetime.now(UTC)}
    made = connection.execute(insert(accounts).returning(*_ACCOUNT), row)
    return _account(made.one())


def _existing(connection: Connection, name: str, *, enabled: bool = False) -> Account:
    query = select(*_ACCOUNT).where(accounts.c.name == (name if _is_name(name) else "")).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError(f"account {name[:80]!r}: is not there")
    if enabled and row.disabled_at is not None:
        raise AccountError(f"account {name!r}: is disabled")
    return _account(row)


def _spare_last_admin(connection: Connection, account: Account) -> None:
    admins = select(accounts.c.id).where(accounts.c.role == Role.ADMIN.value, accounts.c.disabled_at.is_(None))
    left = {row.id for row in connection.execute(admins.with_for_update())} - {account.id}
    if account.role is Role.ADMIN and not left:
        raise AccountError(f"account {account.name}: is the last admin; make another one first")


def _account(row: Any) -> Account:
    """From a row with _ACCOUNT's columns."""
    return Account(row.id, row.name, Role(row.role), row.created_at, row.disabled_at)


def _check(name: str, password: str) -> None:
    if not _is_name(name):
        raise UsageError(f"name: got {name[:80]!r}, expected 1 to 64 of letters, digits, '.', '_', '@', '-'")
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise UsageError(f"password: got {len(password)} characters, expected {MIN_PASSWORD} to {MAX_PASSWORD}")
    if password.lower() == name.lower():
        raise UsageError("password: got the name, expected something that others do not know")
