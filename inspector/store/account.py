"""An account, as accounts, sessions and tokens find it in the database."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from inspector.errors import InspectorError
from inspector.store.tables import accounts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_SECRET_BYTES = 32


class AccountError(InspectorError):
    """An account, token or link that is not there, or a change that is not allowed."""


class Role(StrEnum):
    """What somebody may do; each may do what those before it may. A viewer decides nothing, as a screen on a wall."""

    VIEWER = "viewer"
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

    @classmethod
    def of(cls, row: Any) -> "Account":
        """From a row that has COLUMNS."""
        return cls(row.id, row.name, Role(row.role), row.created_at, row.disabled_at)


COLUMNS = (accounts.c.id, accounts.c.name, accounts.c.role, accounts.c.created_at, accounts.c.disabled_at)
"""What a query must select."""


def is_name(name: str) -> bool:
    """Whether an account may have this name."""
    return _NAME.fullmatch(name) is not None


def locked_account(connection: Connection, name: str, *, enabled: bool = False) -> Account:
    """The account of this name, which nobody else may change until the end of the transaction.

    Raises:
        AccountError: there is none, or with `enabled`, it is disabled.
    """
    query = select(*COLUMNS).where(accounts.c.name == (name if is_name(name) else "")).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError(f"account {name[:80]!r}: is not there")
    if enabled and row.disabled_at is not None:
        raise AccountError(f"account {name!r}: is disabled")
    return Account.of(row)


def new_secret() -> str:
    """For a cookie, a link or a token: nobody can guess it."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def digest(kind: str, secret: str) -> str:
    """What the database holds of a secret. Secrets are long and random, so a plain hash is enough; with the kind in it,
    a link is no cookie.
    """
    return hashlib.sha256(f"{kind}:{secret}".encode("utf-8", "surrogatepass")).hexdigest()
