"""Reads the audit: what was said about frames, which banks and thresholds stations were given, who changed accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, Engine, Table, or_, select

from inspector.store.account_change import AccountChangeRow
from inspector.store.database import equals, store_errors
from inspector.store.review_row import ReviewRow
from inspector.store.tables import account_changes, frames, promotions, reviews


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows; None does not ask. who: the exact name. since, until: [since, until). frame: its id in the ledger.
    named: the frame's id as its camera says it, or that of its part; a part's only while its frame is kept; of
    changes of accounts, the account.
    """

    who: str | None = None
    station: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    frame: int | None = None
    named: str | None = None


@dataclass(frozen=True, slots=True)
class PromotionRow:
    """One row of store.tables.promotions. by: the account's name. guard: None where the guard was not asked."""

    id: int
    at: datetime
    station: str
    by: str
    action: str
    from_id: str | None
    from_digest: str | None
    to_id: str
    to_digest: str
    reason: str | None
    guard_missed: int
    guard: int | None


class Audit:
    """Reads the three append-only tables, newest first, page by page at the same cost. Safe from any thread.

    before: the id from which to go on, as the last page's last row has it. Every method raises StoreError where the
    database cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reviews(self, filters: AuditFilter, *, limit: int, before: int | None = None) -> list[ReviewRow]:
        """What was said about frames."""
        return [ReviewRow(*row) for row in self._rows(reviews, reviews.c.reviewer, filters, limit, before)]

    def promotions(self, filters: AuditFilter, *, limit: int, before: int | None = None) -> list[PromotionRow]:
        """Banks and thresholds that were taken into use; `frame` and `named` are not asked of them."""
        return [PromotionRow(*row) for row in self._rows(promotions, promotions.c.by, filters, limit, before)]

    def account_changes(self, filters: AuditFilter, *, limit: int, before: int | None = None) -> list[AccountChangeRow]:
        """Accounts, login links and tokens that were made or changed; `station` and `frame` are not asked of them."""
        rows = self._rows(account_changes, account_changes.c.by, filters, limit, before)
        return [AccountChangeRow(*row) for row in rows]

    def _rows(
        self, table: Table, who: Column[str], filters: AuditFilter, limit: int, before: int | None
    ) -> Sequence[Sequence[Any]]:
        terms: list[ColumnElement[bool]] = []
        asked = ((who, filters.who), (table.c.get("station"), filters.station))
        for column, value in (*asked, (table.c.get("account"), filters.named)):
            if column is not None and value is not None:
                terms.append(equals(column, value))
        if filters.action is not None:
            terms.append(table.c.action == filters.action)
        if filters.since is not None:
            terms.append(table.c.at >= filters.since)
        if filters.until is not None:
            terms.append(table.c.at < filters.until)
        if filters.frame is not None and "frame" in table.c:
            terms.append(table.c.frame == filters.frame)
        if filters.named is not None and "frame" in table.c:
            of_part = select(frames.c.id).where(equals(frames.c.part_id, filters.named))
            terms.append(or_(equals(table.c.frame_id, filters.named), table.c.frame.in_(of_part)))
        if before is not None:
            terms.append(table.c.id < before)
        with store_errors("audit"), self._engine.connect() as connection:
            return connection.execute(select(table).where(*terms).order_by(table.c.id.desc()).limit(limit)).all()
