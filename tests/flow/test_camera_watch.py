"""A camera station that watches a folder, as a process, while brokers go and it is killed itself."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from line import Daemon, agrees, drawn_part
from listening import STATION, closing_way, listening_line, refusing_broker
from services import DEADLINE_S, Mosquitto, wait_until


class Station:
    """`inspector camera FOLDER --watch` as a process."""

    def __init__(self, folder: Path, port: int, *arguments: str) -> None:
        self.folder = folder
        self.log = folder.parent / "station.log"
        command = [sys.executable, "-m", "inspector", "camera", str(folder), "--watch", "--station", str(STATION)]
        self._command = [*command, "--broker", f"127.0.0.1:{port}", "--json", *arguments]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self.kill()

    @property
    def process(self) -> "subprocess.Popen[str]":
        assert self._process is not None
        return self._process

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=log, text=True)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self.process.communicate()

    def finish(self) -> "dict[str, Any]":
        """SIGTERM, and its summary."""
        self.process.terminate()
        return self.summary()

    def summary(self) -> "dict[str, Any]":
        output, _ = self.process.communicate(timeout=DEADLINE_S)
        assert self.process.returncode == 0, self.log.read_text()
        told: dict[str, Any] = json.loads(output)
        return told

    def told(self, part: str) -> int:
        return self.log.read_text().count(part)

    @property
    def waiting(self) -> list[str]:
        """The names that are in the folder."""
        return sorted(path.name for path in self.folder.iterdir() if path.is_file())

    @property
    def sent(self) -> list[str]:
        """The names of what left it, in the order they were written in."""
        return [path.name.split("-", 2)[2] for path in sorted((self.folder / "sent").glob("*"))]


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    return folder


def drop(folder: Path, *numbers: int) -> list[str]:
    """Pictures that come whole, as by a program that renames them, each later than the one before.

    Many kernels move the clock by which they date files only every few milliseconds: of their times alone some would
    come at the same moment.
    """
    for number in numbers:
        half = folder / f"{number}.png.tmp"
        half.write_bytes(drawn_part(number))
        written = time.time_ns()
        os.utime(half, ns=(written, written))
        half.rename(folder / f"{number}.png")
    return [f"{number}.png" for number in numbers]


def test_pictures_that_are_there_and_that_come_are_published_once_each(mosquitto: Mosquitto, inbox: Path) -> None:
    drop(inbox, 0, 1, 2)
    written = {path.name: path.stat().st_mtime for path in inbox.iterdir()}
    with listening_line(mosquitto.port) as line, Station(inbox, mosquitto.port, "--lot", "L7") as station:
        wait_until(lambda: len(station.sent) == 3, "what was there is published")
        for number in range(3, 6):
            drop(inbox, number)
            wait_until(lambda: len(line.frames) > number, "what comes is published")  # noqa: B023
        wait_until(lambda: not station.waiting, "all have left")
        summary = station.finish()
    assert summary["published"] == summary["acknowledged"] == 6
    assert [frame.part_id for frame in line.frames] == station.sent == [f"{number}.png" for number in range(6)]
    assert [frame.payload for frame in line.frames] == [drawn_part(number) for number in range(6)]
    assert [frame.seq for frame in line.frames] == list(range(6))
    assert {frame.lot for frame in line.frames} == {"L7"}
    for frame in line.frames[:3]:
        assert frame.captured_at is not None
        assert frame.captured_at.timestamp() == pytest.approx(written[str(frame.part_id)], abs=1e-5)
        (kept,) = (inbox / "sent").glob(f"*-{frame.part_id}")
        assert frame.frame_id == f"cam1-{kept.name.removesuffix(f'-{frame.part_id}')}"


def test_an_upload_in_place_is_published_when_it_is_whole(mosquitto: Mosquitto, inbox: Path) -> None:
    picture = drawn_part(0)
    with listening_line(mosquitto.port) as line, Station(inbox, mosquitto.port, "--count", "4") as station:
        with (inbox / "slow.png").open("wb", buffering=0) as slow:
            for number in range(3):
                slow.write(picture[number * 5000 : (number + 1) * 5000])
                drop(inbox, number)
                wait_until(lambda: len(line.frames) > number, "another is published meanwhile")  # noqa: B023
            assert len(picture) > 15_000
            slow.write(picture[15_000:])
        summary = station.summary()
        wait_until(lambda: len(line.frames) == 4, "it arrives")
    assert summary["acknowledged"] == 4
    assert [frame.part_id for frame in line.frames] == ["0.png", "1.png", "2.png", "slow.png"]
    assert line.frames[-1].payload == picture


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_frame_larger_than_the_broker_takes_is_a_gap_and_stops_nobody(
    start_mosquitto: Callable[..., Mosquitto], inbox: Path, protocol: str
) -> None:
    broker = start_mosquitto("max_packet_size 50000")
    (inbox / "a.png").write_bytes(drawn_part(0) + bytes(60_000))
    with listening_line(broker.port) as line, Station(inbox, broker.port, "--protocol", protocol) as station:
        wait_until(lambda: station.told("a.png stays and is passed over"), "it is told")
        drop(inbox, 1, 2)
        wait_until(lambda: len(line.frames) == 2, "the others are published")
        wait_until(lambda: station.waiting == ["a.png"], "the others have left")
        summary = station.finish()
    assert (summary["acknowledged"], summary["given_up"], summary["missed"]) == (2, 1, 0)
    assert [frame.seq for frame in line.frames] == [1, 2]
    assert station.told("or send smaller pictures") == station.told("a.png stays") == 1


def test_what_nobody_listens_to_waits_until_somebody_does(mosquitto: Mosquitto, inbox: Path) -> None:
    drop(inbox, 0, 1, 2)
    with Station(inbox, mosquitto.port) as station:
        wait_until(lambda: station.told("nobody listens to this station"), "it is told")
        assert station.waiting == ["0.png", "1.png", "2.png"]
        with listening_line(mosquitto.port) as line:
            wait_until(lambda: not station.waiting, "all have left")
            wait_until(lambda: len(line.frames) >= 3, "all have arrived")
            summary = station.finish()
    assert sorted(str(frame.part_id) for frame in line.frames) == ["0.png", "1.png", "2.png"]
    assert sorted(frame.seq or 0 for frame in line.frames) == [0, 1, 2]
    assert summary["unheard"] >= 1
    assert station.told("nobody listens") == station.told("pictures are taken again") == 1


def test_with_a_broker_that_passes_frames_on_by_rules_nobody_need_listen(mosquitto: Mosquitto, inbox: Path) -> None:
    drop(inbox, 0, 1, 2)
    with Station(inbox, mosquitto.port) as station:
        wait_until(lambda: station.told("if the broker passes frames on by rules, say --bridged"), "the option is told")
    with Station(inbox, mosquitto.port, "--bridged") as station:
        wait_until(lambda: station.sent == ["0.png", "1.png", "2.png"], "all have left")
        summary = station.finish()
    assert (summary["acknowledged"], summary["unheard"]) == (3, 3)


def test_one_connection_that_is_closed_unanswered_does_not_settle_the_protocol(
    mosquitto: Mosquitto, inbox: Path
) -> None:
    """MQTT 3.1.1 does not tell that nobody listens: over it the pictures would leave."""
    drop(inbox, 0, 1, 2)
    with closing_way(mosquitto.port, 1) as port, Station(inbox, port) as station:
        wait_until(lambda: station.told("nobody listens to this station"), "it is told")
        summary = station.finish()
    assert summary["protocol"] == "5"
    assert station.waiting == ["0.png", "1.png", "2.png"]


def test_where_mqtt_5_stays_unanswered_and_3_1_1_does_not_this_is_spoken_and_told(
    mosquitto: Mosquitto, inbox: Path
) -> None:
    drop(inbox, 0)
    with closing_way(mosquitto.port, 1, 3) as port, Station(inbox, port) as station:
        wait_until(lambda: station.sent == ["0.png"], "it has left")
        summary = station.finish()
    assert summary["protocol"] == "3.1.1"
    assert (
        station.told("takes no MQTT 5, so MQTT 3.1.1 is spoken; over that it does not tell where nobody listens") == 1
    )


def test_what_the_broker_refuses_waits_until_it_does_not(
    start_mosquitto: Callable[..., Mosquitto], tmp_path: Path, inbox: Path
) -> None:
    broker, rules = refusing_broker(start_mosquitto, tmp_path)
    drop(inbox, 0, 1, 2)
    with listening_line(broker.port) as line, Station(inbox, broker.port) as station:
        wait_until(lambda: station.told("the broker refuses frames"), "it is told")
        rules.write_text("topic readwrite #\n")
        broker.reload()
        wait_until(lambda: not station.waiting, "all have left")
        wait_until(lambda: len(line.frames) >= 3, "all have arrived")
        summary = station.finish()
    assert summary["refused"] >= 1
    assert sorted(str(frame.part_id) for frame in line.frames) == ["0.png", "1.png", "2.png"]


@pytest.mark.faults
def test_pictures_wait_on_the_disk_while_the_broker_is_away(mosquitto: Mosquitto, inbox: Path) -> None:
    with listening_line(mosquitto.port) as line, Station(inbox, mosquitto.port) as station:
        drop(inbox, 0)
        wait_until(lambda: station.sent == ["0.png"], "the first has left")
        wait_until(lambda: len(line.frames) == 1, "and has arrived")
        line.subscribed.clear()
        mosquitto.kill()
        drop(inbox, *range(1, 31))
        wait_until(lambda: station.told("connection lost"), "it is told")
        assert len(station.waiting) == 30
        mosquitto.start()
        wait_until(lambda: not station.waiting, "all have left")
        wait_until(lambda: len({frame.frame_id for frame in line.frames}) >= 31, "all have arrived")
        station.finish()
    arrived = [frame.part_id for frame in line.frames]
    assert sorted(map(str, arrived)) == sorted(f"{number}.png" for number in range(31))
    assert len({frame.frame_id for frame in line.frames}) == 31


@pytest.mark.faults
def test_ended_while_the_broker_is_away_it_begins_again_with_what_waits(mosquitto: Mosquitto, inbox: Path) -> None:
    station = Station(inbox, mosquitto.port)
    with listening_line(mosquitto.port), station:
        drop(inbox, 0)
        wait_until(lambda: station.sent == ["0.png"], "the first has left")
        mosquitto.kill()
        wait_until(lambda: station.told("connection lost"), "it is told")
        before = bytes_read(station.process.pid)
        drop(inbox, 1, 2)
        both = len(drawn_part(1)) + len(drawn_part(2))
        wait_until(lambda: bytes_read(station.process.pid) >= before + both, "both are on their way")
        station.process.terminate()
        _, _ = station.process.communicate(timeout=DEADLINE_S)
    assert station.process.returncode == 1
    assert station.told(f"their files stay in {inbox}: they are published at the next start") == 1
    assert station.waiting == ["1.png", "2.png"]
    mosquitto.start()
    with listening_line(mosquitto.port) as line, station:
        wait_until(lambda: not station.waiting, "all have left")
        wait_until(lambda: len(line.frames) == 2, "both arrive")


def bytes_read(pid: int) -> int:
    """How many bytes a process has read from files."""
    return int(Path(f"/proc/{pid}/io").read_text().split()[1])


@pytest.fixture
def paused(mosquitto: Mosquitto) -> Iterator[Callable[[signal.Signals], None]]:
    """Sends signals to the broker; it goes on at the end in any case."""

    def send(number: signal.Signals) -> None:
        assert mosquitto._process is not None
        mosquitto._process.send_signal(number)

    yield send
    if mosquitto._process is not None:
        mosquitto._process.send_signal(signal.SIGCONT)


def unread_bytes(port: int) -> int:
    """What lies in the kernel for the one who listens on this port and has not read it."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(line[4].split(":")[1], 16) for line in lines if line[1].endswith(f":{port:04X}") and line[3] == "01")


