"""A camera station against real brokers: what arrives, how fast, and what is told where something is wrong."""

import gc
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from click.testing import CliRunner
from listening import STATION, listening_line, options, refusing_broker, slow_way
from paho.mqtt.enums import CallbackAPIVersion
from services import DEADLINE_S, Mosquitto, wait_until

from inspector.camera import CameraOptions, CameraSummary, FrameTally, Shot, SourceLostError, publish
from inspector.cli.camera import camera
from inspector.demo.broker import running_broker
from inspector.errors import BrokerError, StationNameError, UsageError
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage


def test_a_folder_arrives_whole_in_order_and_keeps_the_contract(mosquitto: Mosquitto, folder: Path) -> None:
    told: list[FrameTally] = []
    with listening_line(mosquitto.port) as line:
        summary = publish(options(folder, mosquitto.port, fps=0, lot="L7", recipe="plate"), on_tally=told.append)
        wait_until(lambda: len(line.frames) >= 6, "six frames arrive")
    assert summary.tally == FrameTally(sent=6, acknowledged=6)
    assert told[-1] == FrameTally(sent=6, acknowledged=6)
    assert summary.protocol == "5"
    assert [frame.seq for frame in line.frames] == list(range(6))
    assert [frame.part_id for frame in line.frames] == [f"good/{number}.png" for number in range(6)]
    assert [frame.payload for frame in line.frames] == [path.read_bytes() for path in sorted(folder.rglob("*.png"))]
    assert {(frame.lot, frame.recipe, frame.station) for frame in line.frames} == {("L7", "plate", STATION)}
    assert set(line.content_types) == {"image/png"}
    moments = [frame.captured_at for frame in line.frames if frame.captured_at is not None]
    assert len(moments) == 6
    assert moments == sorted(moments)
    assert abs(moments[0].timestamp() - time.time()) < DEADLINE_S


def test_frame_ids_are_unique_across_restarts(mosquitto: Mosquitto, folder: Path) -> None:
    with listening_line(mosquitto.port) as line:
        for _ in range(2):
            publish(options(folder, mosquitto.port, fps=0))
        wait_until(lambda: len(line.frames) >= 12, "twelve frames arrive")
    assert len({frame.frame_id for frame in line.frames}) == 12


def test_rate_count_and_loop(mosquitto: Mosquitto, folder: Path) -> None:
    with listening_line(mosquitto.port) as line:
        paced = publish(options(folder, mosquitto.port, fps=10, count=11, loop=True))
        fast = publish(options(folder, mosquitto.port, fps=0, count=200, loop=True))
        wait_until(lambda: len(line.frames) >= 211, "all frames arrive")
    assert paced.tally.sent == 11
    assert paced.seconds >= 0.95
    assert fast.tally.sent == fast.tally.acknowledged == 200
    assert fast.fps > paced.fps


def test_drawn_parts_are_published_without_end_until_told_to_stop(mosquitto: Mosquitto) -> None:
    stop = threading.Event()
    summaries: list[CameraSummary] = []
    with listening_line(mosquitto.port) as line:
        work = threading.Thread(
            target=lambda: summaries.append(publish(options("synthetic", mosquitto.port, fps=0), stop=stop))
        )
        work.start()
        wait_until(lambda: len(line.frames) >= 5, "drawn frames arrive")
        stop.set()
        work.join(DEADLINE_S)
        assert summaries[0].tally.sent == summaries[0].tally.acknowledged >= 5
        wait_until(lambda: len(line.frames) == summaries[0].tally.sent, "each published frame arrives")


def test_over_mqtt_3_1_1_frames_travel_in_the_envelope(tmp_path: Path, folder: Path) -> None:
    with running_broker(tmp_path, "amqtt") as broker, listening_line(broker.port, paho.MQTTv311) as line:
        summary = publish(options(folder, broker.port, fps=0))
        wait_until(lambda: len(line.frames) >= 6, "six frames arrive")
        assert summary.protocol == "3.1.1"
        assert summary.tally.acknowledged == 6
        assert [frame.part_id for frame in line.frames] == [f"good/{number}.png" for number in range(6)]
        assert [frame.payload for frame in line.frames] == [path.read_bytes() for path in sorted(folder.rglob("*.png"))]
        settings = BrokerSettings(port=broker.port, protocol="5")
        with pytest.raises(BrokerError, match="refused the connection over MQTT 5"):
            publish(CameraOptions(source=str(folder), station=STATION, broker=settings))


