"""What is told of drift, and when; charts are tested with what they chart."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from inspector import contract
from inspector.contract import drift_json
from inspector.drift import PICTURE_SIDE, SIGNALS, Baseline, Reference
from inspector.line.delivery import Delivery
from inspector.line.drift_watch import DriftWatch
from inspector.line.outcome import Outcome, Post
from inspector.mqtt.arrival import Arrival
from inspector.types import BankRef, Decision, Frame, Inspection, Reading, StationId, Thresholds

CAM1 = StationId.parse("plant/hall1/line1/cam1")
BASELINE = Baseline(
    Reference(np.zeros((PICTURE_SIDE, PICTURE_SIDE), np.float32), np.zeros(4, np.float32), np.ones(4, np.float32)),
    np.random.default_rng(0).normal(0, 1, (200, len(SIGNALS))),
    np.ones(200, np.float32),
)


class _NoPipeline:
    def inspect_decoding(self, payload: bytes) -> tuple[Inspection, Frame]:
        raise AssertionError(f"nothing is inspected; got {len(payload)} bytes")


POST = Post(_NoPipeline(), BankRef("b", "0" * 64), Thresholds(1.0, 2.0, 1.0), "disc", drift=BASELINE)
ANOTHER = replace(POST, bank=BankRef("c", "1" * 64))


def started(*posts: Post) -> DriftWatch:
    watch = DriftWatch([CAM1])
    for post in posts:
        watch.begin(CAM1, post)
    return watch


def take(watch: DriftWatch, frames: int, *, off: float = 0.0) -> None:
    """Frames whose signals are all so many spreads off."""
    reading = Reading(np.zeros(len(SIGNALS)), np.full(len(SIGNALS), off), (), 0.0)
    inspection = Inspection(Decision.OK, 1.0, 0.5, (), np.zeros((1, 1), np.float32), (1, 1), {}, reading=reading)
    delivery = Delivery.of(CAM1, Arrival(1, 1, "t", b"x", properties=[("frame_id", "f")]))
    for _ in range(frames):
        watch.take(Outcome(delivery, datetime.now(UTC), "r", inspection=inspection, post=POST))


def told(watch: DriftWatch) -> list[tuple[str, int]]:
    documents = [json.loads(document) for _, document in watch.documents({}).values()]
    return [(document["state"], document["frames"]) for document in documents]


def test_after_a_start_all_is_well_only_once_enough_frames_say_so() -> None:
    watch = started(POST)
    take(watch, 19)
    assert told(watch) == [], "what the broker kept may be that it has shifted"
    take(watch, 1)
    assert told(watch) == [("ok", 20)]


def test_after_a_start_drift_is_told_as_soon_as_it_shows() -> None:
    watch = started(POST)
    take(watch, 6, off=4.0)
    assert told(watch) == [("drifting", 6)]


def test_of_a_bank_that_takes_over_from_another_all_is_told_at_once() -> None:
    assert told(started(ANOTHER, POST)) == [("ok", 0)]
    assert told(started(POST, POST)) == []


def test_what_was_told_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def counted(*said: Any, **more: Any) -> bytes:
        made.append(said)
        return drift_json(*said, **more)

    monkeypatch.setattr(contract, "drift_json", counted)
    watch = started(ANOTHER, POST)
    before = {topic: news for topic, (news, _) in watch.documents({}).items()}
    assert watch.documents(before) == {}
    assert len(made) == 1
    take(watch, 6, off=4.0)
    assert [json.loads(document)["state"] for _, document in watch.documents(before).values()] == ["drifting"]


def test_a_bank_without_a_baseline_says_so_at_once() -> None:
    assert told(started(replace(POST, drift=None))) == [("unknown", 0)]
