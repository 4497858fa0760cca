"""Check parts out of the ledger, on SQLite and on PostgreSQL."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from reviewing import CAM1, CAM2, NOON, check, filled, published, verdict
from sqlalchemy import Engine

from inspector.contract import error_json, unpack
from inspector.errors import FrameEmptyError
from inspector.review.checks import Check, newest_run
from inspector.review.shifts import Span, spans
from inspector.store import Checks

DAY = spans(NOON - timedelta(hours=6), NOON + timedelta(hours=18), {"early": "06:00", "late": "14:00"}, UTC)


@pytest.fixture
def checks(database: Engine) -> Checks:
    return Checks(database)


def of(checks: Checks, stations: list[str], spans: Sequence[Span] = DAY, *, most: int = 10) -> list[Check]:
    return checks.of(stations, spans, most=most, look=10).checks


def empty(**said: str) -> bytes:
    """What the daemon publishes about a frame without a picture."""
    raw = unpack(b"", properties=[("frame_id", "f"), *said.items()])
    return error_json(
        FrameEmptyError("no bytes"), CAM1, raw, result_id="r", received_at=NOON, decided_at=NOON, quarantine_id=None
    )


def test_they_are_found_newest_first_and_production_is_not(database: Engine, checks: Checks) -> None:
    error = {"outcome": "error", "queued": False}
    filled(
        database,
        verdict(1, "ok"),
        check(2, "ng", "uncertain", lot=None),
        check(3, "ok", "empty", document=empty(expected="ok")),
        verdict(4, "empty", document=empty(lot='"expected":"ng"'), **error),
        verdict(5, "empty", document=empty(expected="NG"), **error),
        verdict(6, "empty", document=published({"written": "before checks were"}), **error),
        verdict(7, "superseded", outcome="drop", document=None, topic=None, queued=False),
        check(8, "ok", "ng", part_id=None, station=CAM2),
    )
    found = of(checks, [CAM1, CAM2])
    assert [(one.part, one.expected, one.decision, one.passed) for one in found] == [
        ("f8", "ok", "ng", False),
        ("part3", "ok", "error", False),
        ("part2", "ng", "uncertain", True),
    ]
    assert [(one.reason, one.score, one.ng) for one in found[1:]] == [("empty", None, None), (None, 12.0, 10.0)]
    assert [one.station for one in of(checks, [CAM1, CAM2], most=1)] == [CAM2]
    assert of(checks, [CAM1], DAY[1:]) == of(checks, [CAM1], []) == []


def test_of_very_many_errors_the_newest_are_looked_through_and_that_is_told(database: Engine, checks: Checks) -> None:
    early = check(0, "ok", "empty", document=empty(expected="ok"))
    late = check(9, "ok", "empty", document=empty(expected="ok"))
    others = [verdict(n, "empty", document=empty(), outcome="error", queued=False) for n in range(1, 9)]
    filled(database, early, *others, late, check(5, "ok", "ok", frame_id="other", part_id="inspected"))
    for look, parts, passed_over in ((10, ["part9", "inspected", "part0"], False), (9, ["part9", "inspected"], True)):
        found = checks.of([CAM1, CAM2], DAY, most=10, look=look)
        assert [one.part for one in found.checks] == parts
        assert (found.more, found.passed_over) == (False, passed_over)
    assert checks.of([CAM1], DAY, most=2, look=10).more


def test_a_time_ends_before_its_end(database: Engine, checks: Checks) -> None:
    filled(database, *(check(number, "ok", "ok") for number in range(4)))
    span = Span("", NOON.date(), NOON + timedelta(minutes=1), NOON + timedelta(minutes=3))
    assert [one.part for one in of(checks, [CAM1], [span])] == ["part2", "part1"]


def test_a_run_is_what_came_within_ten_minutes_before_the_newest(database: Engine, checks: Checks) -> None:
    filled(
        database,
        check(0, "ng", "ok"),
        check(20, "ok", "ok"),
        check(29, "ng", "damaged"),
        check(30, "ng", "ng"),
        check(1, "ok", "ok", station=CAM2, frame_id="other"),
    )
    runs = checks.runs([CAM1, CAM2], NOON)
    run = runs[CAM1]
    assert (run.at, run.passed, len(run.checks)) == (NOON + timedelta(minutes=30), 2, 3)
    assert run.failed is not None
    assert (run.failed.part, run.failed.reason) == ("part29", "damaged")
    assert runs[CAM2].failed is None
    assert checks.runs([CAM1, CAM2], NOON + timedelta(minutes=2)).keys() == {CAM1}
    assert checks.runs([CAM1], datetime.now(UTC)) == {}
    assert newest_run([]) is None


def test_a_run_of_a_clock_that_was_ahead_is_not_the_newest(database: Engine, checks: Checks) -> None:
    ahead = [check(n, "ng", "ng", received_at=NOON + timedelta(days=3650, seconds=n)) for n in range(60)]
    errors = [check(n, "ng", "damaged", received_at=NOON + timedelta(days=3650, seconds=n)) for n in range(60, 120)]
    filled(database, *ahead, *errors, check(200, "ng", "ok"), check(201, "ok", "damaged"))
    run = checks.runs([CAM1], NOON)[CAM1]
    assert (run.at, run.passed, len(run.checks)) == (NOON + timedelta(minutes=201), 0, 2)