def test_frames_that_nobody_listens_to_are_told(mosquitto: Mosquitto, folder: Path) -> None:
    notices: list[str] = []
    summary = publish(options(folder, mosquitto.port, fps=0), on_notice=notices.append)
    assert summary.tally.unheard == 6
    [notice] = [line for line in notices if "pixels" not in line]
    assert notice.startswith(f"no daemon announces station {STATION}, as far as this user of the broker may read; ")


@pytest.mark.parametrize(
    ("state", "expected"),
    [("online", []), ("offline", [f"the daemon of station {STATION} is offline"])],
)
def test_an_announced_station_needs_no_notice_while_its_daemon_is_there(
    mosquitto: Mosquitto, folder: Path, state: str, expected: list[str]
) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    for name, payload in (
        ("main/status", state),
        ("main/info", json.dumps({"stations": [{"id": str(STATION)}]})),
        ("other/info", "not ours"),
    ):
        topic = f"inspector/v1/_inspector/{name}"
        client.publish(topic, payload, qos=1, retain=True).wait_for_publish(DEADLINE_S)
    notices: list[str] = []
    with listening_line(mosquitto.port):
        publish(options(folder, mosquitto.port, fps=0), on_notice=notices.append)
    client.disconnect()
    client.loop_stop()
    assert [notice.partition(";")[0] for notice in notices if "pixels" not in notice] == expected


def test_a_daemon_that_a_slow_broker_tells_of_late_is_not_missed(mosquitto: Mosquitto, folder: Path) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", mosquitto.port)
    client.loop_start()
    info = json.dumps({"stations": [{"id": str(STATION)}]})
    client.publish("inspector/v1/_inspector/main/info", info, qos=1, retain=True).wait_for_publish(DEADLINE_S)
    client.disconnect()
    client.loop_stop()
    notices: list[str] = []
    with listening_line(mosquitto.port), slow_way(mosquitto.port, answers_after_s=1.0) as port:
        publish(options(folder, port, fps=0), on_notice=notices.append)
    assert [notice for notice in notices if "pixels" not in notice] == []


def test_frames_that_the_broker_refuses_are_counted_and_fail_the_command(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, folder: Path
) -> None:
    broker, _ = refusing_broker(start_mosquitto, tmp_path)
    summary = publish(options(folder, broker.port, fps=0))
    assert summary.tally == FrameTally(sent=6, refused=6)
    arguments = [str(folder), "--station", str(STATION), "--broker", f"127.0.0.1:{broker.port}", "--fps", "0"]
    result = CliRunner().invoke(camera, arguments)
    assert isinstance(result.exception, BrokerError)
    assert "did not take 6 of 6 frames" in str(result.exception)


def test_wrong_credentials_are_refused_with_the_reason(start_mosquitto: Callable[..., Mosquitto], folder: Path) -> None:
    broker = start_mosquitto("allow_anonymous false")
    with pytest.raises(BrokerError, match="refused the connection over MQTT 5: Not authorized"):
        publish(options(folder, broker.port, fps=0))


