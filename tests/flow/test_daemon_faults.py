"""The daemon's bad days: kill -9, a broker that goes, a full disk, a frame that ends the process."""

import json
import re
import resource
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faulty_daemon
import pytest
from line import CAM1, CAM2, Camera, Daemon, Plc, agrees, drawn_part, frame
from listening import pass_on
from services import DEADLINE_S, Mosquitto, fill_up, small_disk, wait_until

from inspector import contract
from inspector.camera import CameraOptions, publish
from inspector.demo.broker import running_broker
from inspector.settings import BrokerSettings

pytestmark = pytest.mark.faults

SLOW = {"INSPECT_S": "0.03"}


def test_kill_9_in_mid_stream_loses_and_doubles_nothing(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    published = 150
    faulty.start(**SLOW)
    sending = threading.Thread(target=lambda: camera.send(*(frame(i) for i in range(published))))
    sending.start()
    for until in (10, 40, 80):
        wait_until(lambda until=until: len(plc.answered()) >= until, f"{until} verdicts")  # type: ignore[misc]
        faulty.kill()
        faulty.start(ready=False, **SLOW)
    sending.join()
    wait_until(lambda: len(plc.answered()) == published, "a verdict for each frame")
    wait_until(lambda: faulty.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
    wait_until(faulty.ready, "the last one is there")
    wait_until(lambda: faulty.metric("inspector_frames_in_flight") == 0, "nothing is in flight")
    verdicts = faulty.rows("SELECT frame_id, count(*) FROM frames WHERE outcome = 'verdict' GROUP BY frame_id")
    assert sorted(verdicts) == sorted((f"f-{i}", 1) for i in range(published))
    assert faulty.rows("SELECT count(*) FROM frames") == [(published,)]
    results = {(d["frame_id"], d["result_id"]) for d in plc.documents("verdict")}
    assert len(results) == published


def test_a_broker_that_restarts_in_mid_stream(faulty: Daemon, mosquitto: Mosquitto, plc: Plc, camera: Camera) -> None:
    faulty.start(**SLOW)
    camera.send(*(frame(i) for i in range(60)))
    wait_until(lambda: len(plc.answered()) >= 10, "10 verdicts")
    mosquitto.stop()
    wait_until(lambda: not faulty.ready(), "the daemon tells that the broker is away")
    assert faulty.get("/healthz")[0] == 200
    mosquitto.start()
    wait_until(lambda: faulty.rows("SELECT count(*) FROM frames") == [(60,)], "every frame in the ledger")
    wait_until(faulty.ready, "the daemon is ready again")
    wait_until(lambda: faulty.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
    with Camera(mosquitto.port) as again:
        again.send(frame(60))
        wait_until(lambda: faulty.rows("SELECT count(*) FROM frames") == [(61,)], "frames go on")
    assert faulty.rows("SELECT DISTINCT outcome FROM frames") == [("verdict",)]
    agrees(faulty)


def test_it_waits_for_a_broker_that_is_not_up_yet(daemon: Daemon, mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    daemon.start(ready=False)
    wait_until(lambda: daemon.get("/readyz")[0] == 503, "an answer")
    wait_until(lambda: set(daemon.faults()) == {"broker", f"broker {CAM1}"}, "all is up but the broker")
    mosquitto.start()
    wait_until(daemon.ready, "ready")


def test_verdicts_wait_in_the_outbox_while_nobody_takes_them(
    daemon: Daemon, mosquitto: Mosquitto, camera: Camera
) -> None:
    daemon.start()
    camera.send(frame(0))
    wait_until(lambda: daemon.rows("SELECT count(*) FROM frames") == [(1,)], "a verdict")
    daemon.terminate()
    document = daemon.rows("SELECT document FROM frames")[0][0]
    with daemon.database() as connection:
        insert = "INSERT INTO outbox (topic, payload) VALUES (?, ?)"
        topic = contract.station_topic(CAM1, "verdict")
        for i in range(250):
            connection.execute(insert, (topic, document.replace("f-0", f"g-{i}").encode()))
        connection.commit()
    with Plc(mosquitto.port) as plc:
        daemon.start()
        wait_until(lambda: len(plc.documents("verdict")) == 250, "what waited is published")
        assert [d["frame_id"] for d in plc.documents("verdict")] == [f"g-{i}" for i in range(250)]
        wait_until(lambda: daemon.metric("inspector_outbox_depth") == 0, "the broker has all")
        wait_until(lambda: daemon.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")


@pytest.mark.parametrize("fault", [faulty_daemon.DEADLY, faulty_daemon.HANGING])
def test_a_frame_that_ends_the_process_is_given_up(faulty: Daemon, plc: Plc, camera: Camera, fault: bytes) -> None:
    faulty.start(STALLED_S="4")
    camera.send(frame(0), frame(1, payload=drawn_part(1) + fault), frame(2))
    starts = 1
    while not plc.documents("error"):
        wait_until(lambda: not faulty.running or plc.documents("error"), "the process ended, or gave the frame up")
        if not faulty.running:
            starts += 1
            faulty.start(ready=False, STALLED_S="4")
    assert starts == 4
    error = plc.documents("error")[0]
    assert (error["frame_id"], error["reason"]) == ("f-1", "poison")
    assert (faulty.folder / "data/quarantine" / error["quarantine_id"]).read_bytes().endswith(fault)
    wait_until(lambda: len(plc.answered()) == 3, "the line goes on")
    wait_until(lambda: faulty.rows("SELECT count(*) FROM attempts") == [(0,)], "nothing is left of the attempts")


def test_a_library_that_hangs_ends_the_process_for_its_supervisor(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    faulty.start(STALLED_S="4")
    camera.send(frame(0, payload=drawn_part(0) + faulty_daemon.HANGING))
    assert faulty.wait() == 1
    (fault,) = faulty.logged("fault")
    assert fault["level"] == "CRITICAL"
    assert re.search(r"f-0: inspected for \d+ s, expected at most 4 s", fault["exc_info"])
    assert not faulty.rows("SELECT * FROM frames")
    wait_until(lambda: plc.last(contract.instance_topic("main", "status")) == b"offline", "status offline")


def test_a_library_that_hangs_does_not_hold_back_an_orderly_end(faulty: Daemon, camera: Camera) -> None:
    faulty.start(FINISH_S="1")
    camera.send(frame(0, payload=drawn_part(0) + faulty_daemon.HANGING))
    wait_until(lambda: faulty_daemon.HANGS in faulty.log.read_text(), "the frame is in hand")
    assert faulty.terminate() == 0
    (left,) = faulty.logged("left unfinished")
    assert left["frame"].endswith("f-0")
    assert not faulty.rows("SELECT * FROM frames")


def test_a_full_disk_holds_frames_back_and_loses_none(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(*(frame(i) for i in range(5)))
    wait_until(lambda: len(plc.answered()) == 5, "five verdicts")
    wait_until(lambda: daemon.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
    written = max(path.stat().st_size for path in (daemon.folder / "data").iterdir() if path.is_file())
    _, hard = resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (written, hard))
    camera.send(*(frame(i) for i in range(5, 20)))
    camera.send(frame(20, payload=b"no picture"))
    wait_until(lambda: daemon.get("/readyz")[0] == 503, "not ready")
    assert "ledger" in daemon.faults()
    assert daemon.metric("inspector_store_failures_total") > 0
    assert len(plc.answered()) == 5
    resource.prlimit(daemon.pid, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: len(plc.answered()) == 21, "all are decided when there is space again")
    wait_until(daemon.ready, "ready again")
    agrees(daemon)


def test_a_disk_that_was_full_before_the_start_is_told_too(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    """What comes again is looked for in the ledger before it is inspected, and noted there."""
    with small_disk(daemon.folder / "data", size=3_000_000):
        daemon.start()
        filling = fill_up(daemon.folder / "data")
        camera.send(*(frame(i) for i in range(5)))
        wait_until(lambda: "ledger" in daemon.faults(), "the full disk is told")
        daemon.terminate()
        daemon.start(ready=False)
        wait_until(lambda: daemon.get("/readyz")[0] == 503 and "attempts" in daemon.faults(), "it is told again")
        assert "full" in daemon.faults()["attempts"]
        assert daemon.metric("inspector_store_failures_total") > 0
        assert plc.answered() == {}
        filling.unlink()
        wait_until(lambda: len(plc.answered()) == 5, "all are decided when there is space again")
        wait_until(daemon.ready, "ready again")
        daemon.terminate()


def rename(daemon: Daemon, table: str, column: str, to: str) -> None:
    """Writes to a table whose column is called otherwise fail."""
    with daemon.database() as connection:
        connection.execute(f"ALTER TABLE {table} RENAME COLUMN {column} TO {to}")
        connection.commit()


def test_a_ledger_that_cannot_be_written_is_waited_for(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    rename(daemon, "frames", "word", "other")
    camera.send(frame(0))
    wait_until(lambda: "ledger" in daemon.faults(), "the fault is told")
    rename(daemon, "frames", "other", "word")
    wait_until(lambda: plc.answered(), "the verdict")
    wait_until(daemon.ready, "ready again")


def test_a_ledger_that_cannot_be_written_after_a_crash_is_told_once(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    """Frames that come again are looked up first: the log of a box whose disk is full must not grow with each try."""
    daemon.start()
    rename(daemon, "frames", "word", "other")
    camera.send(frame(0))
    wait_until(lambda: "ledger" in daemon.faults(), "the fault is told")
    daemon.kill()
    rename(daemon, "attempts", "count", "other")
    daemon.start(ready=False)

    def told() -> int:
        return sum(line.get("condition") == "attempts" for line in daemon.logged("condition"))

    wait_until(told, "the condition is told")
    time.sleep(3)
    assert told() == 1
    rename(daemon, "frames", "other", "word")
    rename(daemon, "attempts", "other", "count")
    wait_until(lambda: plc.answered(), "the verdict")


def test_a_bug_ends_the_process_for_its_supervisor(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    faulty.start()
    camera.send(frame(0, payload=drawn_part(0) + faulty_daemon.BUGGY))
    assert faulty.wait() != 0
    fault = faulty.logged("fault")[0]
    assert (fault["level"], fault["in_thread"]) == ("CRITICAL", "worker")
    assert "RuntimeError: a bug" in fault["exc_info"]
    wait_until(lambda: plc.last(contract.instance_topic("main", "status")) == b"offline", "status offline")


def test_two_daemons_do_not_share_a_folder(daemon: Daemon) -> None:
    daemon.start()
    second = Daemon(daemon.folder, port=0, bank=Path())
    second.settings = {**daemon.settings, "metrics": {"port": 0}}
    second.start(ready=False)
    assert second.wait() == 1
    assert "is used by another daemon" in daemon.log.read_text()


def test_two_daemons_do_not_share_a_database(daemon: Daemon, mosquitto: Mosquitto, bank: Path) -> None:
    daemon.start()
    folder = daemon.folder / "second"
    folder.mkdir()
    with Daemon(folder, port=mosquitto.port, bank=bank) as second:
        second.settings["database"] = f"sqlite:///{daemon.folder}/data/ledger.sqlite3"
        second.start(ready=False)
        assert second.wait() == 1
        assert "is used by another daemon, expected a database for each" in second.log.read_text()
    assert daemon.ready()


def test_a_copy_is_restored_after_kill_9(daemon: Daemon, plc: Plc, camera: Camera, tmp_path: Path) -> None:
    def database(verb: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "inspector", "db", verb, str(tmp_path / "copy"), "-c", "inspector.yaml"]
        return subprocess.run(command, cwd=daemon.folder, capture_output=True, text=True, timeout=DEADLINE_S)

    daemon.start()
    camera.send(*(frame(i) for i in range(5)))
    wait_until(lambda: len(plc.answered()) == 5, "5 verdicts")
    assert database("backup").returncode == 0
    camera.send(*(frame(i) for i in range(5, 20)))
    wait_until(lambda: len(plc.answered()) == 20, "20 verdicts")
    refused = database("restore")
    assert refused.returncode == 1
    assert "is used by a daemon" in refused.stderr
    daemon.kill()
    assert (daemon.folder / "data" / "ledger.sqlite3-wal").stat().st_size
    done = database("restore")
    assert done.returncode == 0, done.stderr
    assert daemon.rows("SELECT count(*) FROM frames") == [(5,)]
    daemon.start()
    camera.send(frame(20))
    wait_until(lambda: "f-20" in plc.answered(), "a verdict after it")
    assert daemon.rows("SELECT count(*) FROM frames") == [(6,)]


def test_every_frame_holds_the_broker_back_and_drops_nothing(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    faulty.settings["stations"][0]["queue"] = {"policy": "every_frame", "capacity": 4}
    faulty.start(INSPECT_S="0.02")
    camera.send(*(frame(i) for i in range(60)))
    assert faulty.metric("inspector_queue_depth") <= 4
    wait_until(lambda: len(plc.answered()) == 60, "a verdict for each")
    agrees(faulty)
    assert faulty.metric("inspector_frames_dropped_total") == 0


def test_every_frame_holds_back_a_broker_without_receive_maximum(
    faulty: Daemon, plc: Plc, mosquitto: Mosquitto
) -> None:
    faulty.settings["broker"]["protocol"] = "3.1.1"
    faulty.settings["stations"][0]["queue"] = {"policy": "every_frame", "capacity": 2}
    faulty.start(INSPECT_S="0.02")
    with Camera(mosquitto.port, version="3.1.1") as camera:
        camera.send(*(frame(i) for i in range(60)))
    wait_until(lambda: len(plc.answered()) == 60, "a verdict for each")
    agrees(faulty)
    assert faulty.metric("inspector_frames_dropped_total") == 0


def test_freshest_drops_the_oldest_and_counts_each(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    faulty.settings["stations"][0]["queue"] = {"policy": "freshest", "capacity": 1}
    faulty.start(INSPECT_S="0.1")
    camera.send(*(frame(i) for i in range(60)))
    wait_until(lambda: plc.answered().get("f-59"), "a verdict for the newest frame")
    agrees(faulty)
    dropped = faulty.metric("inspector_frames_dropped_total", reason="superseded")
    assert dropped > 10
    assert faulty.rows("SELECT count(*) FROM frames WHERE outcome = 'drop' AND word = 'superseded'") == [(dropped,)]
    assert faulty.metric("inspector_sequence_gaps_total") == 0


def test_a_slow_station_does_not_hold_back_another(faulty: Daemon, plc: Plc, camera: Camera) -> None:
    first = faulty.settings["stations"][0]
    first["queue"] = {"policy": "every_frame", "capacity": 4}
    faulty.settings["stations"].append({**first, "id": str(CAM2)})
    faulty.start(INSPECT_S="0.05")
    camera.send(*(frame(i) for i in range(100)))
    camera.send(frame(0, station=CAM2))
    wait_until(lambda: plc.documents("verdict", CAM2), "the verdict of the other station")
    assert len(plc.documents("verdict", CAM1)) < 100


def test_a_proxy_that_closes_connections_does_not_settle_the_protocol(
    daemon: Daemon, plc: Plc, mosquitto: Mosquitto
) -> None:
    mosquitto.stop()
    with socket.create_server(("127.0.0.1", mosquitto.port)) as proxy:
        proxy.settimeout(DEADLINE_S)
        daemon.start(ready=False)
        for _ in range(5):
            proxy.accept()[0].close()
    mosquitto.start()
    wait_until(daemon.ready, "ready")
    info = contract.instance_topic("main", "info")
    wait_until(lambda: plc.last(info), "the daemon tells about itself")
    assert json.loads(plc.last(info) or b"")["protocol"] == "5"


@contextmanager
def way_for_others(port: int, client: bytes) -> Iterator[tuple[int, threading.Event]]:
    """The port of a way to the broker at `port` that closes the connections of one client, until the event is set."""
    opened = threading.Event()

    class Way(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            first = self.request.recv(4096)
            if client in first and not opened.is_set():
                return
            with socket.create_connection(("127.0.0.1", port)) as broker:
                broker.sendall(first)
                there = threading.Thread(target=pass_on, args=(self.request, broker), daemon=True)
                there.start()
                pass_on(broker, self.request)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Way) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield server.server_address[1], opened
        server.shutdown()


def test_a_camera_is_told_that_nobody_listens_as_long_as_its_station_does_not(
    daemon: Daemon, mosquitto: Mosquitto, plc: Plc, tmp_path: Path
) -> None:
    """After the broker was away each connection comes back in its own time; one for strangers listens to all frames."""
    (tmp_path / "part.png").write_bytes(drawn_part(1))
    asked = CameraOptions(
        source=str(tmp_path / "part.png"), station=CAM1, broker=BrokerSettings(port=mosquitto.port, protocol="5")
    )
    with way_for_others(mosquitto.port, b"line1:cam1") as (port, opened):
        daemon.settings["broker"]["port"] = port
        daemon.start(ready=False)
        wait_until(
            lambda: daemon.get("/readyz")[0] == 503 and [*daemon.faults()] == [f"broker {CAM1}"], "only it is away"
        )
        wait_until(lambda: daemon.faults()[f"broker {CAM1}"] != "starting", "it was turned away")
        assert publish(asked).tally.unheard == 1
        opened.set()
        wait_until(daemon.ready, "the station listens")
        assert publish(asked).tally.unheard == 0
        wait_until(lambda: len(plc.documents("verdict")) == 1, "the verdict")
        daemon.terminate()


def test_a_broker_that_knows_no_mqtt_5_is_spoken_to_in_3_1_1(daemon: Daemon, tmp_path: Path) -> None:
    pytest.importorskip("amqtt", reason="amqtt stands for brokers without MQTT 5")
    with running_broker(tmp_path, "amqtt") as broker:
        daemon.settings["broker"] = {"port": broker.port}
        daemon.start()
        with Plc(broker.port, version="3.1.1") as plc, Camera(broker.port, version="3.1.1") as camera:
            camera.send(*(frame(i) for i in range(5)))
            wait_until(lambda: len(plc.answered()) == 5, "five verdicts")
        agrees(daemon)
        assert daemon.logged("broker connected")[-1]["protocol"] == "3.1.1"
