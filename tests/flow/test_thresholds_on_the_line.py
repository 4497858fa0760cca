"""Thresholds from the page to the line: the running daemon judges by them, and the next look shows what they did."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from banks import copy_of
from line import CAM1, Camera, Daemon, Plc, drawn_part, frame
from services import DEADLINE_S, listening, wait_until

from inspector import settings
from inspector.bank import Bank
from inspector.demo.port import free_port
from inspector.store import Accounts, Role, Sessions, open_database


@pytest.fixture
def engineer(daemon: Daemon, tmp_path: Path) -> Iterator[httpx.Client]:
    """Logged in at the page that the daemon runs; the station has a bank of its own."""
    own = copy_of(daemon.folder / daemon.settings["stations"][0]["bank"], tmp_path)
    daemon.settings["stations"][0]["bank"] = str(own)
    daemon.settings["review"] = {"enabled": True, "port": free_port(), "sample_rate": 1.0}
    daemon.start()
    loaded = settings.load(daemon.folder / "inspector.yaml")
    with open_database(loaded.database_url) as engine:
        Accounts(engine).create("emil", "correct horse battery", Role.ENGINEER, by="ada")
        code = Sessions(engine).begin_link("emil", 1, by="ada")
    wait_until(lambda: listening(loaded.review.port), "the page listens")
    with httpx.Client(base_url=f"http://127.0.0.1:{loaded.review.port}", timeout=DEADLINE_S) as client:
        client.get(f"/enter?code={code}")
        client.headers["x-csrf-token"] = client.get("/api/v1/me").json()["csrf"]
        yield client


def test_applied_thresholds_judge_the_next_frame(
    engineer: httpx.Client, daemon: Daemon, camera: Camera, plc: Plc
) -> None:
    scratched = drawn_part(2, scratched=True)
    camera.send(frame(1, payload=drawn_part(1000)), frame(2, payload=scratched))
    wait_until(lambda: len(plc.answered()) == 2, "two verdicts")
    before = engineer.get("/api/v1/thresholds").json()
    assert before["preview"]["waiting_rejected"] == 1
    figures = engineer.get("/api/v1/figures").json()
    assert (figures["outcomes"]["ng"], figures["asked"], figures["waiting"]) == (1, 2, 2)

    wanted = {"ok": before["in_use"]["ok"], "ng": 1000.0}
    sent = {"station": str(CAM1), "bank": before["bank"]["digest"], "reason": "scratches are polished later"}
    assert engineer.post("/thresholds", data=sent | wanted).status_code == 303
    after = engineer.get("/api/v1/thresholds").json()
    assert after["in_use"]["ng"] == 1000.0
    assert after["preview"]["waiting_rejected"] == 0
    assert after["bank"]["digest"] != before["bank"]["digest"]
    runs = f'digest="{after["bank"]["digest"]}"'
    wait_until(lambda: runs in daemon.get("/metrics")[1], "the daemon judges by them")

    camera.send(frame(3, payload=scratched))
    wait_until(lambda: len(plc.answered()) == 3, "the third verdict")
    assert [row[0] for row in daemon.rows("SELECT word FROM frames ORDER BY id")][1:] == ["ng", "uncertain"]
    own = Bank.load(settings.load(daemon.folder / "inspector.yaml").stations[0].bank)
    assert own.manifest.lineage.parent == before["bank"]["digest"]
    rows = engineer.get("/api/v1/audit", params={"log": "banks"}).json()["rows"]
    assert [(row["by"], row["action"], row["reason"]) for row in rows] == [
        ("emil", "thresholds", "scratches are polished later")
    ]
    assert len(after["said"]) == 4
