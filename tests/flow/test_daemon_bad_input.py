"""What stations send by mistake: each has its own error or counted drop, none stops the daemon, none is lost."""

import base64
import json
import time
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from line import CAM1, Camera, Daemon, Plc, agrees, drawn_part, frame
from services import Mosquitto, wait_until

from inspector import contract
from inspector.types import StationId

pytestmark = pytest.mark.faults

FRAMES = contract.station_topic(CAM1, "frame")
GOOD = drawn_part(0)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")


def decompression_bomb(side: int = 13_000) -> bytes:
    """A grey PNG of side x side pixels in a few hundred kilobytes."""
    header = side.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    rows = zlib.compress(bytes((side + 1) * side), 6)
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", rows) + png_chunk(b"IEND", b"")


BAD: dict[str, tuple[bytes, dict[str, str], str]] = {
    "empty": (b"", {}, "empty"),
    "truncated": (GOOD[: len(GOOD) // 2], {}, "damaged"),
    "garbage": (b"\x00\xff garbage" * 100, {}, "unknown_format"),
    "bomb": (decompression_bomb(), {}, "too_large"),
    "wrong crc": (GOOD, {"crc32": "deadbeef"}, "crc_mismatch"),
    "wrong recipe": (GOOD, {"recipe": "another"}, "unknown_recipe"),
    "bad seq": (GOOD, {"seq": "one"}, "bad_message"),
    "bad time": (GOOD, {"captured_at": "noon"}, "bad_message"),
    "huge lot": (GOOD, {"lot": "x" * 60_000}, "bad_message"),
    "bad envelope": (b'{"image": ', {}, "bad_message"),
    "no base64": (json.dumps({"frame_id": "e", "image": "!"}).encode(), {}, "bad_message"),
}


def test_each_bad_frame_has_its_own_error_and_the_line_goes_on(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    for name, (payload, said, _) in BAD.items():
        camera.send_raw(FRAMES, payload, [("frame_id", name), ("part_id", f"part {name}"), *said.items()])
    camera.send_raw(FRAMES, GOOD, [("seq", "1")])
    camera.send(frame(1))
    wait_until(lambda: plc.documents("verdict"), "the verdict of the good frame")
    wait_until(lambda: len(plc.documents("error")) == len(BAD) + 1, "an error for each bad one")
    errors = plc.documents("error")
    assert [error["reason"] for error in errors] == [*(reason for _, _, reason in BAD.values()), "bad_message"]
    by_id = {error["frame_id"]: error for error in errors}
    assert by_id["wrong crc"]["part_id"] == "part wrong crc"
    assert "the camera sent deadbeef" in by_id["wrong crc"]["message"]
    assert "13000" in by_id["bomb"]["message"]
    assert "frame_id is missing" in errors[-1]["message"]
    assert errors[-1]["frame_id"].startswith("sha256:")
    for name, (payload, _, _) in BAD.items():
        kept = by_id[name]["quarantine_id"] if name in by_id else None
        if kept is not None:
            assert (daemon.folder / "data/quarantine" / kept).read_bytes() == payload
    assert by_id["truncated"]["quarantine_id"]
    agrees(daemon)
    assert daemon.metric("inspector_frames_rejected_total", reason="too_large") == 1


def test_a_byte_order_mark_does_not_stop_the_station(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1, lot="\ufeffLOT1"), frame(2))
    wait_until(lambda: plc.answered().get("f-2"), "the verdict of the next frame")
    assert [(v["frame_id"], v["lot"]) for v in plc.documents("verdict")] == [("f-1", "\ufeffLOT1"), ("f-2", None)]
    assert daemon.logged("broker away") == []
    agrees(daemon)


@pytest.mark.parametrize(
    ("properties", "payload_format", "fault"),
    [([("frame_id", "f-1")], 2, "PayloadFormatIndicator"), ([("a", "")] * 20_000, None, "120000 bytes of properties")],
    ids=["unknown", "too many"],
)
def test_a_frame_whose_properties_cannot_be_read_is_an_error(
    properties: list[tuple[str, str]], payload_format: int | None, fault: str, daemon: Daemon, plc: Plc, camera: Camera
) -> None:
    daemon.start()
    camera.send_raw(FRAMES, GOOD, properties, payload_format=payload_format)
    camera.send(frame(2))
    wait_until(lambda: plc.answered().get("f-2"), "the verdict of the next frame")
    (error,) = plc.documents("error")
    assert (error["reason"], error["frame_id"]) == ("bad_message", f"sha256:{error['sha256']}")
    assert (daemon.folder / "data/quarantine" / error["quarantine_id"]).read_bytes() == GOOD
    assert fault in daemon.logged("properties unreadable")[0]["fault"]
    assert daemon.logged("broker away") == []
    agrees(daemon)


def test_an_image_is_not_quarantined_in_its_wrapping(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    wrapped = {"frame_id": "w", "crc32": "00000000", "image": base64.b64encode(GOOD).decode()}
    camera.send_raw(FRAMES, json.dumps(wrapped).encode())
    wait_until(lambda: plc.documents("error"), "the error")
    kept = plc.documents("error")[0]["quarantine_id"]
    assert (daemon.folder / "data/quarantine" / kept).read_bytes() == GOOD


def test_a_frame_that_comes_twice_has_one_verdict(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1), frame(1), frame(2), frame(1))
    wait_until(lambda: plc.answered().get("f-2"), "the verdict of the other frame")
    wait_until(lambda: daemon.metric("inspector_frames_dropped_total", reason="duplicate") == 2, "both are counted")
    agrees(daemon)
    assert plc.answered() == {"f-1": 1, "f-2": 1}


def test_of_two_parts_without_id_or_picture_each_has_an_error(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    for part in ("one", "two"):
        camera.send_raw(FRAMES, b"", [("part_id", part)])
    camera.send(frame(1))
    wait_until(lambda: plc.answered().get("f-1"), "the verdict of the next frame")
    agrees(daemon)
    assert [(error["reason"], error["part_id"]) for error in plc.documents("error")] == [
        ("bad_message", "one"),
        ("bad_message", "two"),
    ]
    assert daemon.metric("inspector_frames_repeated_total") == 1


def test_a_frame_id_with_other_bytes_is_an_error(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1), frame(1, payload=drawn_part(7)), frame(1, payload=drawn_part(7)), frame(2))
    wait_until(lambda: plc.answered().get("f-2"), "the verdict of the other frame")
    agrees(daemon)
    (error,) = plc.documents("error")
    assert (error["frame_id"], error["reason"]) == ("f-1", "frame_id_reused")
    assert daemon.rows("SELECT count(*) FROM frames WHERE frame_id = 'f-1' AND outcome = 'verdict'") == [(1,)]
    assert daemon.metric("inspector_frames_dropped_total", reason="duplicate") == 1


def test_a_frame_that_arrived_damaged_may_be_sent_again(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1, payload=GOOD[:50]), frame(1))
    wait_until(lambda: plc.documents("verdict"), "the verdict of the better copy")
    assert plc.documents("error")[0]["reason"] == "damaged"
    agrees(daemon)


def test_a_frame_from_the_future_is_decided_and_counted(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1, captured_at=datetime.now(UTC) + timedelta(hours=1)), frame(2))
    wait_until(lambda: len(plc.documents("verdict")) == 2, "both verdicts")
    assert daemon.metric("inspector_frames_from_future_total") == 1
    assert daemon.metric("inspector_clock_skew_seconds") < 1
    (line,) = daemon.logged("frame from the future")
    assert 3500 < line["ahead_s"] < 3700


