"""A camera station at work while the broker goes away, comes back, or wants another password."""

import gc
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import repeat
from pathlib import Path

import numpy as np
import pytest
from listening import STATION, listening_line, options
from pictures import with_opencv
from services import DEADLINE_S, Mosquitto, no_threads_left, wait_until
from streaming import streaming

from inspector.camera import CameraOptions, CameraSummary, publish
from inspector.errors import BrokerError
from inspector.settings import BrokerSettings, TlsSettings


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
        line.subscribed.clear()
        mosquitto.kill()
        on_their_way = len(sent) - len(line.frames)
        time.sleep(0.3)
        mosquitto.start()
        work.join(DEADLINE_S)
        assert line.subscribed.wait(DEADLINE_S)
        # The line itself keeps no session here: those that were on their way to it may have gone with the broker.
        wait_until(
            lambda: len({frame.frame_id for frame in line.frames}) + summaries[0].tally.unheard >= 300 - on_their_way,
            "all others arrive, but for those that nobody listened to",
        )
    assert summaries[0].tally.acknowledged == summaries[0].tally.sent == len(sent) == 300
    assert any("connection lost" in notice for notice in notices)
    assert any("connected again" in notice for notice in notices)


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
    assert summaries[0].tally.acknowledged == summaries[0].tally.sent


def test_why_the_broker_cannot_be_reached_again_is_told(mosquitto: Mosquitto, folder: Path) -> None:
    asked = options(folder, mosquitto.port, fps=50, loop=True, ack_timeout_s=0.5)
    with publishing(asked) as (notices, _, _):
        mosquitto.kill()
        wait_until(lambda: any("refused" in line and "trying again" in line for line in notices), "the reason is told")


@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")  # left to the collector
def test_where_no_thread_is_left_it_connects_once_there_is(mosquitto: Mosquitto, folder: Path) -> None:
    with publishing(options(folder, mosquitto.port, fps=50, loop=True)) as (notices, sent, summaries):
        with no_threads_left():
            mosquitto.kill()
            mosquitto.start()
            wait_until(lambda: any("can't start new thread" in line for line in notices), "it is told")
        wait_until(lambda: any("connected again" in line for line in notices), "the camera is back")
        before = len(sent)
        wait_until(lambda: len(sent) > before + 20, "frames are sent again")
    gc.collect()
    assert summaries[0].tally.acknowledged == summaries[0].tally.sent


def test_pictures_of_a_stream_that_pass_while_the_broker_is_away_are_a_gap(mosquitto: Mosquitto) -> None:
    picture = with_opencv(np.full((48, 64, 3), 90, np.uint8), ".jpg")
    with (
        streaming(repeat(repeat(picture))) as (address, given),
        publishing(options(address, mosquitto.port, window=10)) as (notices, sent, summaries),
    ):
        until_now = sent.copy()
        assert until_now == list(range(len(until_now)))
        mosquitto.stop()
        before = len(given)
        wait_until(lambda: len(given) >= before + 40, "pictures pass")
        mosquitto.start()
        wait_until(lambda: any("passed unsent" in line for line in notices), "the gap is told")
        before = len(sent)
        wait_until(lambda: len(sent) > before + 10, "pictures are sent again")
    assert sum(np.diff(sent) - 1) == summaries[0].missed >= 20
    assert summaries[0].tally.acknowledged == summaries[0].tally.sent
