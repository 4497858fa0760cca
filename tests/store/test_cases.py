"""The recorded frames on which a bank is tried, on SQLite and on PostgreSQL: found without reading all of a station."""

from collections.abc import Callable

import pytest
from reviewing import CAM1, CAM2, filled, verdict
from sqlalchemy import Engine, event

from inspector.store import Cases, Reviews

OTHER = "plant/hall1/line1/other"


def reviewed(database: Engine) -> list[int]:
    """Two defects, one without a picture, a false alarm, an escape, one that waits, and frames of other stations."""
    ids = filled(
        database,
        *(verdict(1, image="png"), verdict(2), verdict(3, image="png"), verdict(4, "ok", image="png")),
        *(verdict(5, image="png"), verdict(6, image="png", station=CAM2), verdict(7, image="png", station=OTHER)),
    )
    reviews = Reviews(database)
    for number, to in ((0, "defect"), (1, "defect"), (2, "false_alarm"), (5, "defect"), (6, "defect")):
        reviews.dispose(ids[number], to=to, reviewer="ann", version=0)  # type: ignore[arg-type]
    reviews.escape(ids[3], reviewer="ann", version=0)
    return ids


def test_what_was_said_decides_in_the_order_of_the_line(database: Engine) -> None:
    ids = reviewed(database)
    cases = Cases(database)
    assert [row.id for row in cases.guard(CAM1)] == [ids[0], ids[3]]
    assert [row.id for row in cases.guard(CAM2, CAM1)] == [ids[0], ids[3], ids[5]]
    assert [row.id for row in cases.false_alarms(CAM1, CAM2)] == [ids[2]]
    assert (cases.without_picture(CAM1, CAM2), cases.without_picture(CAM2)) == (1, 0)
    assert (cases.guarding(CAM1), cases.guarding(CAM2, CAM1), cases.guarding()) == (2, 3, 0)
    assert cases.false_alarm_digests(CAM1, CAM2) == [row.sha256 for row in cases.false_alarms(CAM1, CAM2)]
    assert [row.id for row in cases.recent(CAM1, CAM2, limit=3)] == [ids[5], ids[4], ids[3]]
    last = cases.last(CAM1)
    assert last is not None
    assert last.id == ids[4]
    assert (cases.guard(), cases.last("plant/none"), cases.without_picture("plant/none")) == ([], None, 0)


ASKED: dict[str, Callable[[Cases], object]] = {
    "guard": lambda cases: cases.guard(CAM1, CAM2),
    "false_alarms": lambda cases: cases.false_alarms(CAM1),
    "guarding": lambda cases: cases.guarding(CAM1, CAM2),
    "false_alarm_digests": lambda cases: cases.false_alarm_digests(CAM1),
    "recent": lambda cases: cases.recent(CAM1, CAM2, limit=500),
    "last": lambda cases: cases.last(CAM1),
    "without_picture": lambda cases: cases.without_picture(CAM1),
}


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ASKED)
def test_no_question_leads_through_every_frame_of_a_station(database: Engine, name: str) -> None:
    reviewed(database)
    asked: list[tuple[str, tuple[object, ...]]] = []
    event.listen(database, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))
    ASKED[name](Cases(database))
    statement, parameters = next((text, given) for text, given in asked if "FROM frames" in text)
    with database.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)]
    read = [step for step in plan if "frames" in step]
    assert read
    assert not any("ix_frames_course" in step or step == "SCAN frames" for step in read), plan
