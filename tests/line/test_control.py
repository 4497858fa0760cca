"""What the daemon tells the broker of itself, over a real one."""

import json
from collections.abc import Callable

import pytest
from line import CAM1, Plc
from reviewing import NOON
from services import Mosquitto, wait_until

from inspector import contract
from inspector.line import control
from inspector.line.control import Control, control_identity
from inspector.line.health import Health
from inspector.mqtt.connection import Connection
from inspector.settings import BrokerSettings
from inspector.types import BankRef

OURS = "inspector/v1/_inspector/main"
DRIFT = contract.station_topic(CAM1, "drift")
DOCUMENT = contract.drift_json(CAM1, state="ok", since=NOON, frames=20, bank=BankRef("b", "0" * 64), signals={})


def test_what_the_broker_refuses_is_a_warning_and_told_again_once_it_may_be(
    start_mosquitto: Callable[..., Mosquitto], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setattr(control, "HEALTH_EVERY_S", 0.2)
    acl = tmp_path_factory.mktemp("acl") / "acl"
    acl.write_text(f"topic read #\ntopic write {OURS}/health\ntopic write {OURS}/status\n")
    broker = start_mosquitto(f"acl_file {acl}")
    health, faults = Health(), list[BaseException]()
    connection = Connection(
        BrokerSettings.model_validate({"port": broker.port}),
        control_identity("main", "key"),
        on_change=lambda _: None,
        on_fault=faults.append,
        on_published=lambda *answer: told.answered(*answer),
    )
    told = Control(
        "main",
        connection,
        info=lambda: {"version": "1"},
        health=lambda: {"warnings": health.warnings()},
        drift=lambda known: {} if DRIFT in known else {DRIFT: (1, DOCUMENT)},
        commands={},
        warn=health.warn,
    )

    def warned() -> str:
        told.tell()
        return health.warnings().get("own topics", "")

    with Plc(broker.port) as plc, connection:
        refused = f"the broker refuses {OURS}/info, {DRIFT}"
        wait_until(lambda: refused in warned(), "the refusal is told")
        wait_until(lambda: b"own topics" in (plc.last(f"{OURS}/health") or b""), "also where it may be")
        assert plc.last(DRIFT) is None
        acl.write_text("topic readwrite #\n")
        broker.reload()
        wait_until(lambda: not warned(), "it is told again")
        wait_until(lambda: plc.last(DRIFT) == DOCUMENT, "that too")
        assert json.loads(plc.last(f"{OURS}/info") or b"") == {"version": "1"}
    assert faults == []
