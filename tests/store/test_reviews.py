"""Dispositions on a real SQLite and a real PostgreSQL: nothing is overwritten unseen, nothing is lost."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

import pytest
from reviewing import CAM1, filled, verdict
from sqlalchemy import Engine, event

from inspector.store import FrameRow, ReviewError, ReviewQueue, Reviews, StaleError, UnknownFrameError
from inspector.store.statement import MAX_NOTE


@pytest.fixture
def reviews(database: Engine) -> Reviews:
    return Reviews(database)


def test_a_disposition_is_on_the_frame_and_in_the_audit(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    row = reviews.dispose(frame, to="defect", defect_type="scratch", reviewer="ann", version=0, note="deep")
    assert (row.disposition, row.defect_type, row.reviewer, row.version) == ("defect", "scratch", "ann", 1)
    assert row == ReviewQueue(database).frame(frame)
    (said,) = reviews.history(frame)
    assert (said.station, said.frame_id, said.decision, said.score) == (CAM1, "f1", "ng", 11.0)
    assert (said.threshold_ok, said.threshold_ng, said.bank_id, said.bank_digest) == (5.0, 10.0, "bank1", "b" * 64)
    assert (said.action, said.from_disposition, said.to_disposition, said.to_type) == (
        "dispose",
        None,
        "defect",
        "scratch",
    )
    assert (said.note, said.version, said.at) == ("deep", 1, row.reviewed_at)


def test_who_counts_while_many_decide_counts_each(database: Engine, reviews: Reviews) -> None:
    ids = filled(database, *(verdict(number) for number in range(60)))
    last, counted = reviews.since(None)[0], 0
    with ThreadPoolExecutor(4) as many:  # SQLite serves writers in no order: of more the last may wait for too long
        said = [many.submit(reviews.dispose, one, to="defect", reviewer="ann", version=0) for one in ids]
        done = False
        while not done:
            done = all(one.done() for one in said)
            last, found = reviews.since(last)
            counted += sum(found.values())
    assert counted == sum(one.result().version for one in said) == len(ids)


@pytest.mark.parametrize("name", ["a\x00b", "a\ud800b"])
def test_a_batch_that_no_database_can_hold_has_nothing_to_take_back(name: str, reviews: Reviews) -> None:
    taken = reviews.undo_batch(name, reviewer="ann")
    assert (taken.done, taken.stale, taken.unknown) == ([], [], [])


def test_a_note_goes_and_comes_with_what_it_was_said_of(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    first = reviews.dispose(frame, to="defect", reviewer="ann", version=0, note="  deep,\nat the rim 😀 \n")
    assert first.note == "deep,\nat the rim 😀"
    second = reviews.dispose(frame, to="unsure", reviewer="bob", version=1, note=" \n\t ")
    assert second.note is None
    assert reviews.dispose(frame, to="unsure", reviewer="bob", version=1) == second, "a note of blanks is none"
    with pytest.raises(StaleError, match="bob was here"):  # not the same: the note would be lost unseen
        reviews.dispose(frame, to="unsure", reviewer="bob", version=1, note="blurred")
    back = reviews.undo(frame, reviewer="bob", version=2)
    assert (back.disposition, back.note) == ("defect", first.note)
    assert ReviewQueue(database).frame(frame) == back
    assert reviews.undo(frame, reviewer="ann", version=3).note is None
    assert [said.note for said in reviews.history(frame)] == [first.note, None, None, None]
    assert reviews.dispose(frame, to="defect", reviewer="ann", version=4, note="ä" * MAX_NOTE).note == "ä" * MAX_NOTE


def test_the_second_is_told_and_overwrites_nothing(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    first = reviews.dispose(frame, to="defect", defect_type="dent", reviewer="ann", version=0)
    with pytest.raises(StaleError, match="ann was here meanwhile") as caught:
        reviews.dispose(frame, to="false_alarm", reviewer="bob", version=0)
    stale = caught.value
    assert (stale.frame, stale.reviewer, stale.at, stale.version) == (frame, "ann", first.reviewed_at, 1)
    assert (stale.disposition, stale.defect_type) == ("defect", "dent")
    assert ReviewQueue(database).frame(frame) == first
    changed = reviews.dispose(frame, to="false_alarm", reviewer="bob", version=stale.version)
    assert (changed.disposition, changed.defect_type, changed.reviewer) == ("false_alarm", None, "bob")
    assert [said.reviewer for said in reviews.history(frame)] == ["ann", "bob"]


def test_of_many_at_the_same_moment_one_decides(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    names = [f"operator{i}" for i in range(8)]
    together = Barrier(len(names))

    def decide(name: str) -> FrameRow | StaleError:
        together.wait()
        try:
            return reviews.dispose(frame, to="unsure", reviewer=name, version=0)
        except StaleError as error:
            return error

    with ThreadPoolExecutor(len(names)) as pool:
        results = list(pool.map(decide, names))
    won = [result for result in results if isinstance(result, FrameRow)]
    assert len(won) == 1
    assert {result.reviewer for result in results} == {won[0].reviewer}
    assert len(reviews.history(frame)) == 1


def test_an_answer_that_was_lost_can_be_asked_for_again(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    first = reviews.dispose(frame, to="defect", reviewer="ann", version=0)
    assert reviews.dispose(frame, to="defect", reviewer="ann", version=0) == first
    undone = reviews.undo(frame, reviewer="ann", version=1)
    assert reviews.undo(frame, reviewer="ann", version=1) == undone
    assert [said.action for said in reviews.history(frame)] == ["dispose", "undo"]
    with pytest.raises(StaleError):
        reviews.dispose(frame, to="unsure", reviewer="ann", version=0)


def test_undo_brings_back_what_was_said_before(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))
    first = reviews.dispose(frame, to="defect", defect_type="dent", reviewer="ann", version=0)
    reviews.dispose(frame, to="unsure", reviewer="bob", version=1)
    with pytest.raises(StaleError, match="bob was here"):
        reviews.undo(frame, reviewer="ann", version=2)
    back = reviews.undo(frame, reviewer="bob", version=2)
    assert (back.disposition, back.defect_type, back.reviewer) == ("defect", "dent", "ann")
    assert (back.reviewed_at, back.version) == (first.reviewed_at, 3)
    clear = reviews.undo(frame, reviewer="ann", version=3)
    assert (clear.disposition, clear.defect_type, clear.reviewer, clear.reviewed_at) == (None, None, None, None)
    assert clear.queued
    with pytest.raises(ReviewError, match="no disposition to take back"):
        reviews.undo(frame, reviewer="ann", version=4)
    assert [said.action for said in reviews.history(frame)] == ["dispose", "dispose", "undo", "undo"]


def test_a_batch_leaves_what_others_decided_and_is_taken_back_whole(database: Engine, reviews: Reviews) -> None:
    ids = filled(database, *(verdict(i) for i in range(250)))
    reviews.dispose(ids[7], to="defect", reviewer="bob", version=0)
    selection = [(frame, 0) for frame in (*ids, 10**12)]
    result = reviews.dispose_many(selection, to="false_alarm", reviewer="ann")
    assert [row.id for row in result.done] == [frame for frame in ids if frame != ids[7]]
    assert [stale.reviewer for stale in result.stale] == ["bob"]
    assert result.unknown == [10**12]
    assert {said.batch for frame in ids if frame != ids[7] for said in reviews.history(frame)} == {result.batch}
    reviews.dispose(ids[0], to="unsure", reviewer="bob", version=1)
    back = reviews.undo_batch(result.batch, reviewer="ann")
    assert [len(back.done), len(back.stale)] == [248, 1]
    queue = ReviewQueue(database)
    assert queue.open_counts() == {CAM1: 248}


def test_a_batch_that_broke_off_goes_on_where_it_stopped(database: Engine, reviews: Reviews) -> None:
    ids = filled(database, *(verdict(i) for i in range(250)))
    part = reviews.dispose_many([(frame, 0) for frame in ids[:100]], to="unsure", reviewer="ann")
    rest = reviews.dispose_many([(frame, 0) for frame in ids], to="unsure", reviewer="ann")
    assert (len(part.done), len(rest.done), rest.stale) == (100, 250, [])
    assert all(len(reviews.history(frame)) == 1 for frame in ids)


def test_an_escape_is_a_frame_that_had_passed(database: Engine, reviews: Reviews) -> None:
    passed, flagged = filled(database, verdict(1, "ok", score=4.0), verdict(2))
    assert [row.id for row in ReviewQueue(database).of_part("part1", limit=9)] == [passed]
    row = reviews.escape(passed, defect_type="crack", reviewer="ann", version=0, note="customer")
    assert (row.disposition, row.queued, row.sampled, row.score_ratio) == ("defect", True, False, 0.4)
    with pytest.raises(ReviewError, match="was ng, expected one that passed as ok"):
        reviews.escape(flagged, reviewer="ann", version=0)
    back = reviews.undo(passed, reviewer="ann", version=1)
    assert (back.disposition, back.queued) == (None, False)


def test_a_sampled_frame_stays_in_the_queue_after_undo(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1, "ok", sampled=True, queued=True, score_ratio=0.4))
    assert reviews.dispose(frame, to="false_alarm", reviewer="ann", version=0).queued
    assert reviews.undo(frame, reviewer="ann", version=1).queued


def test_what_cannot_be_is_refused(database: Engine, reviews: Reviews) -> None:
    frame, error = filled(database, verdict(1), verdict(2, "damaged", outcome="error", queued=False))
    for unknown in (error, 10**12, -1, 0, 2**63, 10**40):
        assert ReviewQueue(database).frame(unknown) is None
        with pytest.raises(UnknownFrameError, match="expected the id of an inspected frame"):
            reviews.dispose(unknown, to="defect", reviewer="ann", version=0)
    with pytest.raises(ReviewError, match="got 'good', expected one of defect, false_alarm, unsure"):
        reviews.dispose(frame, to="good", reviewer="ann", version=0)  # type: ignore[arg-type]
    with pytest.raises(ReviewError, match="expected it with a defect alone"):
        reviews.dispose(frame, to="unsure", defect_type="dent", reviewer="ann", version=0)
    with pytest.raises(ReviewError, match="none a control character"):
        reviews.dispose(frame, to="defect", defect_type="a\nb", reviewer="ann", version=0)
    with pytest.raises(ReviewError, match="note: got 2001 characters"):
        reviews.dispose(frame, to="defect", note="x" * 2001, reviewer="ann", version=0)
    for illegible in ("a\x00b", "\ud800"):
        with pytest.raises(ReviewError, match="note: got a character that no database holds"):
            reviews.dispose(frame, to="defect", note=illegible, reviewer="ann", version=0)
        with pytest.raises(ReviewError, match="none a control character"):
            reviews.dispose(frame, to="defect", defect_type=illegible, reviewer="ann", version=0)
    with pytest.raises(ReviewError, match="expected the name of an account"):
        reviews.dispose(frame, to="defect", reviewer="", version=0)
    assert reviews.history(frame) == []


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_the_audit_tells_it(seed: int, database: Engine, reviews: Reviews) -> None:
    """Against a stack of what was said, by two operators who are sometimes late, with answers that get lost."""
    rng = random.Random(seed)
    (frame,) = filled(database, verdict(1))
    said: list[tuple[str, str]] = []
    version = 0
    for _ in range(80):
        name, to = rng.choice(["ann", "bob"]), rng.choice(["defect", "false_alarm", "unsure"])
        late = version > 0 and rng.random() < 0.2
        try:
            if rng.random() < 0.6:
                last = reviews.history(frame)[-1:]
                repeats = bool(late and last and (last[0].action, last[0].reviewer) == ("dispose", name))
                reviews.dispose(frame, to=to, reviewer=name, version=version - late)  # type: ignore[arg-type]
                if late:
                    assert repeats
                    assert said[-1] == (name, to)
                else:
                    said.append((name, to))
                    version += 1
            elif not late:
                row = reviews.undo(frame, reviewer=name, version=version)
                assert said.pop()[0] == name
                version += 1
                assert row.version == version
        except StaleError:
            assert late or (said and said[-1][0] != name)
        except ReviewError:
            assert not said
    row = ReviewQueue(database).frame(frame)
    assert row is not None
    assert (row.reviewer, row.disposition) == (said[-1] if said else (None, None))
    history = reviews.history(frame)
    assert [one.version for one in history] == list(range(1, version + 1))
    assert row.version == version
    for before, after in pairwise(history):
        assert (after.from_disposition, after.from_type) == (before.to_disposition, before.to_type)


def test_a_disposition_is_whole_or_not_at_all(database: Engine, reviews: Reviews) -> None:
    (frame,) = filled(database, verdict(1))

    def fail(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("INSERT INTO reviews"):
            raise KeyboardInterrupt

    event.listen(database, "before_cursor_execute", fail)
    with pytest.raises(KeyboardInterrupt):
        reviews.dispose(frame, to="defect", reviewer="ann", version=0)
    event.remove(database, "before_cursor_execute", fail)
    row = ReviewQueue(database).frame(frame)
    assert row is not None
    assert (row.disposition, row.version) == (None, 0)


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_server_notices_in_seconds_that_who_holds_its_locks_is_gone(database: Engine) -> None:
    with database.connect() as connection:
        idle = connection.exec_driver_sql("SHOW tcp_keepalives_idle").scalar_one()
        zone = connection.exec_driver_sql("SHOW timezone").scalar_one()
    assert (idle, zone) == ("10", "UTC")
