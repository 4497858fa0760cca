"""Keeping house beside the line, on a real ledger and a real folder."""

import math
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from reviewing import CAM1, CAM2, filled, verdict
from services import wait_until
from sqlalchemy import Engine, text

from inspector.line import housekeeper
from inspector.line.health import Health
from inspector.line.housekeeper import Housekeeper
from inspector.line.metrics import Metrics
from inspector.store import Archive, Freed, Policy, Retention, ReviewQueue, Reviews

pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

POLICY = Policy(records=10**5, unreviewed=10**5, reviewed=10**5, defects=None, max_bytes=1000, max_records=10**6)


class House:
    def __init__(self, database: Engine, folder: Path, policy: Policy = POLICY) -> None:
        self.archive = Archive(folder / "frames")
        self.metrics = Metrics([CAM1], ["queue"])
        self.health = Health()
        self.faults: list[BaseException] = []
        self.keeper = Housekeeper(
            ReviewQueue(database),
            Reviews(database),
            Retention(database, self.archive, policy),
            self.archive,
            self.metrics,
            self.health,
            stations={CAM1},
            on_fault=self.faults.append,
        )

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"inspector_{name}", labels)


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little."""
    monkeypatch.setattr(housekeeper, "_LOOK_EVERY_S", 0.05)
    monkeypatch.setattr(housekeeper, "_RELIEVE_EVERY_S", 0.2)
    monkeypatch.setattr(housekeeper, "_RETRY_S", 0.1)
    monkeypatch.setattr(housekeeper, "_WAKE_EVERY_S", 0.05)


@pytest.fixture
def house(database: Engine, tmp_path: Path, patience: None) -> Iterator[House]:
    """With little patience."""
    kept = House(database, tmp_path)
    yield kept
    assert kept.faults == []


def test_what_waits_and_what_was_said_is_counted(database: Engine, house: House) -> None:
    ids = filled(database, *(verdict(i) for i in range(5)), verdict(9, station=CAM2))
    reviews = Reviews(database)
    reviews.dispose(ids[4], to="unsure", reviewer="ann", version=0)
    with house.keeper:
        wait_until(lambda: house.metric("review_backlog", station=CAM1) == 4, "the backlog of the station")
        reviews.dispose(ids[0], to="defect", reviewer="ann", version=0)
        reviews.undo(ids[0], reviewer="ann", version=1)
        reviews.dispose(ids[5], to="defect", reviewer="ann", version=0)
        for outcome in ("undone", "defect"):
            wait_until(lambda said=outcome: house.metric("reviews_total", station=CAM1, outcome=said) == 1, outcome)  # type: ignore[misc]
        assert house.metric("reviews_total", station=CAM1, outcome="unsure") == 0
    assert house.metric("review_backlog", station=CAM2) is None


def with_ten_pictures(database: Engine, house: House) -> None:
    """Of 100 bytes each, of frames of which six are decided."""
    entries = [verdict(i, image="png") for i in range(10)]
    for entry in entries:
        house.archive.keep(entry.sha256, b"x" * 100, "png")
    ids = filled(database, *entries)
    Reviews(database).dispose_many([(frame, 0) for frame in ids[:6]], to="false_alarm", reviewer="ann")


def test_pictures_go_when_they_near_the_bound(database: Engine, house: House) -> None:
    with_ten_pictures(database, house)
    with house.keeper:
        wait_until(lambda: (house.metric("archive_bytes") or 0) > 0, "the archive is measured")
        wait_until(lambda: house.metric("retention_removed_total", kind="pictures") == 6, "what was decided is gone")
        wait_until(lambda: house.metric("archive_bytes") == 400, "it is told")


def test_pictures_make_room_also_while_a_sweep_takes_hours(
    database: Engine, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hours(_: Retention, _now: datetime) -> Iterator[Freed]:
        while True:
            yield Freed()

    monkeypatch.setattr(Retention, "sweep", hours)
    with_ten_pictures(database, house)
    with house.keeper:
        wait_until(lambda: house.metric("archive_bytes") == 400, "what was decided is gone")


def test_a_clock_that_jumps_removes_nothing_before_it_can_be_put_right(
    database: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    filled(database, verdict(1, "ok"), verdict(2, "ok", received_at=datetime.now(UTC) - timedelta(hours=2)))
    soon = replace(POLICY, records=10)
    jumped, steady = House(database, tmp_path, soon), House(database, tmp_path, soon)
    real = time.time
    with monkeypatch.context() as clock:
        clock.setattr("inspector.line.housekeeper.time.time", lambda: real() + 86_400)
        with jumped.keeper:
            wait_until(lambda: "clock jumped" in caplog.text, "the jump is told")
    assert jumped.metric("retention_removed_total", kind="records") == 0
    with steady.keeper:
        wait_until(lambda: steady.metric("retention_removed_total", kind="records") == 1, "by a steady clock it goes")


def test_a_clock_that_jumps_is_a_warning_until_it_is_put_right(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Told at once, in the one place where people look: the next sweep may be an hour away."""
    (sweep,) = [task for task in house.keeper._tasks if task.steps == house.keeper._sweep]
    real = time.time

    def over() -> bool:
        """Under way it is due at no time."""
        return time.monotonic() < sweep.due < math.inf

    with monkeypatch.context() as clock, house.keeper:
        wait_until(over, "the first sweep is over")
        assert "clock" not in house.health.warnings()
        clock.setattr("inspector.line.housekeeper.time.time", lambda: real() + 86_400)
        wait_until(lambda: "forward by 86400 s" in house.health.warnings().get("clock", ""), "it is told")
        sweep.due = time.monotonic()
        wait_until(lambda: "clock jumped" in caplog.text, "the sweep passes over it")
        wait_until(over, "that sweep is over")
        time.sleep(0.3)
        assert "forward by 86400 s" in house.health.warnings()["clock"]
        sweep.due = time.monotonic()
        wait_until(lambda: "clock" not in house.health.warnings(), "an hour later the time counts as right")
        clock.setattr("inspector.line.housekeeper.time.time", real)
        wait_until(lambda: "back by 86400 s" in house.health.warnings().get("clock", ""), "so does the way back")


