"""Sessions: who is logged in, by the secret of a cookie; and links that log in once."""

import logging
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, delete, insert, or_, select, update

from inspector.errors import StoreError
from inspector.store.account import COLUMNS, Account, Role, digest, locked_account, new_secret
from inspector.store.account_change import record
from inspector.store.database import store_errors, writing
from inspector.store.tables import accounts, sessions

log = logging.getLogger(__name__)

IDLE = timedelta(hours=2)
"""A session that nobody used for so long has ended, except a viewer's: nobody touches a screen on a wall."""

_BY_LINK = "link."
"""So begin the cookies of sessions that a login link began; of the rest of a secret no part is a dot."""

_TOUCH = timedelta(minutes=1)
"""How old a session's last use may be before it is written anew."""


class Sessions:
    """Reads and writes sessions and links, of which the database holds only hashes. Safe from any thread.

    Every method raises StoreError where the database cannot be read or written.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, name: str, hours: float, *, by_link: bool = False) -> str:
        """Logs in for at most so many hours; returns the value of the cookie, which says so of a login link.

        Raises:
            AccountError: there is no such account, or it is disabled.
        """
        secret = (_BY_LINK if by_link else "") + new_secret()
        with store_errors("sessions"), writing(self._engine) as connection:
            _insert(connection, digest("session", secret), name, hours)
        return secret

    def account(self, cookie: str, *, used: bool = True) -> Account | None:
        """Who is logged in; None where the session has expired or ended, or the account is disabled.

        used: somebody does something; False where a page asks by itself, which prolongs nothing.
        """
        now = datetime.now(UTC)
        found = digest("session", cookie)
        query = select(*COLUMNS, sessions.c.seen_at).join_from(sessions, accounts, sessions.c.account == accounts.c.id)
        in_use = or_(sessions.c.seen_at > now - IDLE, accounts.c.role == Role.VIEWER.value)
        alive = (sessions.c.digest == found, sessions.c.expires_at > now, in_use)
        with store_errors("sessions"), self._engine.connect() as connection:
            row = connection.execute(query.where(*alive, accounts.c.disabled_at.is_(None))).one_or_none()
        if row is None:
            return None
        if used and now - row.seen_at > _TOUCH:
            self._touch(found, now)
        return Account.of(row)

    def end(self, cookie: str) -> None:
        """Logs out."""
        with store_errors("sessions"), writing(self._engine) as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest("session", cookie)))

    def begin_link(self, name: str, hours: float, *, by: str) -> str:
        """A code that logs in once, within so many hours. by: who makes it, as the audit has it with it.

        Raises:
            AccountError: there is no such account, or it is disabled.
        """
        secret = new_secret()
        with store_errors("sessions"), writing(self._engine) as connection:
            _insert(connection, digest("link", secret), name, hours)
            record(connection, name, "link", by=by)
        return secret

    def redeem_link(self, code: str) -> Account | None:
        """Whom the code of `begin_link` logs in; it is used up. None where it is not valid."""
        now = datetime.now(UTC)
        spent = (sessions.c.digest == digest("link", code), sessions.c.expires_at > now)
        with store_errors("sessions"), writing(self._engine) as connection:
            found = connection.execute(delete(sessions).where(*spent).returning(sessions.c.account)).scalar()
            if found is None:
                return None
            query = select(*COLUMNS).where(accounts.c.id == found, accounts.c.disabled_at.is_(None))
            row = connection.execute(query).one_or_none()
        return None if row is None else Account.of(row)

    def _touch(self, found: str, now: datetime) -> None:
        """As far as it is possible: nobody is logged out because the disk is full."""
        try:
            with store_errors("sessions"), writing(self._engine) as connection:
                connection.execute(update(sessions).where(sessions.c.digest == found).values(seen_at=now))
        except StoreError as error:
            log.warning("session not touched", extra={"fault": str(error)})


def _insert(connection: Connection, hashed: str, name: str, hours: float) -> None:
    now = datetime.now(UTC)
    account = locked_account(connection, name, enabled=True)
    connection.execute(delete(sessions).where(sessions.c.expires_at <= now))
    row = {"digest": hashed, "account": account.id, "created_at": now, "seen_at": now}
    connection.execute(insert(sessions), {**row, "expires_at": now + timedelta(hours=hours)})


def came_by_link(cookie: str) -> bool:
    """Whether a login link began the session of this cookie, which is known to be one."""
    return cookie.startswith(_BY_LINK)