def test_a_retained_frame_is_not_inspected(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    camera.send_raw(FRAMES, GOOD, [("frame_id", "stale")], retain=True)
    daemon.start()
    camera.send(frame(1))
    wait_until(lambda: plc.documents("verdict"), "the verdict of the live frame")
    agrees(daemon)
    assert plc.answered() == {"f-1": 1}
    assert daemon.metric("inspector_frames_dropped_total", reason="retained") == 1


def watches(daemon: Daemon) -> bool:
    return any(line["client"] == "inspector:main:watch" for line in daemon.logged("broker connected"))


@pytest.mark.parametrize("levels", ["plant/hall1/line1/cam9", "../../etc/passwd", "a b/ü/%2e/$SYS"])
def test_an_unknown_station_is_told(levels: str, daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    wait_until(lambda: watches(daemon), "the daemon listens to all stations")
    camera.send_raw(f"{contract.ROOT}/{levels}/frame", GOOD, [("frame_id", "lost"), ("part_id", "p")])
    wait_until(lambda: plc.documents("error"), "the error")
    (error,) = plc.documents("error")
    assert (error["station"], error["reason"], error["frame_id"], error["part_id"]) == (
        levels,
        "unknown_station",
        "lost",
        "p",
    )
    assert plc.last(f"{contract.ROOT}/{levels}/error")
    assert daemon.metric("inspector_frames_received_total", station="_unknown") == 1
    assert daemon.metric("inspector_frames_rejected_total", station="_unknown") == 1
    assert daemon.rows("SELECT count(*) FROM frames") == [(0,)]


def test_of_a_flood_from_unknown_stations_each_frame_is_counted_and_some_are_answered(
    daemon: Daemon, plc: Plc, camera: Camera
) -> None:
    daemon.start()
    wait_until(lambda: watches(daemon), "the daemon listens to all stations")
    began = time.monotonic()
    camera.pour((f"{contract.ROOT}/a/b/c/{number % 500}/frame" for number in range(2000)), b"x")
    wait_until(
        lambda: daemon.metric("inspector_frames_rejected_total", station="_unknown") == 2000, "each frame is counted"
    )
    took_s = time.monotonic() - began
    camera.send(frame(1))
    wait_until(lambda: plc.documents("verdict"), "the verdict of the known station")
    assert 0 < len(plc.documents("error")) <= 100 * (took_s + 1) + 1, "a hundred, and a hundred a second"
    assert 0 < len(daemon.logged("frame of an unknown station")) < 300


def test_plants_with_several_daemons_can_leave_strangers_alone(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.settings["report_unknown_stations"] = False
    daemon.start()
    camera.send(frame(1, station=StationId.parse("plant/hall1/line1/cam9")), frame(1))
    wait_until(lambda: plc.documents("verdict"), "the verdict of the known station")
    assert plc.documents("error") == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda bank: (bank / "memory.safetensors").write_bytes(b"x"), "memory.safetensors"),
        (lambda bank: (bank / "manifest.json").unlink(), "manifest.json"),
    ],
)
def test_a_bank_that_must_not_be_used_is_refused_at_the_start(
    damage: Callable[[Path], object], told: str, daemon: Daemon, bank: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in bank.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    damage(copy)
    daemon.settings["stations"][0]["bank"] = str(copy)
    daemon.start(ready=False)
    assert daemon.wait() == 1
    last = daemon.log.read_text().splitlines()[-1]
    assert last.startswith("error: bank")
    assert told in last


def test_a_typo_in_the_configuration_is_told(daemon: Daemon) -> None:
    daemon.settings["brocker"] = {}
    daemon.start(ready=False)
    assert daemon.wait() == 2
    assert "brocker: unknown key, did you mean broker?" in daemon.log.read_text()


def test_a_port_that_is_taken_is_told(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.settings["metrics"]["port"] = mosquitto.port
    daemon.start(ready=False)
    assert daemon.wait() == 2
    assert f"metrics: cannot listen on 127.0.0.1:{mosquitto.port}" in daemon.log.read_text()