@pytest.mark.faults
def test_killed_before_the_broker_answers_it_sends_the_same_frames_again_and_each_part_counts_once(
    mosquitto: Mosquitto, daemon: Daemon, inbox: Path, paused: Callable[[signal.Signals], None]
) -> None:
    daemon.start()
    station = Station(inbox, mosquitto.port)
    with station:
        drop(inbox, 0)
        wait_until(lambda: station.sent == ["0.png"], "the first has left")
        paused(signal.SIGSTOP)
        pictures = sum(len((inbox / name).read_bytes()) for name in drop(inbox, 1, 2))
        wait_until(lambda: unread_bytes(mosquitto.port) > pictures, "two are on their way")
        station.kill()
        paused(signal.SIGCONT)
        wait_until(lambda: daemon.metric("inspector_frames_received_total") == 3, "the daemon has them all the same")
        assert station.waiting == ["1.png", "2.png"]
        station.start()
        drop(inbox, 3)
        wait_until(lambda: not station.waiting, "all have left")
        wait_until(lambda: daemon.metric("inspector_frames_received_total") == 6, "two came twice")
        wait_until(lambda: daemon.metric("inspector_verdicts_total") == 4, "four parts have a verdict")
        station.finish()
    agrees(daemon)
    assert daemon.rows("SELECT part_id, outcome FROM frames ORDER BY part_id") == [
        (f"{number}.png", "verdict") for number in range(4)
    ]
