"""The queue on a real SQLite and a real PostgreSQL: order, pages, filters, counts."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from reviewing import CAM1, CAM2, NOON, after_first_read, filled, verdict
from sqlalchemy import Engine, delete, event

from inspector.errors import UsageError
from inspector.review.shifts import spans
from inspector.store import Cursor, FrameRow, QueueFilter, ReviewQueue, Reviews, ShiftHours, open_database
from inspector.store.tables import frames


def plans(database: Engine, *filters: QueueFilter) -> list[str]:
    """How SQLite comes to what each of these filters counts, and to what is open."""
    asked: list[tuple[str, tuple[object, ...]]] = []
    listener = lambda *said: asked.append((said[2], said[3]))  # noqa: E731
    event.listen(database, "before_cursor_execute", listener)
    for one in filters:
        ReviewQueue(database).counts(one)
    event.remove(database, "before_cursor_execute", listener)
    with database.connect() as connection:
        return [
            line
            for statement, given in asked
            if "count(*)" in statement
            for *_, line in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, given)
            if " frames " in line
        ]


@pytest.fixture
def queue(database: Engine) -> ReviewQueue:
    return ReviewQueue(database)


def names(rows: tuple[FrameRow, ...] | list[FrameRow]) -> list[str]:
    return [row.frame_id for row in rows]


@pytest.mark.parametrize("order", ["worst", "newest"])
def test_pages_show_each_frame_once_in_both_directions(order: str, database: Engine, queue: ReviewQueue) -> None:
    # Every score and every time comes three times.
    filled(
        database,
        *(verdict(i, score=10.0 + i // 3, received_at=NOON + timedelta(seconds=i // 3)) for i in range(25)),
        verdict(90, "ok"),
    )
    filters = QueueFilter(order=order)  # type: ignore[arg-type]
    page = queue.page(filters, limit=10)
    pages = [page]
    while page.next is not None:
        page = queue.page(filters, Cursor.decode(page.next.encode()), limit=10)
        pages.append(page)
    assert [len(one.rows) for one in pages] == [10, 10, 5]
    assert names([row for one in pages for row in one.rows]) == [f"f{i}" for i in reversed(range(25))]
    assert pages[0].previous is None
    back = queue.page(filters, before=pages[2].previous, limit=10)
    assert back.rows == pages[1].rows
    assert back.previous is not None
    first = queue.page(filters, before=back.previous, limit=10)
    assert first.rows == pages[0].rows
    assert first.previous is None
    assert first.next == pages[0].next


def test_worst_first_compares_banks_by_their_thresholds(database: Engine, queue: ReviewQueue) -> None:
    filled(database, verdict(1, score=20.0, score_ratio=1.1), verdict(2, score=2.0, score_ratio=1.9, station=CAM2))
    assert names(queue.page(QueueFilter()).rows) == ["f2", "f1"]


def test_every_filter_filters(database: Engine, queue: ReviewQueue) -> None:
    ids = filled(
        database,
        verdict(1),
        verdict(2, "uncertain", score=9.0, lot="lot2", part_id="p'; DROP TABLE frames; --"),
        verdict(3, station=CAM2, bank_id="bank2", bank_digest="c" * 64),
        verdict(4, "ok", sampled=True, queued=True, score=1.0, score_ratio=0.1),
        verdict(5),
        verdict(6),
    )
    reviews = Reviews(database)
    reviews.dispose(ids[4], to="defect", defect_type="dent", reviewer="ann", version=0)
    reviews.dispose(ids[5], to="false_alarm", reviewer="bob", version=0)
    for filters, expected in (
        (QueueFilter(), {1, 2, 3, 4}),
        (QueueFilter(state="done"), {5, 6}),
        (QueueFilter(state="all"), {1, 2, 3, 4, 5, 6}),
        (QueueFilter(station=CAM2), {3}),
        (QueueFilter(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4)), {2, 3}),
        (QueueFilter(lot="lot2"), {2}),
        (QueueFilter(part="p'; DROP TABLE frames; --"), {2}),
        (QueueFilter(score_min=9.0, score_max=11.0), {1, 2}),
        (QueueFilter(decision="uncertain"), {2}),
        (QueueFilter(decision="ok"), {4}),
        (QueueFilter(state="done", disposition="defect"), {5}),
        (QueueFilter(state="all", defect_type="dent"), {5}),
        (QueueFilter(state="done", reviewer="bob"), {6}),
        (QueueFilter(bank="bank2"), {3}),
        (QueueFilter(bank="c" * 64), {3}),
        (QueueFilter(lot="lot1", station=CAM1, decision="ng"), {1}),
        (QueueFilter(station="nowhere"), set()),
    ):
        for order in ("worst", "newest"):
            ordered = QueueFilter(**{**{s: getattr(filters, s) for s in filters.__slots__}, "order": order})
            assert {int(name[1:]) for name in names(queue.page(ordered).rows)} == expected, ordered
        assert queue.counts(filters).matching == len(expected)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_what_waits_is_counted_without_what_was_decided(database: Engine) -> None:
    """Years of decisions would make each look at an empty queue slow."""
    filled(database, verdict(1), verdict(2, lot="L1"), verdict(3, "ok"))
    some = QueueFilter(), QueueFilter(station=CAM1), QueueFilter(station=CAM1, decision="ng"), QueueFilter(lot="L1")
    found = plans(database, *some)
    assert len(found) == 2 * len(some)
    assert all("SEARCH frames USING" in line and "INDEX ix_frames_open" in line for line in found), found
    assert all("ix_frames_part " in line or "ix_frames_open" in line for line in plans(database, QueueFilter(part="p")))


def test_counts_are_of_what_waits(database: Engine, queue: ReviewQueue) -> None:
    ids = filled(database, *(verdict(i) for i in range(4)), verdict(9, station=CAM2), verdict(10, "ok"))
    before = queue.pulse()
    Reviews(database).dispose(ids[0], to="unsure", reviewer="ann", version=0)
    assert queue.pulse() != before
    assert queue.open_counts() == {CAM1: 3, CAM2: 1}
    counts = queue.counts(QueueFilter(station=CAM1, state="all"))
    assert (counts.matching, counts.open, counts.capped) == (4, {CAM1: 3, CAM2: 1}, False)
    now = queue.pulse()
    filled(database, verdict(11, "ok"))
    assert queue.pulse() == now
    filled(database, verdict(12))
    assert queue.pulse() != now


@pytest.mark.parametrize("done", [False, True])
def test_a_frame_that_is_decided_or_taken_back_while_the_queue_is_read_is_there_once(
    done: bool, url: str, database: Engine, queue: ReviewQueue
) -> None:
    _, frame, *_ = filled(database, *(verdict(i) for i in range(4)))
    reviews, filters = Reviews(database), QueueFilter(state="all")
    if done:
        reviews.dispose(frame, to="defect", reviewer="ann", version=0)
    with open_database(url) as elsewhere:
        others = Reviews(elsewhere)

        def decide() -> None:
            if done:
                others.undo(frame, reviewer="ann", version=1)
            else:
                others.dispose(frame, to="defect", reviewer="ann", version=0)

        after_first_read(database, decide)
        assert names(list(queue.walk(filters))) == ["f3", "f2", "f1", "f0"]
        changed = queue.frame(frame)
    assert changed is not None
    assert changed.disposition == (None if done else "defect")
    with database.connect() as connection:
        assert connection.get_isolation_level() == connection.default_isolation_level


def test_counts_are_of_one_moment(url: str, database: Engine, queue: ReviewQueue) -> None:
    filled(database, *(verdict(i) for i in range(4)))
    with open_database(url) as elsewhere:
        after_first_read(database, lambda: filled(elsewhere, verdict(5)))
        counts = queue.counts(QueueFilter())
    assert (counts.matching, counts.open) == (4, {CAM1: 4})


def test_a_frame_that_retention_takes_while_a_page_is_read_is_on_it(
    url: str, database: Engine, queue: ReviewQueue
) -> None:
    filled(database, *(verdict(i) for i in range(4)))

    def take() -> None:
        with elsewhere.begin() as connection:
            connection.execute(delete(frames).where(frames.c.frame_id == "f1"))

    with open_database(url) as elsewhere:
        after_first_read(database, take)
        assert [names(queue.page(QueueFilter()).rows) for _ in range(2)] == [
            ["f3", "f2", "f1", "f0"],
            ["f3", "f2", "f0"],
        ]


def test_an_empty_queue(queue: ReviewQueue) -> None:
    page = queue.page(QueueFilter())
    assert (page.rows, page.next, page.previous) == ((), None, None)
    assert queue.counts(QueueFilter()).matching == 0
    assert queue.pulse() == (0, 0)
    assert queue.frame(1) is None


def test_neighbours_of_a_frame_that_has_left_the_queue(database: Engine, queue: ReviewQueue) -> None:
    ids = filled(database, *(verdict(i) for i in range(3)))
    row = Reviews(database).dispose(ids[1], to="defect", reviewer="ann", version=0)
    before, after = queue.neighbours(row, QueueFilter())
    assert (before and before.frame_id, after and after.frame_id) == ("f2", "f0")
    last = queue.frame(ids[0])
    assert last is not None
    assert queue.neighbours(last, QueueFilter())[1] is None


def test_errors_and_drops_are_nothing_to_review(database: Engine, queue: ReviewQueue) -> None:
    (error,) = filled(database, verdict(1, "damaged", outcome="error", queued=False))
    assert queue.frame(error) is None
    assert queue.of_part("part1", limit=9) == []


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_no_database_can_hold_is_not_found(text: str, database: Engine, queue: ReviewQueue) -> None:
    filled(database, verdict(1))
    for name in ("station", "lot", "part", "decision", "disposition", "defect_type", "reviewer", "bank"):
        filters = QueueFilter(**{name: text})
        assert queue.page(filters).rows == ()
        assert queue.counts(filters).matching == 0
    assert queue.of_part(text, limit=9) == []


@pytest.mark.parametrize("end", ["05:00", "05:30", "06:00", "14:00"])
@pytest.mark.parametrize("day", [datetime(2026, 10, 24), datetime(2026, 3, 28)])
def test_a_long_shift_has_the_same_frames_as_the_figures(
    day: datetime, end: str, database: Engine, queue: ReviewQueue
) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    since, until = (at.replace(tzinfo=berlin) for at in (day, day + timedelta(days=3)))
    at = [since.astimezone(UTC) + timedelta(minutes=30 * n) for n in range(144)]
    filled(database, *(verdict(n, received_at=when) for n, when in enumerate(at)))
    shifts = {"long": "06:00"} | ({"rest": end} if end != "06:00" else {})
    within = spans(since, until, shifts, berlin, only="long")
    expected = sum(any(span.begin <= when < span.end for span in within) for when in at)
    shift = ShiftHours(time(6), time.fromisoformat(end), berlin)
    assert queue.counts(QueueFilter(since=since, until=until, shift=shift)).matching == expected


@pytest.mark.parametrize("since", [datetime(1970, 1, 2, tzinfo=UTC), datetime(8000, 1, 1, tzinfo=UTC)])
def test_a_shift_of_all_years_is_asked_for_as_any_other(since: datetime, database: Engine, queue: ReviewQueue) -> None:
    filled(database, verdict(1))
    early = ShiftHours(time(6), time(14), ZoneInfo("Europe/Berlin"))
    filters = QueueFilter(shift=early, since=since, until=datetime(8999, 12, 31, tzinfo=UTC))
    assert queue.counts(filters).matching == (1 if since < NOON else 0)


def test_a_shift_is_its_hours_in_the_zone_of_the_plant(database: Engine, queue: ReviewQueue) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    night = ShiftHours(time(22), time(6), berlin)
    early = ShiftHours(time(6), time(14), berlin)
    at = [datetime(2026, 3, 28, 22, 30, tzinfo=berlin) + timedelta(hours=h) for h in (0, 4, 9, 17)]
    filled(database, *(verdict(i, received_at=when.astimezone(UTC)) for i, when in enumerate(at)))
    since = datetime(2026, 3, 28, tzinfo=berlin)
    until = datetime(2026, 3, 30, tzinfo=berlin)
    assert names(queue.page(QueueFilter(shift=night, since=since, until=until, order="newest")).rows) == ["f1", "f0"]
    assert names(queue.page(QueueFilter(shift=early, since=since, until=until)).rows) == ["f2"]
    # The clocks change in that night, so that the shift ends at four in UTC instead of five.
    filled(database, verdict(8, received_at=datetime(2026, 3, 29, 5, 30, tzinfo=berlin)))
    filled(database, verdict(9, received_at=datetime(2026, 3, 29, 6, 0, tzinfo=berlin)))
    filters = QueueFilter(shift=night, since=since, until=until, order="newest")
    assert names(queue.page(filters).rows) == ["f8", "f1", "f0"]
    assert queue.counts(filters).matching == 3


@pytest.mark.parametrize(
    "text", ["", "worst", "worst_x_1", "best_1.0_1", "worst_nan_1", "worst_1.0_-1", "newest_1e99_1"]
)
def test_a_cursor_from_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="expected one that a page gave"):
        Cursor.decode(text)


def test_a_cursor_of_another_order_is_refused(queue: ReviewQueue) -> None:
    with pytest.raises(UsageError, match="got one of the order newest, expected worst"):
        queue.page(QueueFilter(), Cursor("newest", NOON, 1))


def test_what_stands_of_several_frames_is_told_at_once(database: Engine, queue: ReviewQueue) -> None:
    ids = filled(database, verdict(1), verdict(2), verdict(3))
    reviews = Reviews(database)
    for frame in ids[1:]:
        reviews.dispose(frame, to="defect", reviewer="ann", version=0)
    reviews.undo(ids[2], reviewer="ann", version=1)
    assert queue.standing([*ids, 999_999, 0, 2**70]) == {ids[0]: (0, None), ids[1]: (1, "ann"), ids[2]: (2, None)}