def test_a_password_from_a_file_lets_the_station_in(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, folder: Path
) -> None:
    program = shutil.which("mosquitto_passwd")
    if program is None:
        pytest.skip("mosquitto_passwd is not installed: apt-get install mosquitto")
    users, secret = tmp_path / "users", tmp_path / "secret"
    subprocess.run([program, "-b", "-c", str(users), "cam1", "s3cret"], check=True)
    users.chmod(0o600)
    secret.write_text("s3cret\n")
    broker = start_mosquitto("allow_anonymous false", f"password_file {users}")
    arguments = [str(folder), "--station", str(STATION), "--broker", f"127.0.0.1:{broker.port}", "--fps", "0"]
    arguments += ["--username", "cam1", "--password-file", str(secret)]
    result = CliRunner().invoke(camera, arguments)
    assert result.exit_code == 0, result.output
    assert "6 frames published, 6 acknowledged" in result.stdout
    secret.write_text("wrong\n")
    assert "Not authorized" in str(CliRunner().invoke(camera, arguments).exception)
    assert isinstance(CliRunner().invoke(camera, [*arguments[:-1], str(tmp_path / "absent")]).exception, UsageError)


def test_a_broker_is_verified_against_the_given_ca(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, folder: Path
) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = [program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate)]
    made += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(made, check=True, capture_output=True)
    key.chmod(0o644)
    broker = start_mosquitto(f"certfile {certificate}", f"keyfile {key}")
    arguments = [str(folder), "--station", str(STATION), "--broker", f"127.0.0.1:{broker.port}", "--fps", "0"]
    result = CliRunner().invoke(camera, [*arguments, "--ca-file", str(certificate)])
    assert result.exit_code == 0, result.output
    assert "6 frames published, 6 acknowledged" in result.stdout
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # paho leaves a socket whose handshake failed to the collector
        message = str(CliRunner().invoke(camera, [*arguments, "--tls"]).exception)
        gc.collect()
    assert "cannot be reached" in message
    assert "certificate verify failed" in message


@pytest.mark.faults
@pytest.mark.parametrize("away_s", [0.2, 2.5])
def test_frames_on_their_way_when_the_source_fails_arrive_or_are_told(
    mosquitto: Mosquitto, folder: Path, away_s: float
) -> None:
    back = threading.Timer(away_s, mosquitto.go_on)
    notices: list[str] = []
    told: list[FrameTally] = []

    def take_away(message: FrameMessage, _shot: Shot) -> None:
        if message.seq == 3:
            wait_until(lambda: told[-1].acknowledged == 3, "three are acknowledged")
            mosquitto.pause()
            back.start()
        if message.seq == 5:
            shutil.rmtree(folder / "good")

    asked = options(folder, mosquitto.port, fps=0, loop=True, ack_timeout_s=1.0)
    with listening_line(mosquitto.port), pytest.raises(SourceLostError, match="can be read any more"):
        publish(asked, on_frame=take_away, on_notice=notices.append, on_tally=told.append)
    back.join()
    lost = "3 of 6 frames were not acknowledged within 1 s; the line may not have got them"
    assert told[-1] == FrameTally(sent=6, acknowledged=6 if away_s < 1 else 3)
    assert sum(lost in notice for notice in notices) == (away_s > 1)


def test_the_command_prints_one_object(mosquitto: Mosquitto, folder: Path) -> None:
    arguments = [
        str(folder),
        "--station",
        str(STATION),
        "--broker",
        f"127.0.0.1:{mosquitto.port}",
        "--fps",
        "0",
        "--json",
    ]
    with listening_line(mosquitto.port):
        result = CliRunner().invoke(camera, arguments)
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert summary["station"] == str(STATION)
    assert summary["published"] == summary["acknowledged"] == 6
    assert summary["protocol"] == "5"


def test_the_command_refuses_a_wrong_station_name(folder: Path) -> None:
    result = CliRunner().invoke(camera, [str(folder), "--station", "../line1/cam1"])
    assert isinstance(result.exception, StationNameError)


def test_ctrl_c_ends_the_process_cleanly_with_its_summary(mosquitto: Mosquitto) -> None:
    code = "from inspector.cli.camera import camera; camera()"
    arguments = ["synthetic", "--station", str(STATION), "--broker", f"127.0.0.1:{mosquitto.port}", "--json"]
    with listening_line(mosquitto.port) as line:
        process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE)
        wait_until(lambda: len(line.frames) >= 2, "frames arrive")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    summary = json.loads(output)
    assert summary["published"] == summary["acknowledged"] >= 2
