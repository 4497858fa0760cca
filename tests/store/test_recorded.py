"""Recorded scores by what is known of their frames, on SQLite and on PostgreSQL."""

from datetime import timedelta

import numpy as np
import pytest
from reviewing import CAM1, NOON, filled, verdict
from sqlalchemy import Engine, insert

from inspector.store import RecordedScores, Reviews
from inspector.store.tables import promotions


@pytest.fixture
def scores(database: Engine) -> RecordedScores:
    return RecordedScores(database)


def test_recorded_scores_by_what_is_known(database: Engine, scores: RecordedScores) -> None:
    other = {"bank_id": "older", "bank_digest": "c" * 64}
    ids = filled(
        database,
        *(verdict(n, "ok", score=float(n)) for n in range(6)),
        verdict(10, "ok", score=1.5, sampled=True, queued=True),
        *(verdict(n, score=float(n)) for n in range(20, 24)),
        verdict(30, "uncertain", score=9.5),
        verdict(40, score=50.0, **other),
        verdict(41, "ok", score=51.0, **other),
    )
    said = Reviews(database)
    said.dispose(ids[7], to="defect", reviewer="ann", version=0)
    said.dispose(ids[8], to="false_alarm", reviewer="ann", version=0)
    said.dispose(ids[9], to="unsure", reviewer="ann", version=0)
    said.dispose(ids[12], to="defect", reviewer="ann", version=0)
    said.escape(ids[0], reviewer="ann", version=0)
    found = scores.of(CAM1, "bank1", since=NOON - timedelta(days=1), most=100)
    assert sorted(found.ok) == [1.0, 1.5, 2.0, 3.0, 4.0, 5.0]
    assert list(found.false_alarm) == [21.0]
    assert sorted(found.waiting) == [9.5, 22.0, 23.0]
    assert sorted(found.defect) == [0.0, 20.0]
    assert (found.elsewhere, found.begin) == (1, NOON)
    assert len(found.arrived) == 12, "those of the other bank are not among them"
    assert list(found.arrived) == sorted(found.arrived)


def test_the_newest_frames_are_taken_and_all_known_defects(database: Engine, scores: RecordedScores) -> None:
    ids = filled(database, verdict(0), *(verdict(n, "ok", score=float(n)) for n in range(1, 11)), verdict(11))
    Reviews(database).dispose(ids[0], to="defect", reviewer="ann", version=0)
    found = scores.of(CAM1, "bank1", since=NOON - timedelta(days=1), most=3)
    assert sorted(found.ok) == [8.0, 9.0, 10.0]
    assert (len(found.waiting), len(found.defect)) == (1, 1)
    assert found.begin == NOON + timedelta(minutes=8)


def test_other_thresholds_leave_scores_comparable(database: Engine, scores: RecordedScores) -> None:
    filled(database, verdict(1, "ok", score=1.0, bank_id="a"), verdict(2, "ok", score=2.0, bank_id="b"))
    row = {"at": NOON, "station": CAM1, "by": "eve", "from_id": "a", "from_digest": "1", "to_id": "b", "to_digest": "2"}
    with database.begin() as connection:
        connection.execute(insert(promotions).values(action="promote", **row))
    since = NOON - timedelta(days=1)
    assert list(scores.of(CAM1, "b", since=since, most=9).ok) == [2.0]
    with database.begin() as connection:
        connection.execute(insert(promotions).values(action="thresholds", **row))
    assert sorted(scores.of(CAM1, "b", since=since, most=9).ok) == [1.0, 2.0]
    assert sorted(scores.of(CAM1, "a", since=since, most=9).ok) == [1.0, 2.0]


def test_nothing_recorded(scores: RecordedScores) -> None:
    found = scores.of(CAM1, "bank1", since=NOON, most=9)
    assert (found.begin, len(found.arrived), len(found.ok), found.elsewhere) == (None, 0, 0, 0)
    assert isinstance(found.ok, np.ndarray)
