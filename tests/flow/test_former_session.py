"""An upgrade from before the daemon's client ids had a key: what waits at the broker under the former ids."""

from pathlib import Path

import pytest
from line import CAM1, Camera, Daemon, Plc, agrees, frame
from services import Mosquitto, wait_until
from sessions import session_of

from inspector import contract

FORMER = f"inspector:main:{str(CAM1).replace('/', ':')}"
FRAMES = contract.station_topic(CAM1, "frame")


def key_file(daemon: Daemon) -> Path:
    return daemon.folder / "data" / "session-key"


def is_emptied(daemon: Daemon) -> bool:
    return key_file(daemon).exists() and "former" not in key_file(daemon).read_text()


@pytest.fixture
def used(tmp_path: Path) -> None:
    """A daemon ran in this folder before there were keys."""
    (tmp_path / "data" / "quarantine").mkdir(parents=True)


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_frames_that_wait_under_an_id_without_a_key_are_decided_while_others_come(
    version: str, used: None, mosquitto: Mosquitto, daemon: Daemon, plc: Plc
) -> None:
    daemon.settings["broker"]["protocol"] = version
    waiting, live = range(70), range(70, 90)
    with session_of(FORMER, mosquitto.port, FRAMES, "a/strangers/topic", version=version):
        pass
    with Camera(mosquitto.port, version=version) as camera:
        camera.send_raw("a/strangers/topic", b"not a frame")
        camera.send(*(frame(i) for i in waiting))
        daemon.start(ready=False)
        for i in live:
            camera.send(frame(i))
        wait_until(lambda: is_emptied(daemon), "the former session is emptied")
        camera.send(frame(90))
        wait_until(lambda: plc.answered() == {f"f-{i}": 1 for i in range(91)}, "a verdict for each")
    agrees(daemon)
    assert daemon.metric("inspector_sequence_gaps_total") == 0
    with session_of(FORMER, mosquitto.port, version=version, clean=True) as there:
        assert not there, "the broker has forgotten it"


def test_frames_that_wait_under_an_id_without_a_key_outlive_a_kill_and_a_broker_that_restarts(
    used: None, mosquitto: Mosquitto, faulty: Daemon, plc: Plc
) -> None:
    with session_of(FORMER, mosquitto.port, FRAMES):
        pass
    with Camera(mosquitto.port) as camera:
        camera.send(*(frame(i) for i in range(40)))
    faulty.start(ready=False, INSPECT_S="0.05")
    wait_until(lambda: len(plc.answered()) >= 10, "some are decided")
    faulty.kill()
    assert not is_emptied(faulty)
    faulty.start(ready=False, INSPECT_S="0.05")
    wait_until(lambda: len(plc.answered()) >= 20, "some more are decided")
    mosquitto.stop()
    mosquitto.start()
    wait_until(lambda: is_emptied(faulty), "the former session is emptied")
    assert faulty.rows("SELECT outcome, count(*) FROM frames GROUP BY outcome") == [("verdict", 40)]
