"""What a page is told of the queue while it stays open."""

import pytest
from reviewing import CAM1, filled, verdict
from sqlalchemy import Engine, delete

from inspector.store import ReviewQueue
from inspector.store.tables import frames
from inspector.web import live


def test_frames_that_retention_took_do_not_wait_any_more(database: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_EVERY_S", 0.0)
    monkeypatch.setattr(live, "_COUNT_S", 0.0)
    filled(database, verdict(1), verdict(2))
    state = live.Live(ReviewQueue(database)).state
    assert state()["open"] == {CAM1: 2}
    with database.begin() as connection:
        connection.execute(delete(frames).where(frames.c.frame_id == "f1"))
    assert state()["open"] == {CAM1: 1}
