"""The recorder on a real ledger and quarantine; and with a ledger that has a bug, which no real one shows."""

import hashlib
import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reviewing import delivered
from services import wait_until
from sqlalchemy import Engine

from inspector.errors import FrameDamagedError, StoreError
from inspector.line import recorder as recorder_module
from inspector.line.delivery import Delivery
from inspector.line.entries import Entries
from inspector.line.health import Health
from inspector.line.outcome import Outcome, Post
from inspector.line.recorder import Recorder
from inspector.line.settlement import Settled
from inspector.line.triage import Triage
from inspector.mqtt.arrival import Arrival
from inspector.store import (
    Archive,
    Entry,
    Ledger,
    Outbox,
    OutboxMessage,
    Quarantine,
    QueueFilter,
    ReviewQueue,
    open_database,
)
from inspector.store.ledger import Key
from inspector.types import BankRef, Decision, Frame, Inspection, Region, StationId, Thresholds

PICTURE = b"\x89PNG\r\n\x1a\n and so on"
CAM1 = StationId.parse("plant/hall1/line1/cam1")
INSPECTION = Inspection(
    Decision.UNCERTAIN, 1.5, 0.1, (Region(1, 2, 3, 4, 5, 1.4),), np.zeros((1, 1), np.float32), (9, 9), {}
)


class _NoPipeline:
    def inspect_decoding(self, payload: bytes) -> tuple[Inspection, Frame]:
        raise AssertionError(f"the recorder inspects nothing; got {len(payload)} bytes")


POST = Post(_NoPipeline(), BankRef("b", "0" * 64), Thresholds(1.0, 2.0, 1.0), "disc")


def outcome(frame_id: str, *, payload: bytes = b"x", error: bool = False, **said: str) -> Outcome:
    arrival = Arrival(1, 1, "t", payload, properties=[("frame_id", frame_id), *said.items()])
    delivery = Delivery.of(CAM1, arrival)
    decided = Outcome(delivery, datetime.now(UTC), frame_id, inspection=INSPECTION, post=POST)
    return replace(decided, inspection=None, error=FrameDamagedError("broken")) if error else decided


class LateLedger(Ledger):
    """On a server that gives no answer to the commit of f1 and f2, and finishes it behind the next look of that name;
    who writes the same rows meanwhile waits for it.
    """

    def __init__(self, engine: Engine, finished_behind: str) -> None:
        super().__init__(engine)
        self._behind = finished_behind
        self._late: tuple[Sequence[Entry], dict[str, Any]] | None = None
        self._is_finished = False

    def commit(self, entries: Sequence[Entry], **more: Any) -> list[OutboxMessage]:
        if self._late is None and [entry.frame_id for entry in entries] == ["f1", "f2"]:
            with self._engine.connect() as connection:
                self._messages(connection, entries)
            self._late = entries, more
            raise StoreError("the server closed the connection unexpectedly")
        self._finish()
        return super().commit(entries, **more)

    def known(self, frame_ids: Iterable[tuple[str, str]]) -> dict[Key, str]:
        found = super().known(frame_ids)
        self._finish("known")
        return found

    def written(self, entries: Sequence[Entry], duplicates: Sequence[Key] = ()) -> list[OutboxMessage] | None:
        found = super().written(entries, duplicates)
        self._finish("written")
        return found

    def _finish(self, behind: str | None = None) -> None:
        if self._late is not None and not self._is_finished and behind in (None, self._behind):
            self._is_finished = True
            entries, more = self._late
            Ledger(self._engine).commit(entries, **more)


class Told:
    def __init__(self) -> None:
        self.settled: list[Settled] = []
        self.messages: list[OutboxMessage] = []
        self.removed: list[int] = []
        self.failures = 0
        self.missing: list[str] = []
        self.faults: list[BaseException] = []

    def recorded(self, settled: Sequence[Settled], messages: Sequence[OutboxMessage]) -> None:
        self.settled += settled
        self.messages += messages

    def failed(self) -> None:
        self.failures += 1


