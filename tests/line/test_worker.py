"""The thread that inspects, where the ledger cannot be asked."""

from collections.abc import Mapping
from queue import SimpleQueue

import pytest
from services import DEADLINE_S, wait_until

from inspector.errors import NoBankError, StoreError
from inspector.line import worker
from inspector.line.delivery import Delivery
from inspector.line.intake import Intake
from inspector.line.outcome import Outcome
from inspector.line.worker import Worker
from inspector.mqtt.arrival import Arrival
from inspector.settings import QueueSettings
from inspector.types import StationId

CAM1 = StationId.parse("plant/hall1/line1/cam1")


class FullDisk:
    """A ledger whose disk is full until somebody makes room."""

    full = True

    def known(self, frame_ids: list[tuple[str, str]]) -> Mapping[tuple[str, str, str], str]:  # noqa: ARG002 (as the ledger has it)
        return {}

    def attempt(self, station: str, frame_id: str, sha256: str) -> int:  # noqa: ARG002 (as the ledger has it)
        if self.full:
            raise StoreError("ledger: database or disk is full")
        return 1


def test_a_ledger_that_takes_no_attempt_is_told_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_STORE_RETRY_S", 0.02)
    told: list[str | None] = []
    outcomes: SimpleQueue[Outcome] = SimpleQueue()
    ledger, intake = FullDisk(), Intake({CAM1: QueueSettings()})

    def hand_on(outcome: Outcome) -> int:
        outcomes.put(outcome)
        return 1

    arrival = Arrival(1, 1, "t", b"picture", dup=True, properties=[("frame_id", "f-1")])
    with Worker(
        intake,
        {},
        ledger,
        on_seen=lambda *_: None,
        hand_on=hand_on,
        all_durable=lambda *_: True,
        on_store=told.append,
        on_fault=lambda error: pytest.fail(str(error)),
    ):
        intake.put(Delivery.of(CAM1, arrival))
        wait_until(lambda: len(told) >= 3, "each failure is told")
        assert set(told) == {"ledger: database or disk is full"}
        assert outcomes.empty()
        ledger.full = False
        assert isinstance(outcomes.get(timeout=DEADLINE_S).error, NoBankError)
        assert told[-1] is None
        assert None not in told[:-1]
