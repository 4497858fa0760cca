"""The figures' counts, on SQLite and on PostgreSQL: known dispositions give known numbers, and no row is read."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reviewing import CAM1, CAM2, NOON, after_first_read, filled, verdict
from sqlalchemy import Engine, event

from inspector.review.agreement import agreement
from inspector.review.figures import Figures, OutcomeCount, ReviewCount, figures
from inspector.review.shifts import Span, spans
from inspector.store import (
    Archive,
    Checks,
    Entry,
    Ledger,
    Policy,
    RecordedScores,
    Retention,
    Reviews,
    Tally,
    open_database,
)
from inspector.store.tally import WORDS

EIGHT = {"early": "06:00", "late": "14:00", "night": "22:00"}
DAY = spans(NOON - timedelta(hours=6), NOON + timedelta(hours=18), EIGHT, UTC)


@pytest.fixture
def tally(database: Engine) -> Tally:
    return Tally(database)


def test_counts_by_station_shift_and_outcome(database: Engine, tally: Tally) -> None:
    late = {"received_at": NOON + timedelta(hours=3)}
    filled(
        database,
        *(verdict(n, "ok") for n in range(5)),
        verdict(5, "ng"),
        verdict(6, "uncertain", **late),
        verdict(7, "ok", station=CAM2, sampled=True, queued=True),
        verdict(8, "damaged", outcome="error", queued=False),
        verdict(9, "superseded", outcome="drop", queued=False, **late),
        verdict(10, "ok", received_at=NOON + timedelta(days=2)),
    )
    outcomes, judged = tally.counts([CAM1, CAM2], DAY)
    assert sorted(outcomes, key=repr) == sorted(
        [
            OutcomeCount(CAM1, 0, "ok", 5),
            OutcomeCount(CAM1, 0, "ng", 1),
            OutcomeCount(CAM1, 0, "error", 1),
            OutcomeCount(CAM1, 1, "uncertain", 1),
            OutcomeCount(CAM1, 1, "drop", 1),
            OutcomeCount(CAM2, 0, "ok", 1),
        ],
        key=repr,
    )
    assert sorted(judged, key=repr) == sorted(
        [
            ReviewCount(CAM1, 0, "ng", False, None, None, 1),
            ReviewCount(CAM1, 1, "uncertain", False, None, None, 1),
            ReviewCount(CAM2, 0, "ok", True, None, None, 1),
        ],
        key=repr,
    )
    assert tally.counts([CAM2], DAY)[0] == [OutcomeCount(CAM2, 0, "ok", 1)]


def test_counts_are_of_one_moment(url: str, database: Engine, tally: Tally) -> None:
    filled(database, verdict(1), verdict(2, station=CAM2))
    with open_database(url) as elsewhere:
        new = verdict(3), verdict(4, station=CAM2)
        after_first_read(database, lambda: filled(elsewhere, *new))
        outcomes, judged = tally.counts([CAM1, CAM2], DAY)
    assert [one.frames for one in outcomes] == [one.frames for one in judged] == [1, 1]


def test_a_frame_is_in_the_shift_that_begins_at_its_moment(database: Engine, tally: Tally) -> None:
    filled(database, verdict(1, "ok", received_at=DAY[1].begin))
    assert tally.counts([CAM1], DAY)[0] == [OutcomeCount(CAM1, 1, "ok", 1)]


def test_known_dispositions_give_known_figures(database: Engine, tally: Tally) -> None:
    ids = filled(
        database,
        *(verdict(n, "ng") for n in range(8)),
        *(verdict(n, "ok", sampled=True, queued=True) for n in range(8, 12)),
        *(verdict(n, "ok") for n in range(12, 100)),
    )
    said = Reviews(database)
    for frame in ids[:3]:
        said.dispose(frame, to="defect", defect_type="scratch", reviewer="ann", version=0)
    said.dispose(ids[3], to="defect", defect_type="dent", reviewer="ann", version=0)
    for frame in (*ids[4:6], *ids[8:11]):
        said.dispose(frame, to="false_alarm", reviewer="ann", version=0)
    said.dispose(ids[11], to="defect", reviewer="bob", version=0)
    said.escape(ids[50], reviewer="bob", version=0)
    found = figures(*tally.counts(tally.stations(), DAY), DAY)
    assert [(bar.name, bar.frames) for bar in found.pareto] == [("scratch", 3), ("no type given", 2), ("dent", 1)]
    assert (found.false_rejects.found, found.false_rejects.waiting) == (2, 2)
    assert found.false_rejects.rate.of == 100 - 6 - 2
    assert (found.escapes.passed.count, found.escapes.passed.of, found.escapes.reported) == (1, 4, 1)
    assert (found.asked, found.waiting) == (13, 2)


def test_stations_are_those_of_the_ledger(database: Engine, tally: Tally) -> None:
    assert tally.stations() == []
    filled(database, verdict(1, station=CAM2), verdict(2), verdict(3, "ok"))
    assert tally.stations() == [CAM1, CAM2]


def test_how_long_frames_waited(database: Engine, tally: Tally) -> None:
    now = datetime.now(UTC)
    moment = now - timedelta(hours=2)
    ids = filled(
        database, *(verdict(n, received_at=moment, decided_at=now - timedelta(seconds=90 * n)) for n in range(1, 4))
    )
    for frame in ids[:2]:
        Reviews(database).dispose(frame, to="unsure", reviewer="ann", version=0)
    took_s = (datetime.now(UTC) - now).total_seconds()
    today = spans(now - timedelta(days=1), now + timedelta(hours=1), EIGHT, UTC)
    one, two = sorted(tally.delays([CAM1], today))
    assert 90 <= one <= 90 + took_s
    assert 180 <= two <= 180 + took_s
    assert tally.delays([CAM2], today) == []
    assert tally.delays([CAM1], today[:1]) == []
    assert tally.delays([CAM1], []) == []


def test_two_opinions_on_one_frame(database: Engine, tally: Tally) -> None:
    ids = filled(database, *(verdict(n) for n in range(4)))
    said = Reviews(database)
    said.dispose(ids[0], to="defect", reviewer="ann", version=0)
    said.dispose(ids[0], to="defect", reviewer="bob", version=1)
    said.dispose(ids[1], to="defect", reviewer="ann", version=0)
    said.dispose(ids[1], to="false_alarm", reviewer="bob", version=1)
    said.dispose(ids[2], to="defect", reviewer="ann", version=0)
    said.dispose(ids[2], to="unsure", reviewer="ann", version=1)
    noon, later = (Span("x", NOON.date(), NOON + timedelta(hours=h), NOON + timedelta(hours=h + 1)) for h in (0, 1))
    opinions = tally.opinions([CAM1], [noon])
    assert {one.frame for one in opinions} == set(ids[:2])
    assert agreement(opinions).table == {("defect", "defect"): 1, ("defect", "false_alarm"): 1}
    assert tally.opinions([CAM1], [later]) == tally.opinions([CAM2], [noon]) == tally.opinions([CAM1], []) == []


def swept(database: Engine, folder: Path, now: datetime, **policy: Any) -> int:
    """Has retention remove what is past its time, or above its bound; returns how many records it removed."""
    keep = {"records": 90, "unreviewed": 180, "reviewed": 365, "defects": None, "max_bytes": 10**9} | policy
    retention = Retention(database, Archive(folder / "frames"), Policy(**({"max_records": 10**6} | keep)))
    return sum(freed.records for freed in retention.sweep(now))


def test_where_ok_frames_are_removed_rates_begin_after_them_and_say_so(
    database: Engine, tally: Tally, tmp_path: Path
) -> None:
    """One false reject in a hundred: those decided stay, the ok frames of the same time do not."""
    ids = filled(database, *(verdict(n, "ng" if n % 100 == 0 else "ok") for n in range(1000)))
    for frame in ids[::100]:
        Reviews(database).dispose(frame, to="false_alarm", reviewer="ann", version=0)

    def found() -> Figures:
        return figures(*tally.counts([CAM1], DAY), DAY, tally.removed([CAM1]))

    before = found()
    assert (before.false_rejects.rate.value, before.complete_since) == (0.01, None)
    assert swept(database, tmp_path, NOON + timedelta(days=1), max_records=550) == 450
    after = found()
    assert after.complete_since == DAY[2].begin
    assert after.outcomes["ok"] + after.outcomes["ng"] == 550
    assert (after.false_rejects.rate.count, after.false_rejects.rate.of) == (4, 400)
    scores = RecordedScores(database).of(CAM1, "bank1", since=NOON - timedelta(days=1), most=10_000)
    assert scores.begin == NOON + timedelta(minutes=455), "455 frames came before: 450 ok that are gone, 5 flagged"
    assert (len(scores.ok), len(scores.false_alarm)) == (540, 5)


def test_where_no_verdict_was_removed_rates_are_of_all(database: Engine, tally: Tally, tmp_path: Path) -> None:
    """Nor where all frames are flagged, so that there never was an ok one."""
    dropped = verdict(0, "superseded", outcome="drop", queued=False, document=None, topic=None)
    filled(database, dropped, *(verdict(n) for n in range(1, 5)), verdict(5, "ok", station=CAM2))
    assert swept(database, tmp_path, NOON + timedelta(days=1), max_records=5) == 1
    assert tally.removed([CAM1, CAM2]) is None
    assert swept(database, tmp_path, NOON + timedelta(days=100)) == 1
    assert (tally.removed([CAM1]), tally.removed([CAM2])) == (None, NOON + timedelta(minutes=5))
    assert tally.removed([CAM1, CAM2]) == NOON + timedelta(minutes=5)
    assert tally.removed([]) is None


def test_decided_frames_that_are_removed_before_the_ok_ones_end_the_rates_too(
    database: Engine, tally: Tally, tmp_path: Path
) -> None:
    first, _ = filled(database, verdict(1), verdict(2, "ok"))
    Reviews(database).dispose(first, to="false_alarm", reviewer="ann", version=0)
    assert swept(database, tmp_path, datetime.now(UTC) + timedelta(days=2), reviewed=1, records=10**4) == 1
    assert tally.removed([CAM1]) == NOON + timedelta(minutes=1)


def test_what_a_clock_that_was_ahead_left_voids_no_rates(database: Engine, tally: Tally, tmp_path: Path) -> None:
    later = NOON + timedelta(days=3650)
    filled(database, verdict(1, "ok"), verdict(2, "ok", received_at=later), *(verdict(n, "ok") for n in range(3, 6)))
    assert swept(database, tmp_path, NOON + timedelta(days=1), max_records=3) == 2
    assert tally.removed([CAM1]) == NOON + timedelta(minutes=1)


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_a_station_that_no_database_can_hold_has_no_frames(name: str, tally: Tally) -> None:
    assert tally.counts([name], DAY) == ([], [])
    assert tally.removed([name]) is None
    assert tally.delays([name], DAY) == tally.opinions([name], DAY) == tally.opinions([], DAY) == []


def planned(database: Engine, ask: Callable[[], object]) -> list[str]:
    """How SQLite reads the frames for what is asked: a step of its plans each."""
    asked: list[tuple[str, Any]] = []

    def hear(_c: object, _cur: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    event.listen(database, "before_cursor_execute", hear)
    ask()
    event.remove(database, "before_cursor_execute", hear)
    statements = [one for one in asked if "FROM frames" in one[0]]
    with database.connect() as connection:
        plans = [connection.exec_driver_sql("EXPLAIN QUERY PLAN " + one, with_) for one, with_ in statements]
        return [row[3] for plan in plans for row in plan if "frames" in row[3]]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_counting_reads_indexes_alone(database: Engine, tally: Tally) -> None:
    Ledger(database).commit([verdict(n, "ok" if n % 9 else "ng") for n in range(300)])
    for ask in (
        lambda: tally.counts([CAM1], DAY[:1]),
        lambda: RecordedScores(database).of(CAM1, "bank1", since=NOON, most=50),
    ):
        steps = planned(database, ask)
        assert steps
        assert all("COVERING INDEX ix_frames_" in step for step in steps), steps


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_of_one_shift_only_the_asked_time_is_read(database: Engine, tally: Tally) -> None:
    Ledger(database).commit([verdict(n, "ok" if n % 9 else "ng") for n in range(300)])
    nights = spans(NOON - timedelta(days=7), NOON, EIGHT, UTC, only="night")
    for ask in (
        lambda: tally.delays([CAM1, CAM2], nights),
        lambda: tally.opinions([CAM1, CAM2], nights),
        lambda: Checks(database).of([CAM1, CAM2], nights, most=10, look=10),
    ):
        steps = planned(database, ask)
        assert steps
        assert all("received_at>? AND received_at<?" in step for step in steps), steps


def test_only_words_that_a_station_had_are_counted_in_each_shift(database: Engine, tally: Tally) -> None:
    filled(database, verdict(1, "ok"), verdict(2, "damaged", outcome="error", queued=False))
    asked: list[set[Any]] = []

    def hear(_c: object, _cur: object, statement: str, values: Any, *_: object) -> None:
        if statement.startswith("WITH"):
            asked.append(set(values.values() if isinstance(values, dict) else values))

    event.listen(database, "before_cursor_execute", hear)
    assert tally.counts(["none"], DAY) == ([], [])
    assert not asked
    tally.counts(["none", CAM1], DAY)
    (values,) = asked
    assert values & {word for _, word in WORDS} == {"ok", "damaged"}
    assert "none" not in values


@pytest.mark.parametrize("only", [None, "night"])
def test_all_stations_and_shifts_are_counted_by_a_few_statements(
    database: Engine, tally: Tally, only: str | None
) -> None:
    """As many as for one shift, and the counts are those of the frames one by one."""
    words = ("ok", "ok", "ng", "uncertain", "ok")
    entries = [
        verdict(n, words[n % 5], station=(CAM1, CAM2)[n % 2], received_at=NOON + timedelta(minutes=47 * n))
        for n in range(300)
    ]
    ids = filled(database, *entries)
    Reviews(database).dispose(ids[2], to="defect", defect_type="dent", reviewer="ann", version=0)
    asked: list[str] = []
    event.listen(database, "before_cursor_execute", lambda _c, _cur, statement, *_: asked.append(statement))
    shifts = spans(NOON - timedelta(days=1), NOON + timedelta(days=30 if only else 9), EIGHT, UTC, only=only)
    outcomes, reviewed = tally.counts([CAM1, CAM2], shifts)
    assert len(shifts) >= 30
    assert sum("FROM frames" in statement for statement in asked) == 4

    def number(entry: Entry) -> int | None:
        return next((n for n, one in enumerate(shifts) if one.begin <= entry.received_at < one.end), None)

    inside = [entry for entry in entries if number(entry) is not None]
    assert 0 < len(inside) <= 300
    assert {(one.station, one.span, one.word): one.frames for one in outcomes} == Counter(
        (entry.station, number(entry), entry.word) for entry in inside
    )
    said: Counter[Any] = Counter()
    for one in reviewed:
        said[one.station, one.span, one.word] += one.frames
    assert said == Counter((entry.station, number(entry), entry.word) for entry in inside if entry.queued)
    assert [one.defect_type for one in reviewed if one.disposition] == ["dent"] * (number(entries[2]) is not None)


def test_a_span_cut_off_counts_what_is_inside(database: Engine, tally: Tally) -> None:
    filled(database, *(verdict(n, "ok") for n in range(10)))
    cut = Span("late", NOON.date(), NOON + timedelta(minutes=2), NOON + timedelta(minutes=5), 0.1)
    assert tally.counts([CAM1], [cut])[0] == [OutcomeCount(CAM1, 0, "ok", 3)]
