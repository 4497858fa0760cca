"""A station whose bank is missing or damaged does not stop the others, and runs as soon as there is one."""

import json
import shutil
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest
from banks import change_manifest
from line import CAM1, CAM2, Camera, Daemon, Plc, agrees, drawn_part, frame
from services import DEADLINE_S, wait_until

from inspector import contract, settings
from inspector.banks.promotion import promote
from inspector.banks.rebuilding import start_calibration
from inspector.samples.asked import Asked
from inspector.samples.folder import SampleFolder
from inspector.store import Candidates, NewestPictures, open_database

pytestmark = pytest.mark.faults

INFO = contract.instance_topic("main", "info")
BANK_OF_CAM2 = f"bank {CAM2}"


@pytest.fixture
def place(daemon: Daemon, tmp_path: Path) -> Path:
    """Where the second station's bank is to be; nothing is there."""
    folder = tmp_path / "banks" / "second"
    daemon.settings["stations"].append({"id": str(CAM2), "bank": str(folder)})
    return folder


def lacks_only_that(daemon: Daemon) -> bool:
    status, body = daemon.get("/readyz")
    return status != 0 and [*json.loads(body)["faults"]] == [BANK_OF_CAM2]


def test_its_frames_are_errors_until_a_bank_is_there(
    daemon: Daemon, place: Path, bank: Path, plc: Plc, camera: Camera
) -> None:
    daemon.start(ready=False)
    wait_until(lambda: lacks_only_that(daemon), "only the bank is missing")
    assert "no manifest.json there" in daemon.faults()[BANK_OF_CAM2]
    camera.send(frame(1), frame(2, station=CAM2))
    wait_until(lambda: plc.documents("verdict", CAM1), "the other station goes on")
    wait_until(lambda: plc.documents("error", CAM2), "the frame is answered")
    error = plc.documents("error", CAM2)[0]
    assert (error["reason"], error["frame_id"], error["quarantine_id"]) == ("no_bank", "f-2", None)
    wait_until(lambda: daemon.metric("inspector_bank_refused", station=str(CAM2)) == 1, "the figures say so")
    wait_until(lambda: plc.last(INFO), "the daemon tells what it runs")
    info = json.loads(plc.last(INFO) or b"")
    assert [(each["id"], each["bank"] is None) for each in info["stations"]] == [(str(CAM1), False), (str(CAM2), True)]

    shutil.copytree(bank, place.with_name("beside"))
    place.with_name("beside").rename(place)
    wait_until(lambda: daemon.faults() == {}, "the bank is taken, and the line is ready")
    camera.send(frame(2, station=CAM2), frame(3, station=CAM2))
    wait_until(lambda: len(plc.documents("verdict", CAM2)) == 2, "the same frame once more, and another one")
    wait_until(lambda: daemon.metric("inspector_bank_refused", station=str(CAM2)) == 0, "the figures say so as well")
    agrees(daemon, CAM2)


def test_a_damaged_bank_is_named_and_nothing_else_stands_still(
    daemon: Daemon, place: Path, bank: Path, plc: Plc, camera: Camera
) -> None:
    shutil.copytree(bank, place)
    (place / "memory.safetensors").write_bytes(b"x")
    daemon.start(ready=False)
    wait_until(lambda: lacks_only_that(daemon), "only this bank has a fault")
    assert "memory.safetensors has sha256" in daemon.faults()[BANK_OF_CAM2]
    camera.send(frame(1))
    wait_until(lambda: plc.documents("verdict", CAM1), "the other station goes on")
    change_manifest(place, lambda manifest: manifest["calibration"].update(pixel=9.0))
    wait_until(
        lambda: daemon.metric("inspector_bank_changes_total", station=str(CAM2), outcome="refused") == 2,
        "looked at again",
    )
    assert lacks_only_that(daemon)