def test_a_start_long_after_the_last_frame_removes_nothing_before_the_clock_can_be_put_right(
    database: Engine, tmp_path: Path, patience: None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever came since the clock is wrong: a second start is no sign that it was put right."""
    minutes_ago = datetime.now(UTC) - timedelta(minutes=5)
    filled(
        database,
        verdict(1, "ok"),
        verdict(2, "ok", received_at=datetime.now(UTC) - timedelta(days=2)),
        verdict(3, "ok", received_at=minutes_ago),
    )
    caplog.set_level("INFO")
    house = House(database, tmp_path, replace(POLICY, records=1))
    with house.keeper:
        wait_until(lambda: "no frame for long" in caplog.text, "the grace is told")
        (sweep,) = [task for task in house.keeper._tasks if task.steps == house.keeper._sweep]
        assert sweep.due > time.monotonic() + 300
        time.sleep(0.5)
    assert house.metric("retention_removed_total", kind="records") == 0


def test_a_database_that_went_away_is_a_warning_until_it_is_back(database: Engine, house: House) -> None:
    with ExitStack() as opened:
        opened.enter_context(house.keeper)
        wait_until(lambda: house.metric("review_backlog", station=CAM1) == 0, "it runs")
        with database.begin() as connection:
            connection.execute(text("ALTER TABLE frames RENAME TO elsewhere"))
        wait_until(lambda: "retention" in house.health.warnings(), "the warning")
        assert house.health.ready
        with database.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO frames"))
        wait_until(lambda: house.health.warnings() == {}, "all is well")


def test_a_folder_that_cannot_be_read_keeps_nothing_else_from_its_time(
    database: Engine, tmp_path: Path, patience: None
) -> None:
    house = House(database, tmp_path, replace(POLICY, records=10))
    orphan = "ff" * 32
    house.archive.keep(orphan, b"picture", "png")
    os.utime(house.archive.path(orphan, "png"), (0, 0))
    bad = tmp_path / "frames" / "00"
    bad.symlink_to("x" * 300)
    filled(database, verdict(1, "ok"))
    with house.keeper:
        wait_until(lambda: not house.archive.holds(orphan, "png"), "what no frame speaks of is gone")
        wait_until(lambda: house.metric("retention_removed_total", kind="records") == 1, "the old frame is gone")
        wait_until(lambda: "00: File name too long" in house.health.warnings().get("retention", ""), "the warning")
        bad.unlink()
        wait_until(lambda: house.health.warnings() == {}, "all is well")
    assert house.faults == []
