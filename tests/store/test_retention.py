"""Retention on a real SQLite, a real PostgreSQL and a real folder: what goes, and what never does."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reviewing import CAM1, NOON, filled, verdict
from sqlalchemy import Engine, event, func, select, update

from inspector.errors import StoreError
from inspector.store import Archive, Entry, Ledger, Policy, Retention, Reviews, Tally
from inspector.store.tables import frames
from inspector.store.tables import reviews as audit

POLICY = Policy(records=10, unreviewed=20, reviewed=30, defects=None, max_bytes=10**9, max_records=10**6)


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "frames")


def pictured(archive: Archive, entry: Entry, data: bytes = b"picture") -> Entry:
    archive.keep(entry.sha256, data, "png")
    return replace(entry, image="png")


def left(database: Engine) -> list[str]:
    with database.connect() as connection:
        return list(connection.execute(select(frames.c.frame_id).order_by(frames.c.id)).scalars())


def pictures(archive: Archive) -> int:
    return sum(1 for _ in archive.path("0" * 64, "png").parent.parent.glob("*/*"))


def run(retention: Retention, now: datetime) -> tuple[int, int]:
    for _ in retention.relieve():
        pass
    freed = list(retention.tidy()) + list(retention.sweep(now))
    return sum(one.records for one in freed), sum(one.pictures for one in freed)


def reviewed(database: Engine, at: datetime) -> None:
    """Whatever is decided was decided then."""
    with database.begin() as connection:
        connection.execute(update(frames).where(frames.c.disposition.is_not(None)).values(reviewed_at=at))


def test_each_kind_has_its_time(database: Engine, archive: Archive) -> None:
    ids = filled(
        database,
        verdict(0, "ok"),
        verdict(1, "damaged", outcome="error", queued=False),
        verdict(2, "superseded", outcome="drop", queued=False, document=None, topic=None),
        *(pictured(archive, verdict(number)) for number in (3, 4, 5, 6)),
        pictured(archive, verdict(7, "ok", sampled=True, queued=True, score_ratio=0.1)),
        verdict(8, "ok"),
    )
    reviews = Reviews(database)
    reviews.dispose(ids[4], to="false_alarm", reviewer="ann", version=0)
    reviews.dispose(ids[5], to="defect", reviewer="ann", version=0)
    reviews.dispose(ids[6], to="unsure", reviewer="ann", version=0)
    reviews.escape(ids[8], reviewer="ann", version=0)
    reviewed(database, NOON)
    retention = Retention(database, archive, POLICY)

    def after(days: float) -> list[str]:
        run(retention, NOON + timedelta(days=days, hours=1))
        return left(database)

    assert after(9) == [f"f{i}" for i in range(9)]
    assert after(11) == ["f3", "f4", "f5", "f6", "f7", "f8"]
    assert pictures(archive) == 5
    assert after(21) == ["f4", "f5", "f6", "f8"]
    assert after(31) == ["f5", "f8"]
    assert after(10_000) == ["f5", "f8"]
    assert pictures(archive) == 1
    assert len(reviews.history(ids[4])) == 1
    retention = Retention(database, archive, replace(POLICY, defects=40))
    assert after(41) == []
    assert pictures(archive) == 0
    with database.connect() as connection:
        assert connection.execute(select(func.count()).select_from(audit)).scalar() == 4


def test_what_came_by_a_clock_years_behind_stays_from_its_decision_on(database: Engine, archive: Archive) -> None:
    long_ago = NOON - timedelta(days=9000)
    ids = filled(
        database,
        *(pictured(archive, verdict(i, received_at=long_ago, decided_at=long_ago)) for i in (1, 2, 3)),
    )
    reviews = Reviews(database)
    reviews.dispose(ids[0], to="defect", reviewer="ann", version=0)
    reviews.dispose(ids[1], to="false_alarm", reviewer="ann", version=0)
    reviewed(database, NOON)
    retention = Retention(database, archive, replace(POLICY, defects=40))
    run(retention, NOON + timedelta(days=29))
    assert left(database) == ["f1", "f2"]
    run(retention, NOON + timedelta(days=31))
    assert left(database) == ["f1"]
    run(retention, NOON + timedelta(days=41))
    assert left(database) == []


def test_what_is_decided_while_it_is_swept_stays(database: Engine, archive: Archive) -> None:
    (frame,) = filled(database, pictured(archive, verdict(1)))
    retention = Retention(database, archive, POLICY)
    removing = retention._remove

    def decided_meanwhile(rows: object, now: datetime) -> object:
        Reviews(database).dispose(frame, to="defect", reviewer="ann", version=0)
        return removing(rows, now)  # type: ignore[arg-type]

    retention._remove = decided_meanwhile  # type: ignore[method-assign,assignment]
    assert run(retention, NOON + timedelta(days=25)) == (0, 0)
    assert left(database) == ["f1"]
    assert pictures(archive) == 1
    assert Tally(database).removed([CAM1]) is None


def test_frames_of_a_clock_that_was_ahead_keep_none_that_follow(database: Engine, archive: Archive) -> None:
    later = NOON + timedelta(days=3650)
    ahead = [verdict(number, "ok", received_at=later, decided_at=later) for number in range(1000)]
    filled(database, verdict(1000, "ok"), *ahead, *(verdict(number, "ok") for number in range(1001, 2500)))
    assert run(Retention(database, archive, POLICY), NOON + timedelta(days=15)) == (1500, 0)
    assert len(left(database)) == 1000


def test_a_picture_of_two_frames_goes_with_the_last(database: Engine, archive: Archive) -> None:
    twice = pictured(archive, verdict(1))
    filled(database, twice, replace(twice, frame_id="f2", received_at=NOON + timedelta(days=5)))
    retention = Retention(database, archive, POLICY)
    assert run(retention, NOON + timedelta(days=21)) == (1, 0)
    assert archive.read(twice.sha256, "png") == b"picture"
    assert run(retention, NOON + timedelta(days=26)) == (1, 1)


def test_above_the_bound_decided_pictures_go_oldest_first_and_no_defects(database: Engine, archive: Archive) -> None:
    ids = filled(database, *(pictured(archive, verdict(i), b"x" * 100) for i in range(40)))
    reviews = Reviews(database)
    for number, frame in enumerate(ids[:30]):
        reviews.dispose(frame, to="defect" if number % 3 == 0 else "false_alarm", reviewer="ann", version=0)
    began = datetime.now(UTC)
    retention = Retention(database, archive, replace(POLICY, max_bytes=3500))
    for _ in retention.tidy():
        pass
    assert archive.size_bytes == 4000
    freed = sum(one.pictures for one in retention.relieve())
    assert (freed, archive.size_bytes) == (20, 2000)
    with database.connect() as connection:
        rows = connection.execute(
            select(frames.c.image, frames.c.image_freed_at, frames.c.disposition).order_by(frames.c.id)
        ).all()
    assert len(rows) == 40
    assert all((row.image is None) == (row.disposition == "false_alarm") for row in rows)
    assert all((row.image is None) == (row.image_freed_at is not None) for row in rows)
    assert all(row.image_freed_at is None or began <= row.image_freed_at <= datetime.now(UTC) for row in rows)
    assert list(retention.relieve()) == []


def test_a_disk_that_is_nearly_full_is_relieved_below_the_bound_too(database: Engine, tmp_path: Path) -> None:
    """A bound above the size of the disk, or a ledger that grows: the line stops with the last byte."""
    roomy = Archive(tmp_path / "frames", max_bytes=10**9)
    ids = filled(database, *(pictured(roomy, verdict(i), b"x" * 100) for i in range(40)))
    reviews = Reviews(database)
    for number, frame in enumerate(ids[:30]):
        reviews.dispose(frame, to="defect" if number % 3 == 0 else "false_alarm", reviewer="ann", version=0)
    full = Archive(tmp_path / "frames", max_bytes=10**9, spare_bytes=10**18)
    for archive, gone in ((roomy, 0), (full, 20)):
        retention = Retention(database, archive, POLICY)
        for _ in retention.tidy():
            pass
        assert sum(one.pictures for one in retention.relieve()) == gone
    assert pictures(full) == 20


def test_the_bound_on_rows_takes_only_what_nobody_was_asked_about(database: Engine, archive: Archive) -> None:
    filled(database, *(verdict(i, "ng" if i % 10 == 0 else "ok") for i in range(1200)))
    retention = Retention(database, archive, replace(POLICY, max_records=200))
    assert run(retention, NOON + timedelta(days=1)) == (1000, 0)
    remaining = left(database)
    assert len([name for name in remaining if int(name[1:]) % 10 == 0]) == 120
    assert min(int(name[1:]) for name in remaining if int(name[1:]) % 10) == 1112


def test_a_picture_that_no_frame_speaks_of_goes_after_an_hour(database: Engine, archive: Archive) -> None:
    filled(database, pictured(archive, verdict(1)))
    for number, age_s in ((2, 0), (3, 4000), (1, 4000)):
        digest = f"{number:064x}"
        archive.keep(digest, b"picture", "png")
        os.utime(archive.path(digest, "png"), (time.time() - age_s,) * 2)
    half = archive.path(f"{4:064x}", "png").with_suffix(".png.tmp")
    half.write_bytes(b"half")
    os.utime(half, (0, 0))
    assert run(Retention(database, archive, POLICY), NOON) == (0, 1)
    assert sorted(path.name[63] for path in half.parent.iterdir()) == ["1", "2"]
    assert archive.size_bytes == 14


def test_the_pictures_of_another_ledger_stay_and_are_told(database: Engine, archive: Archive) -> None:
    """As where the settings name a new database, or pictures come back before their ledger does."""
    theirs = [verdict(number, sha256=f"{number:02x}" * 32) for number in range(250)]
    for entry in theirs:
        archive.keep(entry.sha256, b"picture", "png")
        os.utime(archive.path(entry.sha256, "png"), (0, 0))
    filled(database, verdict(1000))
    retention = Retention(database, archive, POLICY)
    with pytest.raises(StoreError, match=r"speaks of 250 pictures, most of.*nothing is removed"):
        run(retention, NOON)
    assert pictures(archive) == 250
    assert archive.size_bytes == 250 * len(b"picture")
    filled(database, *(replace(entry, image="png") for entry in theirs[:240]))
    assert run(retention, NOON) == (0, 10)


def test_the_audit_counts_from_where_it_stopped(database: Engine) -> None:
    ids = filled(database, verdict(1), verdict(2), verdict(3, "ok"))
    reviews = Reviews(database)
    reviews.dispose(ids[0], to="unsure", reviewer="ann", version=0)
    last, said = reviews.since(None)
    assert said == {}
    reviews.undo(ids[0], reviewer="ann", version=1)
    reviews.dispose_many([(ids[0], 2), (ids[1], 0)], to="false_alarm", reviewer="ann")
    reviews.escape(ids[2], reviewer="ann", version=0)
    last, said = reviews.since(last)
    assert said == {(CAM1, "undone"): 1, (CAM1, "false_alarm"): 2, (CAM1, "escape"): 1}
    assert reviews.since(last) == (last, {})


def test_attempts_at_a_frame_that_never_came_again_go_at_the_second_look(database: Engine, archive: Archive) -> None:
    ledger, retention = Ledger(database), Retention(database, archive, POLICY)
    gone, again = (CAM1, "gone", "a" * 64), (CAM1, "again", "b" * 64)
    ledger.attempt(*gone)
    ledger.attempt(*again)
    list(retention.forget_attempts())
    assert ledger.attempt(*again) == 2
    list(retention.forget_attempts())
    assert ledger.attempt(*again) == 3
    assert ledger.attempt(*gone) == 1


def test_rows_are_counted_only_where_they_may_be_too_many(database: Engine, archive: Archive) -> None:
    """To count ten million is to read an index of half a gigabyte, every hour."""
    filled(database, *(verdict(number, "ok") for number in range(30)))
    asked: list[str] = []
    event.listen(database, "before_cursor_execute", lambda _c, _cur, statement, *_: asked.append(statement))
    for most, counted in ((30, False), (29, True)):
        asked.clear()
        list(Retention(database, archive, replace(POLICY, max_records=most)).sweep(NOON))
        assert any("count(" in statement for statement in asked) is counted
    assert len(left(database)) == 29
