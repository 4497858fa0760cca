"""One row of the audit: who changed what of an account, or what logs in as it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy import Connection, insert

from inspector.store.tables import account_changes

AccountAction = Literal["made", "role", "password", "disabled", "enabled", "link", "token_made", "token_revoked"]


@dataclass(frozen=True, slots=True)
class AccountChangeRow:
    """What was changed; the columns of store.tables.account_changes.

    by: an account's name, or at the command line, who has no account there, words that no account can be called.
    detail: the role, or the old and the new one; of a token its role and name. Nothing secret.
    """

    id: int
    at: datetime
    by: str
    account: str
    action: AccountAction
    detail: str | None


def record(connection: Connection, account: str, action: AccountAction, *, by: str, detail: str | None = None) -> None:
    """Writes what this transaction changes of an account: neither is there without the other.

    Raises:
        SQLAlchemyError: nothing was written.
    """
    row = {"at": datetime.now(UTC), "by": by, "account": account, "action": action, "detail": detail}
    connection.execute(insert(account_changes), row)
