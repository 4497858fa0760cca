"""Check parts are no production: whatever asks, counts, tries or shows what the line made leaves them out."""

import json
from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from line import CAM1 as STATION
from reviewing import CAM1, NOON, check, filled, verdict
from sqlalchemy import Engine, func, select

from inspector.line.delivery import Delivery
from inspector.line.drift_watch import DriftWatch
from inspector.line.outcome import Outcome, Post
from inspector.mqtt.arrival import Arrival
from inspector.pipeline import Pipeline
from inspector.review.shifts import spans
from inspector.store import (
    Archive,
    Cases,
    Newest,
    Policy,
    QueueFilter,
    RecordedScores,
    Retention,
    ReviewQueue,
    Reviews,
    Tally,
    UnknownFrameError,
)
from inspector.store.tables import frames
from inspector.types import BankRef

DAY = spans(NOON - timedelta(hours=6), NOON + timedelta(hours=18), {"early": "06:00", "late": "18:00"}, UTC)


@pytest.fixture
def checked(database: Engine) -> list[int]:
    """The ids of a frame of production and of two check parts, which came later: with a picture, so that none is left
    out for the want of one alone.
    """
    parts = check(2, "ok", "ok", image="png"), check(3, "ng", "ng", image="png")
    return filled(database, verdict(1, "ok", image="png"), *parts)


def test_no_operator_is_asked(database: Engine, checked: list[int]) -> None:
    queue, reviews = ReviewQueue(database), Reviews(database)
    assert queue.page(QueueFilter(state="all")).rows == ()
    assert queue.open_counts() == {}
    for frame in checked[1:]:
        with pytest.raises(UnknownFrameError):
            reviews.dispose(frame, to="defect", reviewer="ann", version=0)
        with pytest.raises(UnknownFrameError):
            reviews.escape(frame, reviewer="ann", version=0)
        assert queue.frame(frame) is None


def test_no_figure_counts_them(database: Engine, checked: list[int]) -> None:
    assert checked
    outcomes, reviewed = Tally(database).counts([CAM1], DAY)
    assert [(one.word, one.frames) for one in outcomes] == [("ok", 1)]
    assert reviewed == []


def test_no_threshold_is_tried_on_them(database: Engine, checked: list[int]) -> None:
    assert checked
    found = RecordedScores(database).of(CAM1, "bank1", since=NOON, most=100)
    assert found.ok.tolist() == [11.0]
    assert [len(part) for part in (found.false_alarm, found.waiting, found.defect)] == [0, 0, 0]


def test_no_bank_is_tried_on_them(database: Engine, checked: list[int]) -> None:
    cases = Cases(database)
    assert [row.id for row in cases.recent(CAM1, limit=10)] == checked[:1]
    last = cases.last(CAM1)
    assert last is not None
    assert last.id == checked[0]


def test_the_newest_frames_of_the_line_are_of_production(database: Engine, checked: list[int]) -> None:
    assert checked
    newest = Newest(database)
    assert [one.word for one in newest.outcomes([CAM1])[CAM1]] == ["ok"]
    assert newest.flagged([CAM1]) == {}


def test_they_stay_as_long_as_records_that_nobody_was_asked_about(database: Engine, tmp_path: Path) -> None:
    filled(database, check(1, "ok", "ok"), check(2, "ng", "ng"), verdict(3, "ng"))
    policy = Policy(records=10, unreviewed=20, reviewed=30, defects=None, max_bytes=10**9, max_records=10**6)
    retention = Retention(database, Archive(tmp_path / "frames"), policy)

    def left(days: float) -> int:
        list(retention.sweep(NOON + timedelta(days=days)))
        with database.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(frames)).scalar_one())

    assert [left(9), left(11), left(21)] == [3, 1, 0]


def test_no_drift_chart_takes_them(bank: Path) -> None:
    pipeline = Pipeline.open(bank)
    opened = pipeline.bank
    watch = DriftWatch([STATION])
    post = Post(pipeline, opened.ref, opened.thresholds, opened.recipe.name, drift=opened.drift)
    watch.begin(STATION, replace(post, bank=BankRef("before", "0" * 64)))
    watch.begin(STATION, post)
    picture = Path(bank.parent / "good" / "0.png").read_bytes()

    def take(**said: str) -> int:
        arrival = Arrival(1, 1, "t", picture, properties=[("frame_id", "f"), *said.items()])
        delivery = Delivery.of(STATION, arrival)
        watch.take(Outcome(delivery, NOON, "r", inspection=pipeline.inspect(picture), post=post))
        [(_, document)] = watch.documents({}).values()
        return int(json.loads(document)["frames"])

    assert [take(), take(expected="ok"), take(expected="ng"), take()] == [1, 1, 1, 2]