def recorder(ledger: Any, folder: Path, told: Told, health: Health, *, sample_rate: float = 0.0) -> Recorder:
    quarantine = Quarantine(folder / "quarantine", max_bytes=1000, max_files=10)
    quarantine.open()
    return Recorder(
        ledger,
        Entries(quarantine, Triage(Archive(folder / "frames"), health, sample_rate=sample_rate)),
        health,
        on_recorded=told.recorded,
        on_confirmed=told.removed.extend,
        on_failure=told.failed,
        on_missing=told.missing.append,
        on_fault=told.faults.append,
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.sqlite3"


@pytest.fixture
def ledger(url: str) -> Iterator[Ledger]:
    with open_database(url) as engine:
        yield Ledger(engine)


def test_what_is_handed_over_is_written_before_it_is_told(ledger: Ledger, url: str, tmp_path: Path) -> None:
    told = Told()
    with recorder(ledger, tmp_path, told, Health()) as writer:
        for i in range(200):
            writer.record(outcome(f"f{i}"))
        writer.record(outcome("f0"))
        writer.record(outcome("bad", error=True))
        assert writer.flush(60)
        assert len(told.settled) == 202
        assert [message.id for message in told.messages] == list(range(1, 202))
        writer.confirm([message.id for message in told.messages])
        wait_until(lambda: len(told.removed) == 201, "the outbox is emptied")
    with open_database(url) as engine:
        assert delivered(engine) == {("verdict", "uncertain"): 200, ("error", "damaged"): 1, ("drop", "duplicate"): 1}
        assert Outbox(engine).depth() == 0
    assert len(list((tmp_path / "quarantine").iterdir())) == 1


def test_what_was_handed_over_is_waited_for_and_not_what_comes_meanwhile(ledger: Ledger, tmp_path: Path) -> None:
    class Slow:
        def commit(self, *entries: Any, **more: Any) -> list[OutboxMessage]:
            time.sleep(0.05)
            return ledger.commit(*entries, **more)

    told, stop = Told(), threading.Event()

    def drop_frames() -> None:
        for number in itertools.count():
            if stop.wait(0.01):
                return
            writer.record(Outcome.drop(outcome(f"d{number}").delivery, "superseded"))

    with recorder(Slow(), tmp_path, told, Health()) as writer:
        dropping = threading.Thread(target=drop_frames)
        dropping.start()
        try:
            wait_until(lambda: told.settled, "a commit")
            assert writer.flush(5)
            number = writer.record(outcome("f0"))
            wait_until(lambda: writer.flush(0.01, number), "it is written")
            assert "f0" in {one.outcome.delivery.raw.frame_id for one in told.settled}
        finally:
            stop.set()
            dropping.join()


@pytest.mark.parametrize("finished_behind", ["written", "known", "neither"])
@pytest.mark.parametrize("repeated", [[], ["f0"]])
def test_what_a_server_finishes_late_is_no_duplicate_of_itself(
    url: str, tmp_path: Path, repeated: list[str], finished_behind: str
) -> None:
    told = Told()
    with open_database(url) as engine:
        ledger = LateLedger(engine, finished_behind)
        with recorder(ledger, tmp_path, Told(), Health()) as writer:
            writer.record(replace(outcome("f0"), result_id="of its first delivery"))
        writer = recorder(ledger, tmp_path, told, Health())
        for frame_id in [*repeated, "f1", "f2"]:  # before it begins: in one commit
            writer.record(outcome(frame_id))
        with writer:
            assert writer.flush(60)
        assert [one.key[1] for one in told.settled if one.duplicate] == repeated
        assert [one.key[1] for one in told.settled if not one.duplicate] == ["f1", "f2"]
        assert [message.id for message in told.messages] == [2, 3]
        assert [message.id for message in Outbox(engine).waiting(most=10)] == [1, 2, 3]
        with engine.connect() as connection:
            counted = connection.exec_driver_sql("SELECT duplicates FROM frames ORDER BY frame_id").scalars().all()
        assert counted == [len(repeated), 0, 0]


def test_a_quarantine_that_cannot_be_written_is_waited_for(ledger: Ledger, tmp_path: Path) -> None:
    told, health = Told(), Health()
    with recorder(ledger, tmp_path, told, health) as writer:
        folder = tmp_path / "quarantine"
        folder.rmdir()
        folder.write_text("in the way")
        writer.record(outcome("bad", error=True))
        wait_until(lambda: "quarantine" in health.faults().get("ledger", ""), "the fault is told")
        assert told.settled == []
        folder.unlink()
        folder.mkdir()
        wait_until(lambda: told.settled, "it is recorded")
        assert health.ready
        assert told.failures > 0


def test_the_pictures_of_a_batch_are_all_on_disk(ledger: Ledger, url: str, tmp_path: Path) -> None:
    told, health = Told(), Health()
    (tmp_path / "frames").mkdir()
    pictures = [PICTURE + bytes([number]) for number in range(40)]
    lost = hashlib.sha256(pictures[5]).hexdigest()
    (tmp_path / "frames" / lost[:2]).write_text("in the way")
    with recorder(ledger, tmp_path, told, health) as writer:
        for number, picture in enumerate(pictures):
            writer.record(outcome(f"f{number}", payload=picture))
        assert writer.flush(60)
    with open_database(url) as engine:
        rows = ReviewQueue(engine).page(QueueFilter(), limit=100).rows
    archive = Archive(tmp_path / "frames")
    assert len(rows) == 40
    for row in rows:
        assert (row.image is None) == (row.sha256[:2] == lost[:2])
        assert row.image is None or archive.read(row.sha256, row.image) in pictures
    assert len(told.missing) == sum(row.image is None for row in rows) >= 1


def test_a_picture_for_review_is_on_disk_before_it_is_told(ledger: Ledger, url: str, tmp_path: Path) -> None:
    told = Told()
    with recorder(ledger, tmp_path, told, Health()) as writer:
        writer.record(outcome("f0", payload=PICTURE))
        assert writer.flush(60)
    with open_database(url) as engine:
        (row,) = ReviewQueue(engine).page(QueueFilter()).rows
    assert (row.frame_id, row.word, row.image, row.score_ratio) == ("f0", "uncertain", "png", 0.75)
    assert Archive(tmp_path / "frames").read(row.sha256, "png") == PICTURE
    assert told.missing == []


def test_a_check_part_is_recorded_and_nobody_is_asked(ledger: Ledger, url: str, tmp_path: Path) -> None:
    told = Told()
    with recorder(ledger, tmp_path, told, Health(), sample_rate=1.0) as writer:
        for number, expected in enumerate(("ok", "ng")):
            writer.record(outcome(f"f{number}", payload=PICTURE + bytes([number]), expected=expected))
        writer.record(outcome("f0", payload=PICTURE + bytes([0]), expected="ok"))
        assert writer.flush(60)
    with open_database(url) as engine:
        assert delivered(engine) == {("check", "uncertain"): 2, ("drop", "duplicate"): 1}
        assert ReviewQueue(engine).page(QueueFilter(state="all")).rows == ()
        query = "SELECT queued, sampled, image, score_ratio FROM frames"
        with engine.connect() as connection:
            assert connection.exec_driver_sql(query).all() == [(0, 0, None, None)] * 2
    checks = [json.loads(message.payload)["check"] for message in told.messages]
    assert checks == [{"expected": "ok", "passed": False}, {"expected": "ng", "passed": True}]
    assert not (tmp_path / "frames").exists()
    assert told.missing == []


@pytest.mark.faults
def test_a_picture_that_cannot_be_kept_holds_back_no_verdict(ledger: Ledger, url: str, tmp_path: Path) -> None:
    told, health = Told(), Health()
    (tmp_path / "frames").write_text("in the way")
    with recorder(ledger, tmp_path, told, health) as writer:
        writer.record(outcome("f0", payload=PICTURE))
        wait_until(lambda: told.messages, "the verdict is out")
        assert told.missing == [str(CAM1)]
        assert health.ready
        assert "archive" in health.warnings()["archive"]
        (tmp_path / "frames").unlink()
        writer.record(outcome("f1", payload=PICTURE + b"another"))
        wait_until(lambda: len(told.messages) == 2, "the next verdict is out")
        assert health.warnings() == {}
    with open_database(url) as engine:
        rows = ReviewQueue(engine).page(QueueFilter(order="newest")).rows
    assert [(row.frame_id, row.image) for row in rows] == [("f1", "png"), ("f0", None)]


@pytest.mark.parametrize("bound", ["_MAX_WAITING", "_MAX_WAITING_BYTES"])
def test_who_hands_over_waits_while_as_many_wait_as_may(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(recorder_module, bound, 8)
    monkeypatch.setattr(recorder_module, "_MAX_BATCH", 4)
    answers, told, outcomes = threading.Event(), Told(), [outcome(f"f{i}") for i in range(20)]

    class Slow(Ledger):
        def commit(self, *entries: Any, **more: Any) -> list[OutboxMessage]:
            answers.wait(60)
            return super().commit(*entries, **more)

    with open_database(url) as engine, recorder(Slow(engine), tmp_path, told, Health()) as writer:
        handed: list[int] = []
        handing_over = threading.Thread(target=lambda: handed.extend(map(writer.record, outcomes)))
        handing_over.start()
        handing_over.join(0.5)
        held_back = handing_over.is_alive()
        answers.set()
        handing_over.join(60)
        assert held_back
        assert writer.flush(60)
    assert len(told.settled) == 20


def test_a_bug_releases_who_waits(tmp_path: Path) -> None:
    class Buggy:
        def commit(self, *_: object, **__: object) -> None:
            raise RuntimeError("a bug")

    told = Told()
    with recorder(Buggy(), tmp_path, told, Health()) as writer:
        handing_over = threading.Thread(target=lambda: [writer.record(outcome(f"f{i}")) for i in range(1000)])
        handing_over.start()
        handing_over.join(60)
        assert not handing_over.is_alive()
    assert [str(fault) for fault in told.faults] == ["a bug"]
