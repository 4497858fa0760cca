"""A lamp dims at a running line: told as drift, everywhere it should be, and not as rejects."""

import json
from pathlib import Path

from banks import copy_of, sign
from line import CAM1, Camera, Daemon, Plc, changed, frame
from services import wait_until

from inspector import contract

TOPIC = contract.station_topic(CAM1, "drift")


def drift_of(plc: Plc) -> dict[str, object]:
    said: dict[str, object] = json.loads(plc.last(TOPIC) or b'{"state": null}')
    return said


def decided(plc: Plc, prefix: str) -> list[tuple[str, str | None, bool]]:
    """Decision, reason, and whether signals were out of control, of the frames with this prefix."""
    return [
        (d["decision"], d["reason"], bool(d["drift"]))
        for d in plc.documents("verdict")
        if d["frame_id"].startswith(prefix)
    ]


def test_a_dimmed_lamp_is_drift_and_no_row_of_rejects(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    dim = [frame(i, payload=changed(i, light=0.4), prefix="dim") for i in range(1, 41)]
    camera.send(*dim)
    wait_until(lambda: len(decided(plc, "dim")) == 40, "all dim frames are decided")
    assert {decision for decision, _, _ in decided(plc, "dim")} == {"uncertain"}
    assert all(out and reason is not None and reason.startswith("drift: ") for _, reason, out in decided(plc, "dim"))
    wait_until(lambda: drift_of(plc)["state"] == "shifted", "the broker is told")
    signals = drift_of(plc)["signals"]
    assert isinstance(signals, dict)
    assert signals["brightness"]["state"] == "shifted"
    assert -0.65 < signals["brightness"]["change"] < -0.4
    assert signals["position_x"]["state"] == "ok"
    explained = "inspector_drift_explained_total"
    wait_until(lambda: daemon.metric(explained, station=str(CAM1)) == 40, "all are counted")
    assert daemon.metric("inspector_drift_state", station=str(CAM1), signal="brightness") == 2
    assert daemon.metric("inspector_drift_ratio", station=str(CAM1), signal="brightness") < -1
    assert daemon.metric("inspector_verdicts_total", station=str(CAM1), decision="ng") == 0
    wait_until(lambda: "brightness shifted" in daemon.get("/readyz")[1], "readyz tells it")
    assert daemon.ready()

    camera.send(frame(50, payload=changed(50, light=0.4, scratched=True), prefix="scratch"))
    wait_until(lambda: decided(plc, "scratch"), "the scratched part is decided")
    assert decided(plc, "scratch") == [("ng", None, True)]

    camera.send(*(frame(i, prefix="bright") for i in range(60, 160)))
    wait_until(lambda: drift_of(plc)["state"] == "ok", "the lamp is well again")
    assert drift_of(plc)["frames"] != 0
    assert not {out for _, _, out in decided(plc, "bright")} - {False}


def test_who_comes_later_is_told_and_a_restart_takes_nothing_back(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(*(frame(i, payload=changed(i, light=0.4)) for i in range(1, 41)))
    wait_until(lambda: len(decided(plc, "f")) == 40, "all frames are decided")
    wait_until(lambda: drift_of(plc)["state"] == "shifted", "it has shifted")
    wait_until(lambda: daemon.rows("SELECT count(*) FROM outbox") == [(0,)], "nothing is left to be sent")
    with Plc(daemon.settings["broker"]["port"]) as later:
        wait_until(lambda: later.last(TOPIC) is not None, "the retained message")
        assert drift_of(later)["state"] == "shifted"
    daemon.terminate()
    daemon.start()
    camera.send(*(frame(i) for i in range(41, 71)))
    wait_until(lambda: drift_of(plc)["state"] == "ok", "charts begin anew")
    assert [d["frames"] >= 20 for d in plc.documents("drift") if d["state"] == "ok"] == [True]


def test_a_bank_without_a_baseline_says_that_it_does_not_know(
    daemon: Daemon, plc: Plc, camera: Camera, bank: Path, tmp_path: Path
) -> None:
    former = copy_of(bank, tmp_path)
    (former / "drift.safetensors").unlink()
    sign(former)
    daemon.settings["stations"][0]["bank"] = str(former)
    daemon.start()
    wait_until(lambda: drift_of(plc)["state"] == "unknown", "it does not know")
    camera.send(frame(1, payload=changed(1, light=0.4)))
    wait_until(lambda: plc.documents("verdict"), "the frame is decided")
    assert plc.documents("verdict")[0]["decision"] == "ng"
    assert daemon.metric("inspector_drift_state", station=str(CAM1), signal="brightness") == 0
