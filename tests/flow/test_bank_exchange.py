"""A bank is exchanged under the running daemon: no frame is lost, and each verdict names the bank that made it."""

import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from banks import change_manifest
from line import CAM1, CAM2, Camera, Daemon, Plc, agrees, frame
from services import wait_until

from inspector import contract
from inspector.bank import file_sha256
from inspector.banks.shelf import Shelf
from inspector.exchange import exchange

FPS = 15


def variant(bank: Path, place: Path, pixel: float) -> Path:
    shutil.copytree(bank, place)
    change_manifest(place, lambda manifest: manifest["calibration"].update(pixel=pixel))
    return place


def damaged(bank: Path, place: Path) -> Path:
    """A bank whose manifest is new and whose vectors are not those that it lists."""
    variant(bank, place, 9.0)
    memory = place / "memory.safetensors"
    content = bytearray(memory.read_bytes())
    content[-1] ^= 1
    memory.write_bytes(content)
    return place


def digest(bank: Path) -> str:
    return file_sha256(bank / "manifest.json")


@pytest.fixture
def place(bank: Path, tmp_path: Path, daemon: Daemon) -> Path:
    """The bank that the daemon's station names."""
    folder = variant(bank, tmp_path / "banks" / "tile", 1.0)
    daemon.settings["stations"][0]["bank"] = str(folder)
    return folder


@contextmanager
def stream(camera: Camera) -> Iterator[list[int]]:
    """Sends frames at FPS until the end of the block; gives the numbers sent."""
    sent: list[int] = []
    ended = threading.Event()

    def send() -> None:
        begin = time.monotonic()
        while not ended.wait(max(0.0, begin + len(sent) / FPS - time.monotonic())):
            camera.send(frame(len(sent)))
            sent.append(len(sent))

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()


def runs(daemon: Daemon, bank: Path, station: str = str(CAM1)) -> bool:
    return f'digest="{digest(bank)}",station="{station}"' in daemon.get("/metrics")[1]


def decides(plc: Plc, bank: str) -> None:
    """Waits for a verdict by the bank with this digest: a line that stands still a while exchanges banks unseen."""
    wait_until(lambda: plc.documents("verdict")[-1]["bank"]["digest"] == bank, "a verdict by this bank")


def test_banks_are_exchanged_in_mid_stream(daemon: Daemon, place: Path, bank: Path, plc: Plc, camera: Camera) -> None:
    first, second = digest(place), variant(bank, place.parent / "second", 2.0)
    bad = damaged(bank, place.parent / "bad")
    daemon.start()
    with stream(camera) as sent:
        wait_until(lambda: len(plc.documents("verdict")) > 5, "the line runs")
        shelf = Shelf(place)
        shelf.promote(second, by="anna")
        wait_until(lambda: runs(daemon, second), "the second bank has taken over")
        decides(plc, digest(second))
        exchange(bad, place)
        wait_until(lambda: daemon.metric("inspector_bank_refused") == 1, "the damaged bank is refused")
        readiness = json.loads(daemon.get("/readyz")[1])
        assert readiness["ready"]
        assert "memory.safetensors has sha256" in readiness["warnings"][f"bank {CAM1}"]
        before = len(sent)
        wait_until(lambda: len(plc.documents("verdict")) > before + 5, "the line goes on with the second bank")
        exchange(bad, place)
        wait_until(lambda: daemon.metric("inspector_bank_refused") == 0, "all is well again")
        for _ in range(2):
            shelf.rollback(by="anna")
            wait_until(lambda: not runs(daemon, second), "the first bank has taken over")
            decides(plc, first)
            shelf.promote(second, by="anna")
            wait_until(lambda: runs(daemon, second), "the second bank has taken over")
            decides(plc, digest(second))
        before = len(sent)
        wait_until(lambda: len(plc.documents("verdict")) > before + 5, "the line goes on")
    wait_until(lambda: len(plc.answered()) == len(sent), "as many answers as frames")
    assert set(plc.answered().values()) == {1}
    assert plc.documents("error") == []
    digests = [document["bank"]["digest"] for document in plc.documents("verdict")]
    assert set(digests) == {first, digest(second)}
    assert sum(a != b for a, b in pairwise(digests)) == 5
    agrees(daemon)
    assert daemon.metric("inspector_bank_changes_total", outcome="taken_over") == 5
    assert daemon.metric("inspector_bank_changes_total", outcome="refused") == 1
    assert json.loads(daemon.get("/readyz")[1])["warnings"] == {}
    info = contract.instance_topic("main", "info")
    wait_until(lambda: digest(second).encode() in (plc.last(info) or b""), "the daemon tells which bank it runs")


def test_a_command_makes_it_look_at_once(daemon: Daemon, place: Path, bank: Path, plc: Plc) -> None:
    daemon.start()
    Shelf(place).promote(variant(bank, place.parent / "second", 2.0), by="anna")
    plc.request(contract.instance_topic("main", "cmd/reload"), "answers/reload")
    wait_until(lambda: plc.last("answers/reload"), "the answer")
    assert json.loads(plc.last("answers/reload") or b"") == {"ok": True, "looking_at": 1}
    wait_until(lambda: runs(daemon, place), "the new bank has taken over")
    wait_until(lambda: daemon.logged("bank taken over"), "the log says so, a moment after the figures")
    assert [line["station"] for line in daemon.logged("bank taken over")] == [str(CAM1)]


def test_a_bank_that_is_gone_goes_on_running(daemon: Daemon, place: Path, bank: Path, plc: Plc, camera: Camera) -> None:
    before = digest(place)
    daemon.start()
    shutil.rmtree(place)
    wait_until(lambda: daemon.metric("inspector_bank_refused") == 1, "the daemon has seen it")
    camera.send(frame(0))
    wait_until(lambda: plc.documents("verdict"), "a verdict")
    assert plc.documents("verdict")[0]["bank"]["digest"] == before
    variant(bank, place, 2.0)
    plc.request(contract.instance_topic("main", "cmd/reload"), "answers/reload")
    wait_until(lambda: runs(daemon, place), "the new bank has taken over")


def test_files_that_are_copied_over_change_nothing_of_what_runs(
    daemon: Daemon, place: Path, plc: Plc, camera: Camera
) -> None:
    daemon.start()
    camera.send(frame(0))
    wait_until(lambda: plc.answered() == {"f-0": 1}, "a verdict")
    graph = place / "graph.bin"
    with graph.open("r+b") as file:
        file.write(b"\x3f" * (graph.stat().st_size // 2))
    camera.send(frame(0, frame_id="f-1"))
    wait_until(lambda: "f-1" in plc.answered(), "a verdict by what was read")
    with graph.open("r+b") as file:
        file.truncate(0)
    camera.send(frame(0, frame_id="f-2"))
    wait_until(lambda: "f-2" in plc.answered(), "and another one")
    assert len({document["score"] for document in plc.documents("verdict")}) == 1


def test_stations_that_share_a_bank_change_together(daemon: Daemon, place: Path, bank: Path) -> None:
    daemon.settings["stations"].append({**daemon.settings["stations"][0], "id": str(CAM2)})
    daemon.start()
    Shelf(place).promote(variant(bank, place.parent / "second", 2.0), by="anna")
    wait_until(lambda: runs(daemon, place) and runs(daemon, place, str(CAM2)), "both run the new bank")
