"""Frames that never arrived: counted while the daemon runs, and across its restarts."""

import pytest
from line import CAM1, Camera, Daemon, Plc, drawn_part, frame
from services import Mosquitto, wait_until

from inspector import contract
from inspector.types import Expected


def test_missing_sequence_numbers_are_counted(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1), frame(5), frame(6))
    wait_until(lambda: len(plc.documents("verdict")) == 3, "three verdicts")
    assert daemon.metric("inspector_sequence_gaps_total") == 3


@pytest.mark.faults
def test_what_a_broker_forgot_while_no_daemon_ran_is_missed(daemon: Daemon, mosquitto: Mosquitto) -> None:
    daemon.start()
    with Camera(mosquitto.port) as camera:
        camera.send(*(frame(i) for i in range(10, 13)))
        wait_until(lambda: daemon.rows("SELECT count(*) FROM frames") == [(3,)], "three verdicts")
        daemon.terminate()
        camera.send(*(frame(i) for i in range(13, 17)))
    mosquitto.stop()
    (mosquitto.folder / "mosquitto.db").unlink()
    mosquitto.start()
    daemon.start()
    with Camera(mosquitto.port) as camera:
        camera.send(frame(17), frame(18))
    wait_until(lambda: daemon.rows("SELECT count(*) FROM frames") == [(5,)], "verdicts for what came since")
    assert daemon.metric("inspector_sequence_gaps_total") == 4
    (line,) = daemon.logged("frames missing")
    assert (line["before_seq"], line["missing"]) == (17, 4)


@pytest.mark.faults
def test_what_was_dropped_refused_or_checked_before_a_restart_is_not_missed(faulty: Daemon, camera: Camera) -> None:
    faulty.settings["stations"][0]["queue"] = {"policy": "freshest", "capacity": 1}
    faulty.start(INSPECT_S="0.2")
    camera.send(*(frame(i) for i in range(100, 130)))
    wait_until(lambda: faulty.rows("SELECT count(*) FROM frames") == [(30,)], "an outcome for each")
    assert faulty.metric("inspector_frames_dropped_total", reason="superseded") > 10
    damaged = [(name, "0" * 8 if name == "crc32" else said) for name, said in contract.frame_properties(frame(130))]
    camera.send_raw(contract.station_topic(CAM1, "frame"), drawn_part(130), damaged)
    camera.send(*(frame(i, prefix="check", expected=Expected.OK) for i in range(2)))
    camera.send(frame(1, prefix="torn", payload=b"no picture", expected=Expected.OK))
    answered = "SELECT count(*) FROM frames WHERE word = 'crc_mismatch' OR frame_id = 'torn-1'"
    wait_until(lambda: faulty.rows(answered) == [(2,)], "the errors")
    wait_until(lambda: faulty.metric("inspector_frames_in_flight") == 0, "nothing is in flight")
    assert faulty.metric("inspector_sequence_gaps_total") == 0
    faulty.terminate()
    faulty.start()
    camera.send(frame(131), frame(133))
    wait_until(lambda: faulty.metric("inspector_sequence_gaps_total") > 0, "the one that is missing")
    assert faulty.metric("inspector_sequence_gaps_total") == 1
