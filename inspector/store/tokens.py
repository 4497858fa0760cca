"""Tokens: what machines send instead of a password, each in the name of an account."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from inspector.errors import UsageError
from inspector.legible import is_word
from inspector.store.account import COLUMNS, Account, AccountError, Role, digest, locked_account, new_secret
from inspector.store.account_change import record
from inspector.store.database import store_errors, writing
from inspector.store.tables import accounts, tokens


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token, without the token itself. account: the name of the account that it belongs to."""

    id: int
    name: str
    account: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None


class Tokens:
    """Reads and writes tokens, of which the database holds only hashes. Safe from any thread.

    by: who makes or revokes one, as the audit has it, where it is written with it.

    Every method raises StoreError where the database cannot be read or written.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def create(self, name: str, account: str, role: Role, expires_at: datetime | None = None, *, by: str) -> str:
        """A token with which a machine acts in the name of an account; only told here.

        Raises:
            AccountError: there is no such account, it is disabled, or its role does not cover the token's.
            UsageError: the name is not allowed.
        """
        if not is_word(name):
            raise UsageError(
                f"token: got {name[:80]!r}, expected a name of 1 to 64 characters, none a control character"
            )
        bearer = f"insp_{new_secret()}"
        with store_errors("tokens"), writing(self._engine) as connection:
            owner = locked_account(connection, account, enabled=True)
            if not owner.role.covers(role):
                raise AccountError(f"token {name!r}: got role {role}, expected at most {owner.role}, that of {account}")
            row = {"name": name, "digest": digest("token", bearer), "role": role.value, "account": owner.id}
            connection.execute(insert(tokens), {**row, "created_at": datetime.now(UTC), "expires_at": expires_at})
            record(connection, account, "token_made", by=by, detail=_told(role.value, name))
        return bearer

    def account(self, bearer: str) -> tuple[Account, Role] | None:
        """Whose token this is, and its role; None where it has expired, was revoked, or the account is disabled."""
        now = datetime.now(UTC)
        query = select(*COLUMNS, tokens.c.role.label("of_token"), tokens.c.expires_at).join_from(
            tokens, accounts, tokens.c.account == accounts.c.id
        )
        valid = (tokens.c.digest == digest("token", bearer), tokens.c.revoked_at.is_(None))
        with store_errors("tokens"), self._engine.connect() as connection:
            row = connection.execute(query.where(*valid, accounts.c.disabled_at.is_(None))).one_or_none()
        if row is None or (row.expires_at is not None and row.expires_at <= now):
            return None
        account, role = Account.of(row), Role(row.of_token)
        return account, role if account.role.covers(role) else account.role

    def all(self) -> list[Token]:
        """Every token, newest first."""
        columns = (tokens.c.created_at, tokens.c.expires_at, tokens.c.revoked_at)
        query = (
            select(tokens.c.id, tokens.c.name, accounts.c.name.label("owner"), tokens.c.role, *columns)
            .join_from(tokens, accounts, tokens.c.account == accounts.c.id)
            .order_by(tokens.c.id.desc())
        )
        with store_errors("tokens"), self._engine.connect() as connection:
            return [Token(r[0], r[1], r[2], Role(r[3]), *r[4:]) for r in connection.execute(query)]

    def revoke(self, token: int, *, by: str) -> None:
        """The token is void.

        Raises:
            AccountError: there is no such token.
        """
        with store_errors("tokens"), writing(self._engine) as connection:
            owner = select(accounts.c.name).join_from(tokens, accounts, tokens.c.account == accounts.c.id)
            if (name := connection.execute(owner.where(tokens.c.id == token)).scalar()) is None:
                raise AccountError(f"token {token}: is not there")
            revoke_valid(connection, tokens.c.id == token, name, by=by)


def revoke_valid(connection: Connection, which: ColumnElement[bool], account: str, *, by: str) -> None:
    """Makes void those of an account's tokens that are not yet.

    Raises:
        SQLAlchemyError: nothing was written.
    """
    void = update(tokens).where(which, tokens.c.revoked_at.is_(None)).values(revoked_at=datetime.now(UTC))
    revoked = connection.execute(void.returning(tokens.c.id, tokens.c.role, tokens.c.name)).all()
    for _, role, name in sorted(revoked):
        record(connection, account, "token_revoked", by=by, detail=_told(role, name))


def _told(role: str, name: str) -> str:
    return f"{role}: {name}"