def test_where_no_station_has_one_yet_the_daemon_waits_for_the_first(
    daemon: Daemon, bank: Path, tmp_path: Path, plc: Plc, camera: Camera
) -> None:
    place = tmp_path / "banks" / "first"
    daemon.settings["stations"][0]["bank"] = str(place)
    daemon.start(ready=False)
    wait_until(lambda: daemon.get("/readyz")[0] == 503, "it runs, and is not ready")
    wait_until(lambda: [*daemon.faults()] == [f"bank {CAM1}"], "only the bank is missing")
    camera.send(frame(1))
    wait_until(lambda: plc.documents("error", CAM1), "the frame is answered")
    assert plc.documents("error", CAM1)[0]["reason"] == "no_bank"
    pictures, numbers = NewestPictures(daemon.folder / "data"), count(100)

    def shown() -> bytes | None:
        pictures.ask()
        camera.send(frame(next(numbers)))
        return pictures.read(str(CAM1))

    wait_until(shown, "Line shows what the camera sees all the same")

    shutil.copytree(bank, place.with_name("beside"))
    place.with_name("beside").rename(place)
    wait_until(lambda: daemon.faults() == {}, "the bank is taken, and the line is ready")
    camera.send(frame(2))
    wait_until(lambda: plc.documents("verdict", CAM1), "the station decides")


def test_where_all_banks_are_damaged_the_daemon_ends_with_the_reason(
    daemon: Daemon, bank: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / "banks" / "damaged"
    shutil.copytree(bank, damaged)
    (damaged / "memory.safetensors").write_bytes(b"x")
    daemon.settings["stations"][0]["bank"] = str(damaged)
    daemon.start(ready=False)
    assert daemon.wait() == 1
    assert "memory.safetensors has sha256" in daemon.log.read_text()


def test_a_frame_that_comes_again_is_answered_once(daemon: Daemon, place: Path, plc: Plc, camera: Camera) -> None:
    daemon.start(ready=False)
    wait_until(lambda: lacks_only_that(daemon), "only the bank is missing")
    camera.send(*(frame(1, station=CAM2) for _ in range(5)), frame(2, station=CAM2))
    wait_until(lambda: len(plc.answered()) == 2, "both frames are answered")
    assert {document["reason"] for document in plc.documents("error", CAM2)} == {"no_bank"}
    assert not place.exists()
    agrees(daemon, CAM2)


def test_a_first_bank_is_made_from_the_stations_samples(daemon: Daemon, place: Path, plc: Plc, camera: Camera) -> None:
    daemon.start(ready=False)
    wait_until(lambda: lacks_only_that(daemon), "only the bank is missing")
    loaded = settings.load(daemon.folder / "inspector.yaml")
    samples = SampleFolder(loaded.data_dir, str(CAM2))
    for seed in range(20):
        samples.add(drawn_part(seed), datetime.now(UTC))
    samples.recipe_file.write_text("size_wh: [64, 64]\nvectors: 500\nwhitening: 0\n")
    with open_database(loaded.database_url) as engine:
        number = start_calibration(loaded, engine, str(CAM2), Asked(max_false_reject=0.1), by="emil")
        wait_until(
            lambda: Candidates(engine).get(number).state not in ("building", "built"),
            "the candidate is tried, which gives way to all else",
            deadline_s=3 * DEADLINE_S,
        )
        made = Candidates(engine).get(number)
        assert (made.state, made.base_digest, made.document["found"]["samples"]) == ("shadowed", None, 20)
        assert daemon.faults().keys() == {BANK_OF_CAM2}, "nothing is taken into use before somebody says so"
        promote(loaded, engine, str(CAM2), Path(made.path), by="emil")
    wait_until(lambda: daemon.faults() == {}, "the bank is taken, and the line is ready")
    camera.send(frame(2, station=CAM2))
    wait_until(lambda: plc.documents("verdict", CAM2), "the station decides")
    assert plc.documents("verdict", CAM2)[0]["bank"]["digest"] == made.digest
    agrees(daemon, CAM2)
