"""What each delivery counts as, given what the ledger knows."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from inspector.errors import FrameDamagedError, FrameIdReusedError
from inspector.line.delivery import Delivery
from inspector.line.outcome import Outcome
from inspector.line.settlement import Settled, settle
from inspector.mqtt.arrival import Arrival
from inspector.types import Decision, Inspection, StationId

CAM1 = StationId.parse("plant/hall1/line1/cam1")
INSPECTION = Inspection(Decision.OK, 1.0, 0.5, (), np.zeros((1, 1), np.float32), (1, 1), {})


def verdict(frame_id: str = "f", payload: bytes = b"x", *, dup: bool = False) -> Outcome:
    arrival = Arrival(1, 1, "t", payload, dup=dup, properties=[("frame_id", frame_id)])
    return Outcome(Delivery.of(CAM1, arrival), datetime.now(UTC), "r", inspection=INSPECTION)


def error(frame_id: str = "f", payload: bytes = b"x", *, dup: bool = False) -> Outcome:
    decided = verdict(frame_id, payload, dup=dup)
    return replace(decided, inspection=None, error=FrameDamagedError("broken"))


def nameless(*, dup: bool = False) -> Outcome:
    arrival = Arrival(1, 1, "t", b"", dup=dup)
    return replace(error(), delivery=Delivery.of(CAM1, arrival))


def words(settled: list[Settled]) -> list[str]:
    return [
        "duplicate" if one.duplicate else one.error.reason if one.error else one.outcome.dropped or "verdict"
        for one in settled
    ]


def known(*outcomes: Outcome) -> dict[tuple[str, str, str], str]:
    return {one.key: one.outcome.delivery.raw.sha256 for one in settle(outcomes, {}) if not one.duplicate}


def test_the_first_is_a_verdict_and_the_next_duplicates() -> None:
    assert words(settle([verdict(), verdict(), verdict("g")], {})) == ["verdict", "duplicate", "verdict"]
    assert words(settle([verdict()], known(verdict()))) == ["duplicate"]


def test_other_bytes_under_a_decided_id_are_an_error_once() -> None:
    again = [verdict(payload=b"y"), verdict(payload=b"y"), verdict(payload=b"z")]
    settled = settle(again, known(verdict()))
    assert words(settled) == ["frame_id_reused", "duplicate", "frame_id_reused"]
    assert isinstance(settled[0].error, FrameIdReusedError)


def test_an_error_leaves_the_id_to_a_better_copy() -> None:
    assert words(settle([error(payload=b"half"), verdict(payload=b"whole")], {})) == ["damaged", "verdict"]
    assert words(settle([error(), error()], {})) == ["damaged", "duplicate"]


def test_the_broker_sending_again_decides_nothing_anew() -> None:
    assert words(settle([verdict(dup=True)], known(error()))) == ["duplicate"]
    assert words(settle([error(dup=True)], known(verdict()))) == ["duplicate"]


def test_a_camera_may_try_again_after_an_error() -> None:
    assert words(settle([verdict()], known(error()))) == ["verdict"]


def test_each_part_without_an_id_has_an_error_though_the_bytes_are_those_of_another() -> None:
    first, second, third = replace(nameless(), result_id="1"), replace(nameless(), result_id="2"), nameless(dup=True)
    settled = settle([first, second, third], {})
    assert words(settled) == ["damaged", "damaged", "duplicate"]
    assert settled[0].key != settled[1].key
    assert words(settle([replace(nameless(), result_id="4"), third], known(first, second))) == ["damaged", "duplicate"]


def test_what_was_dropped_is_not_decided_later() -> None:
    dropped = Outcome.drop(verdict().delivery, "superseded")
    assert words(settle([dropped, verdict()], {})) == ["superseded", "duplicate"]
