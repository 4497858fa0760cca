"""The newest frames of each station, on SQLite and on PostgreSQL: found without reading the others."""

from datetime import UTC, datetime, timedelta

import pytest
from reviewing import CAM1, CAM2, NOON, filled, verdict
from sqlalchemy import Engine, event

from inspector.review.lately import SHOWN, NewestOutcome
from inspector.store import Newest


def test_the_newest_of_every_word_in_order(database: Engine) -> None:
    ids = filled(
        database,
        *(verdict(n, "ok") for n in range(100)),
        verdict(100, "ng"),
        verdict(101, "damaged", outcome="error", queued=False),
        verdict(102, "superseded", outcome="drop", queued=False),
        verdict(103, "uncertain"),
        verdict(104, "ok", sampled=True, queued=True),
        verdict(200, "ng", station=CAM2),
    )
    newest = Newest(database)
    found = newest.outcomes([CAM1, CAM2, "plant/none"])
    assert len(found[CAM1]) == SHOWN
    assert found[CAM1][-5:] == (
        NewestOutcome(NOON + timedelta(minutes=100), "ng"),
        NewestOutcome(NOON + timedelta(minutes=101), "error", "damaged"),
        NewestOutcome(NOON + timedelta(minutes=102), "drop", "superseded"),
        NewestOutcome(NOON + timedelta(minutes=103), "uncertain"),
        NewestOutcome(NOON + timedelta(minutes=104), "ok"),
    )
    assert [one.at for one in found[CAM1]] == sorted(one.at for one in found[CAM1])
    assert found[CAM2] == (NewestOutcome(NOON + timedelta(minutes=200), "ng"),)
    assert found["plant/none"] == ()
    flagged = newest.flagged([CAM1, CAM2, "plant/none"])
    assert {name: row.id for name, row in flagged.items()} == {CAM1: ids[103], CAM2: ids[105]}


def test_frames_of_a_clock_that_was_ahead_are_not_the_newest(database: Engine) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=30)  # a clock beside another one
    *_, last = filled(
        database,
        *(verdict(n, "ng", received_at=NOON + timedelta(days=3650, seconds=n)) for n in range(SHOWN)),
        verdict(100, "ok"),
        verdict(101, "ng", received_at=soon),
    )
    newest = Newest(database)
    assert newest.outcomes([CAM1])[CAM1] == (
        NewestOutcome(NOON + timedelta(minutes=100), "ok"),
        NewestOutcome(soon, "ng"),
    )
    assert newest.flagged([CAM1])[CAM1].id == last


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_outcomes_are_read_from_an_index_alone(database: Engine) -> None:
    filled(database, *(verdict(n, "ok") for n in range(10)))
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(database, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
    Newest(database).outcomes([CAM1])
    statement, parameters = next((text, given) for text, given in asked if "UNION ALL" in text)
    with database.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)]
    searches = [line for line in plan if "frames" in line]
    assert searches
    assert all("USING COVERING INDEX ix_frames_course" in line for line in searches), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan
