"""A camera station against real brokers: what arrives, how fast, and what happens when the broker goes away."""

import gc
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import paho.mqtt.client as paho
import pytest
from click.testing import CliRunner
from paho.mqtt.enums import CallbackAPIVersion
from services import DEADLINE_S, Mosquitto, wait_until

from inspector.camera import CameraOptions, CameraSummary, publish
from inspector.cli.camera import camera
from inspector.contract import ALL_FRAMES, check, unpack
from inspector.demo.broker import running_broker
from inspector.errors import BrokerError, StationNameError, UsageError
from inspector.settings import BrokerSettings, TlsSettings
from inspector.types import FrameMessage, StationId

STATION = StationId.parse("plant/hall1/line1/cam1")


class Line:
    """A subscriber in the daemon's place: every frame, checked against the contract."""

    def __init__(self) -> None:
        self.frames: list[FrameMessage] = []
        self.content_types: list[str | None] = []
        self.subscribed = threading.Event()

    def take(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        properties = message.properties
        content_type = getattr(properties, "ContentType", None)
        raw = unpack(
            bytes(message.payload), content_type=content_type, properties=getattr(properties, "UserProperty", [])
        )
        self.content_types.append(content_type)
        self.frames.append(check(STATION, raw))


@contextmanager
def listening_line(port: int, protocol: int = paho.MQTTv5) -> Iterator[Line]:
    line = Line()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"line-{port}", protocol=protocol)
    client.on_connect = lambda *_: client.subscribe(ALL_FRAMES, qos=1)
    client.on_subscribe = lambda *_: line.subscribed.set()
    client.on_message = line.take
    client.reconnect_delay_set(1, 1)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert line.subscribed.wait(DEADLINE_S)
        yield line
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    (frames / "good").mkdir(parents=True)
    for number in range(6):
        cv2.imwrite(str(frames / "good" / f"{number}.png"), np.full((20, 30, 3), number, np.uint8))
    return frames


def options(source: Path | str, port: int, **more: object) -> CameraOptions:
    return CameraOptions(source=str(source), station=STATION, broker=BrokerSettings(port=port), **more)  # type: ignore[arg-type]


def test_a_folder_arrives_whole_in_order_and_keeps_the_contract(mosquitto: Mosquitto, folder: Path) -> None:
    with listening_line(mosquitto.port) as line:
        summary = publish(options(folder, mosquitto.port, fps=0, lot="L7", recipe="plate"))
        wait_until(lambda: len(line.frames) >= 6, "six frames arrive")
    assert (summary.published, summary.acknowledged, summary.refused, summary.unheard) == (6, 6, 0, 0)
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
    assert paced.published == 11
    assert paced.seconds >= 0.95
    assert fast.published == fast.acknowledged == 200
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
        assert summaries[0].published == summaries[0].acknowledged >= 5
        wait_until(lambda: len(line.frames) == summaries[0].published, "each published frame arrives")


def test_over_mqtt_3_1_1_frames_travel_in_the_envelope(tmp_path: Path, folder: Path) -> None:
    with running_broker(tmp_path, "amqtt") as broker, listening_line(broker.port, paho.MQTTv311) as line:
        summary = publish(options(folder, broker.port, fps=0))
        wait_until(lambda: len(line.frames) >= 6, "six frames arrive")
        assert summary.protocol == "3.1.1"
        assert summary.acknowledged == 6
        assert [frame.part_id for frame in line.frames] == [f"good/{number}.png" for number in range(6)]
        assert [frame.payload for frame in line.frames] == [path.read_bytes() for path in sorted(folder.rglob("*.png"))]
        settings = BrokerSettings(port=broker.port, protocol="5")
        with pytest.raises(BrokerError, match="refused the connection over MQTT 5"):
            publish(CameraOptions(source=str(folder), station=STATION, broker=settings))


def test_a_broker_that_goes_away_costs_no_frame(mosquitto: Mosquitto, folder: Path) -> None:
    notices: list[str] = []
    summaries: list[CameraSummary] = []
    sent: list[str] = []
    asked = options(folder, mosquitto.port, fps=100, count=300, loop=True)
    with listening_line(mosquitto.port) as line:
        work = threading.Thread(
            target=lambda: summaries.append(
                publish(asked, on_notice=notices.append, on_frame=lambda message, _: sent.append(message.frame_id))
            )
        )
        work.start()
        wait_until(lambda: len(line.frames) >= 30, "frames arrive")
        mosquitto.kill()
        line.subscribed.clear()
        time.sleep(0.3)
        mosquitto.start()
        work.join(DEADLINE_S)
        assert line.subscribed.wait(DEADLINE_S)
    assert summaries[0].acknowledged == summaries[0].published == len(sent) == 300
    assert any("connection lost" in notice for notice in notices)
    assert any("connected again" in notice for notice in notices)
    # The line itself keeps no session here: a few that were on their way to it went with the broker.
    assert len({frame.frame_id for frame in line.frames}) + summaries[0].unheard >= 250


def test_frames_that_nobody_listens_to_are_told(mosquitto: Mosquitto, folder: Path) -> None:
    notices: list[str] = []
    summary = publish(options(folder, mosquitto.port, fps=0), on_notice=notices.append)
    assert summary.unheard == 6
    assert notices == [f"no daemon on this broker announces station {STATION}; its frames may go unheard"]


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
    assert [notice.partition(";")[0] for notice in notices] == expected


def test_frames_that_the_broker_refuses_are_counted_and_fail_the_command(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, folder: Path
) -> None:
    rules = tmp_path / "acl"
    rules.write_text("topic read #\n")
    rules.chmod(0o600)
    broker = start_mosquitto(f"acl_file {rules}")
    summary = publish(options(folder, broker.port, fps=0))
    assert (summary.published, summary.acknowledged, summary.refused) == (6, 0, 6)
    arguments = [str(folder), "--station", str(STATION), "--broker", f"127.0.0.1:{broker.port}", "--fps", "0"]
    result = CliRunner().invoke(camera, arguments)
    assert isinstance(result.exception, BrokerError)
    assert "refused 6 of 6 frames" in str(result.exception)


def test_a_frame_larger_than_the_broker_takes_is_a_clear_error(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path
) -> None:
    broker = start_mosquitto("max_packet_size 20000")
    (tmp_path / "large.png").write_bytes(os.urandom(30_000))
    with pytest.raises(BrokerError, match="at most 20000 bytes"):
        publish(options(tmp_path / "large.png", broker.port, fps=0))


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


@contextmanager
def publishing(asked: CameraOptions) -> Iterator[tuple[list[str], list[int], list[CameraSummary]]]:
    """A camera station at work until the end of the block: its notices, the numbers of its frames, then its summary."""
    stop = threading.Event()
    notices: list[str] = []
    sent: list[int] = []
    summaries: list[CameraSummary] = []

    def work() -> None:
        with suppress(BrokerError):
            told = publish(
                asked, stop=stop, on_notice=notices.append, on_frame=lambda message, _: sent.append(message.seq or 0)
            )
            summaries.append(told)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        wait_until(lambda: len(sent) > 10, "frames are sent")
        yield notices, sent, summaries
    finally:
        stop.set()
        thread.join(DEADLINE_S)


# paho leaves a socket whose handshake failed to the collector
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_an_exchanged_password_and_ca_are_taken_without_a_restart(tmp_path: Path, folder: Path) -> None:
    """As a plant rotates them: new files, then the broker is started anew."""

    def rotate(number: int) -> None:
        made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key.pem")]
        made += ["-out", str(tmp_path / "ca.pem"), "-days", "2", "-subj", "/CN=the plant"]
        subprocess.run([*made, "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        (tmp_path / "key.pem").chmod(0o644)
        password = ["mosquitto_passwd", "-b", "-c", str(tmp_path / "users"), "cam1", f"secret {number}"]
        subprocess.run(password, check=True)
        (tmp_path / "users").chmod(0o600)
        (tmp_path / "secret").write_text(f"secret {number}\n")

    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    rotate(1)
    certificates = (f"certfile {tmp_path / 'ca.pem'}", f"keyfile {tmp_path / 'key.pem'}")
    broker = Mosquitto(
        tmp_path / "broker", options=("allow_anonymous false", f"password_file {tmp_path / 'users'}", *certificates)
    )
    broker.start()
    tls = TlsSettings(ca_file=tmp_path / "ca.pem")
    settings = BrokerSettings(port=broker.port, username="cam1", password_file=tmp_path / "secret", tls=tls)
    asked = CameraOptions(source=str(folder), station=STATION, broker=settings, fps=50, loop=True)
    with publishing(asked) as (notices, sent, summaries):
        broker.stop()
        rotate(2)
        broker.start()
        wait_until(lambda: any("connected again" in line for line in notices), f"the camera is back: {notices}")
        before = len(sent)
        wait_until(lambda: len(sent) > before + 40, "frames are sent again")
    broker.stop()
    gc.collect()
    assert summaries[0].acknowledged == summaries[0].published


def test_why_the_broker_cannot_be_reached_again_is_told(mosquitto: Mosquitto, folder: Path) -> None:
    asked = options(folder, mosquitto.port, fps=50, loop=True, ack_timeout_s=0.5)
    with publishing(asked) as (notices, _, _):
        mosquitto.kill()
        wait_until(lambda: any("refused" in line and "trying again" in line for line in notices), "the reason is told")


@contextmanager
def streaming() -> Iterator[str]:
    """A network camera: pictures over HTTP, twenty a second, without end."""
    picture = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    head = f"--next\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n".encode()

    class Stream(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=next")
            self.end_headers()
            with suppress(OSError):
                while True:
                    self.wfile.write(head + picture + b"\r\n")
                    time.sleep(0.05)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Stream)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.1,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/stream.mjpg"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_pictures_of_a_stream_that_pass_while_the_broker_is_away_are_a_gap(mosquitto: Mosquitto) -> None:
    with streaming() as address, publishing(options(address, mosquitto.port, window=2)) as (notices, sent, summaries):
        assert sent == list(range(len(sent)))
        mosquitto.stop()
        time.sleep(2)
        mosquitto.start()
        wait_until(lambda: any("passed unsent" in line for line in notices), "the gap is told")
        before = len(sent)
        wait_until(lambda: len(sent) > before + 10, "pictures are sent again")
    assert sum(np.diff(sent) - 1) == summaries[0].missed >= 20
    assert summaries[0].acknowledged == summaries[0].published


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
