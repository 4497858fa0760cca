"""The audit's pages, on SQLite and on PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from reviewing import CAM1, CAM2, NOON, filled, verdict
from sqlalchemy import Engine, insert

from inspector.store import Audit, AuditFilter, Promotions, Reviews
from inspector.store.database import writing
from inspector.store.tables import promotions
from inspector.types import BankRef, Exchange

FIRST = Exchange(at=NOON, by="cli", action="promote", before=None, after=BankRef("bank3", "c" * 64))


@pytest.fixture
def audit(database: Engine) -> Audit:
    ids = filled(database, *(verdict(n, station=CAM1 if n % 2 else CAM2) for n in range(10)))
    said = Reviews(database)
    for number, frame in enumerate(ids):
        reviewer = "ann" if number < 6 else "bob"
        said.dispose(frame, to="defect", defect_type="dent", reviewer=reviewer, version=0, note=f"note {number}")
    said.undo(ids[9], reviewer="bob", version=1)
    with database.begin() as connection:
        for number in range(3):
            connection.execute(
                insert(promotions).values(
                    at=NOON + timedelta(hours=number), station=CAM1, by="eve", action="promote",
                    from_id=f"b{number}", from_digest="1" * 64, to_id=f"b{number + 1}", to_digest="2" * 64,
                    reason="better", guard_missed=number,
                )
            )  # fmt: skip
    return Audit(database)


def test_pages_go_on_where_the_last_ended(audit: Audit) -> None:
    seen: list[int] = []
    before = None
    while rows := audit.reviews(AuditFilter(), limit=4, before=before):
        seen += [row.id for row in rows]
        before = rows[-1].id
    assert len(seen) == 11
    assert seen == sorted(seen, reverse=True)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (AuditFilter(who="bob"), 5),
        (AuditFilter(who="bob", action="undo"), 1),
        (AuditFilter(station=CAM2), 5),
        (AuditFilter(station=CAM2, who="ann"), 3),
        (AuditFilter(who="nobody"), 0),
        (AuditFilter(who="' OR 1=1 --"), 0),
        (AuditFilter(who="a\x00b"), 0),
        (AuditFilter(station="a\ud800b"), 0),
        (AuditFilter(since=datetime.now(UTC) + timedelta(days=1)), 0),
        (AuditFilter(until=datetime.now(UTC) + timedelta(days=1)), 11),
    ],
)
def test_filters(audit: Audit, filters: AuditFilter, expected: int) -> None:
    assert len(audit.reviews(filters, limit=100)) == expected


def test_one_frame(audit: Audit) -> None:
    undone = audit.reviews(AuditFilter(action="undo"), limit=1)[0]
    assert [row.action for row in audit.reviews(AuditFilter(frame=undone.frame), limit=9)] == ["undo", "dispose"]


def test_promotions(audit: Audit) -> None:
    newest, *_ = rows = audit.promotions(AuditFilter(), limit=9)
    assert [row.to_id for row in rows] == ["b3", "b2", "b1"]
    assert (newest.by, newest.reason, newest.guard_missed, newest.at) == ("eve", "better", 2, NOON + timedelta(hours=2))
    assert [row.to_id for row in audit.promotions(AuditFilter(), limit=9, before=newest.id)] == ["b2", "b1"]
    assert audit.promotions(AuditFilter(station=CAM2), limit=9) == []
    assert audit.promotions(AuditFilter(who="ann"), limit=9) == []
    assert len(audit.promotions(AuditFilter(since=NOON + timedelta(minutes=1)), limit=9)) == 2


def test_an_exchange_that_two_record_at_once_is_there_once(database: Engine) -> None:
    together = Barrier(2)

    def record(exchange: Exchange) -> int:
        together.wait()
        return Promotions(database).record(CAM2, [exchange])

    exchanges = [FIRST.model_copy(update={"at": NOON + timedelta(hours=hour)}) for hour in range(10)]
    with ThreadPoolExecutor(2) as people:
        for exchange in exchanges:
            assert sorted(people.map(record, [exchange] * 2)) == [0, 1]
    rows = Audit(database).promotions(AuditFilter(station=CAM2), limit=100)
    assert [row.at for row in rows] == [exchange.at for exchange in reversed(exchanges)]


def test_exchanges_that_are_recorded_already_wait_for_nobody_who_writes(database: Engine) -> None:
    assert Promotions(database).record(CAM2, [FIRST]) == 1
    with writing(database):
        assert Promotions(database).record(CAM2, [FIRST]) == 0
