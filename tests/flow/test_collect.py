"""Good samples out of a running station, by a real broker."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import pytest
from banks import write_good
from click.testing import CliRunner
from line import CAM1, CAM2, Camera, drawn_part, frame
from services import DEADLINE_S, Mosquitto, wait_until

from calibration.calibrate import Options, calibrate
from inspector.cli.collect import collect as command
from inspector.contract import station_topic
from inspector.errors import BrokerError, SamplesError, UsageError
from inspector.frame import decode
from inspector.recipe import Recipe
from inspector.samples import collect as collecting_module
from inspector.samples.collect import Collected, CollectOptions, Spread, collect
from inspector.settings import BrokerSettings

TOPIC = station_topic(CAM1, "frame")


class Collecting:
    """Collects in the background. notices, tallies: what it told."""

    def __init__(self, broker: Mosquitto, folder: Path, **more: object) -> None:
        self.notices: list[str] = []
        self.tallies: list[Collected] = []
        self._options = CollectOptions(CAM1, folder, BrokerSettings(port=broker.port), **more)  # type: ignore[arg-type]
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._running: Future[Collected]

    def __enter__(self) -> Self:
        """Returns when it is subscribed."""
        self._running = self._pool.submit(
            collect,
            self._options,
            stop=self._stop,
            on_tally=lambda tally, _next_s: self.tallies.append(tally),
            on_notice=self.notices.append,
        )
        wait_until(lambda: self.tallies or self._running.done(), "it is subscribed")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()

    def result(self) -> Collected:
        """What it collected, once it has ended."""
        return self._running.result()

    @property
    def seen(self) -> int:
        """How many pictures it has met, taken or not."""
        return self.tallies[-1].taken + self.tallies[-1].repeated

    def wait_for(self, samples: int) -> None:
        """Until so many were taken."""
        wait_until(lambda: self.tallies[-1].taken == samples, f"{samples} samples are there")


def pictures(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.*"))


def test_samples_are_taken_as_the_frames_come_until_there_are_enough(mosquitto: Mosquitto, tmp_path: Path) -> None:
    begun = datetime(2026, 3, 1, 8, tzinfo=UTC)
    frames = [frame(seed, captured_at=begun + timedelta(seconds=seed), lot=f"L{seed % 2}") for seed in range(7)]
    with Collecting(mosquitto, tmp_path / "new" / "good", count=5) as running, Camera(mosquitto.port) as camera:
        camera.send(*frames)
        collected = running.result()
    assert collected.taken == 5
    assert collected.lots == {"L0": 3, "L1": 2}
    assert (collected.repeated, collected.unreadable, collected.why) == (0, 0, None)
    files = pictures(tmp_path / "new" / "good")
    assert [file.read_bytes() for file in files] == [each.payload for each in frames[:5]]
    assert files[1].name.startswith("20260301T080001000Z-")
    assert files[1].suffix == ".png"


def test_what_was_collected_makes_a_bank(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Collecting(mosquitto, tmp_path / "good", count=10) as running, Camera(mosquitto.port) as camera:
        camera.send(*(frame(seed) for seed in range(10)))
        running.result()
    recipe = Recipe(name="disc", size_wh=(64, 64), vectors=64)
    calibrate(tmp_path / "good", tmp_path / "bank", Options(recipe=recipe, folds=2))
    assert (tmp_path / "bank" / "manifest.json").is_file()


def test_of_an_envelope_the_picture_is_taken_and_of_another_station_none(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Collecting(mosquitto, tmp_path, count=1) as running, Camera(mosquitto.port, version="3.1.1") as camera:
        camera.send(frame(1, station=CAM2), frame(2))
        running.result()
    assert [file.read_bytes() for file in pictures(tmp_path)] == [drawn_part(2)]


def test_frames_reach_whoever_else_listens(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """Both get each frame: collecting takes nothing away from a daemon."""
    with (
        Collecting(mosquitto, tmp_path / "a", count=3) as one,
        Collecting(mosquitto, tmp_path / "b", count=3) as other,
        Camera(mosquitto.port) as camera,
    ):
        camera.send(*(frame(seed) for seed in range(3)))
        assert (one.result().taken, other.result().taken) == (3, 3)


def test_a_picture_that_is_there_already_is_not_taken_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    repeated = []
    for first in (0, 2):  # the second run begins with what the first one ended with
        with Collecting(mosquitto, tmp_path, count=3) as running, Camera(mosquitto.port) as camera:
            camera.send(*(frame(seed, prefix=f"{first}") for seed in (first, first, first + 1, first + 2)))
            wait_until(lambda first=first: len(pictures(tmp_path)) == 3 + first, "all that is new is there")
        repeated.append(running.result().repeated)
    assert repeated == [1, 2]
    assert len(pictures(tmp_path)) == 5
    assert {decode(file.read_bytes()).pixels.tobytes() for file in pictures(tmp_path)} == {
        decode(drawn_part(seed)).pixels.tobytes() for seed in range(5)
    }


def test_two_that_collect_into_one_folder_take_each_picture_once(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with (
        Collecting(mosquitto, tmp_path) as one,
        Collecting(mosquitto, tmp_path) as other,
        Camera(mosquitto.port) as camera,
    ):
        camera.send(*(frame(seed) for seed in range(30)))
        for running in (one, other):
            wait_until(lambda running=running: running.seen == 30, "both have met every frame")
    assert one.result().taken + other.result().taken == len(pictures(tmp_path)) == 30


def test_what_cannot_be_read_is_counted_and_the_first_is_told(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Collecting(mosquitto, tmp_path, count=1) as running, Camera(mosquitto.port) as camera:
        camera.send_raw(TOPIC, drawn_part(1)[:-20], [("frame_id", "cut")])
        camera.send_raw(TOPIC, drawn_part(2), [("frame_id", "wrong"), ("crc32", "00000000")])
        camera.send_raw(TOPIC, drawn_part(3))
        camera.send(frame(4))
        collected = running.result()
    assert (collected.taken, collected.unreadable) == (1, 3)
    assert collected.why is not None
    assert "PNG" in collected.why
    assert [file.read_bytes() for file in pictures(tmp_path)] == [drawn_part(4)]


def test_a_retained_frame_is_not_taken(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Camera(mosquitto.port) as camera:
        camera.send_raw(TOPIC, drawn_part(1), [("frame_id", "old")], retain=True)
        with Collecting(mosquitto, tmp_path, count=1) as running:
            camera.send(frame(2))
            running.result()
    assert [file.read_bytes() for file in pictures(tmp_path)] == [drawn_part(2)]


@pytest.mark.faults
def test_it_goes_on_when_the_broker_was_away(mosquitto: Mosquitto, tmp_path: Path) -> None:
    with Collecting(mosquitto, tmp_path, count=2) as running:
        with Camera(mosquitto.port) as camera:
            camera.send(frame(1))
        running.wait_for(1)
        mosquitto.stop()
        wait_until(
            lambda: any("connecting again" in line for line in running.notices), "it tells that the broker is away"
        )
        mosquitto.start()
        wait_until(lambda: "connected again" in running.notices, "it tells that it is back")
        with Camera(mosquitto.port) as camera:
            camera.send(frame(2))
        assert running.result().taken == 2


@pytest.mark.faults
def test_a_folder_that_cannot_be_written_ends_it_and_keeps_what_is_there(mosquitto: Mosquitto, tmp_path: Path) -> None:
    folder = tmp_path / "good"
    with Collecting(mosquitto, folder, count=3) as running, Camera(mosquitto.port) as camera:
        camera.send(frame(1))
        running.wait_for(1)
        folder.rename(tmp_path / "moved")
        folder.write_text("a file where the folder was")
        camera.send(frame(2))
        with pytest.raises(SamplesError, match=r"good: cannot be written \(.+\); samples until then: 1;"):
            running.result()
    assert len(pictures(tmp_path / "moved")) == 1


def test_a_silent_station_is_told_about_once(
    mosquitto: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting_module, "_SILENCE_S", 0.0)

    def looks_around(running: Collecting) -> None:
        wait_until(lambda: len(running.tallies) > 6, "it has looked around a few times")

    with Collecting(mosquitto, tmp_path) as running:
        looks_around(running)
    assert running.result().taken == 0
    assert len(running.notices) == 1
    assert f"camera run, is it called {CAM1}" in running.notices[0]
    with Collecting(mosquitto, tmp_path, beside=["a/b/c/bolt"]) as running:
        looks_around(running)
    assert f"does it see another product now (a/b/c/bolt), is it called {CAM1}" in running.notices[0]


def test_a_broker_that_is_not_there_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting_module, "_CONNECT_S", 0.5)
    broker = Mosquitto(tmp_path)
    broker.start()
    broker.stop()
    with pytest.raises(BrokerError, match=rf"127\.0\.0\.1:{broker.port}: .*refused; is it running"):
        collect(CollectOptions(CAM1, tmp_path / "good", BrokerSettings(port=broker.port)))


def test_the_command_tells_why_the_broker_is_away_and_no_record_of_the_log(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    mosquitto.stop()
    command = [sys.executable, "-m", "inspector", "collect", "good", "-c", settings_for(mosquitto, tmp_path)]
    with (tmp_path / "said").open("w+") as said:
        process = subprocess.Popen([*command, "--station", str(CAM1)], cwd=tmp_path, stderr=said)
        wait_until(lambda: "connecting again" in (tmp_path / "said").read_text(), "it tells that the broker is away")
        process.wait(30)
    lines = (tmp_path / "said").read_text().splitlines()
    assert process.returncode == 1
    assert [line for line in lines if not line.startswith(("collect", "error: "))] == []
    assert "refused" in lines[0]


def test_a_bank_is_no_place_for_samples(bank: Path) -> None:
    with pytest.raises(UsageError, match="lies in the bank"):
        collect(CollectOptions(CAM1, bank / "good"))


def taken_at(times: list[float], spread: Spread) -> list[float]:
    """When samples are taken of frames that come at these times, seconds."""
    taken = []
    for now in times:
        if not spread.is_over(now) and now >= spread.due:
            spread.took(now)
            taken.append(now)
    return taken


def test_samples_are_spread_evenly_over_the_time() -> None:
    assert taken_at([float(second) for second in range(200)], Spread(4, 100, 0)) == [0, 25, 50, 75]


def test_after_a_pause_the_rest_is_spread_over_the_rest() -> None:
    frames = [float(second) for second in range(200) if not 10 <= second < 80]
    taken = taken_at(frames, Spread(5, 100, 0))
    assert taken == [0, 80, 85, 90, 95]


def test_the_time_ends_with_fewer_where_too_few_came() -> None:
    spread = Spread(5, 100, 0)
    assert taken_at([0.0, 99.0, 120.0], spread) == [0, 99]
    assert spread.left == 3


def test_without_a_time_every_frame_is_due() -> None:
    assert taken_at([0.0, 0.1, 5000.0, 5000.0], Spread(3, 0, 0)) == [0, 0.1, 5000]


def settings_for(broker: Mosquitto, folder: Path) -> Path:
    """Settings of two stations whose banks are not there yet."""
    stations = "".join(f"  - {{id: {station}, bank: ./banks/{station.station}}}\n" for station in (CAM1, CAM2))
    path = folder / "inspector.yaml"
    path.write_text(f"broker: {{port: {broker.port}}}\ndata_dir: ./data\nstations:\n{stations}")
    return path


def test_the_command_says_what_to_do_next_and_ctrl_c_ends_it_well(mosquitto: Mosquitto, tmp_path: Path) -> None:
    arguments = ["-c", str(settings_for(mosquitto, tmp_path)), "--station", str(CAM1), "--over", "8h"]
    process = subprocess.Popen(
        [sys.executable, "-m", "inspector", "collect", str(tmp_path / "good samples"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with Camera(mosquitto.port) as camera:
        numbers = iter(range(10_000))

        def first_is_there() -> object:
            camera.send(frame(next(numbers), lot="A"))
            return pictures(tmp_path / "good samples")

        wait_until(first_is_there, "the first sample is there")
    process.send_signal(signal.SIGINT)
    said, complained = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, complained) == (0, "")
    assert said.startswith(f"samples  {tmp_path}/good samples: 1 of plant/hall1/line1/cam1 in ")
    assert "lots     A 1" in said
    assert f"inspector calibrate '{tmp_path}/good samples' -o {tmp_path}/banks/cam1" in said


def test_what_it_says_to_do_beside_a_bank_in_use_leaves_a_way_back(
    mosquitto: Mosquitto, tmp_path: Path, bank: Path
) -> None:
    place, good, config = tmp_path / "banks" / "cam1", write_good(tmp_path / "good samples", 4), tmp_path / "plant.yaml"
    shutil.copytree(bank, place)
    settings_for(mosquitto, tmp_path).rename(config)
    arguments = [str(good), "-c", str(config), "--station", str(CAM1), "--count", "1"]
    over = threading.Event()

    def show_parts() -> None:
        with Camera(mosquitto.port) as camera:
            for number in range(10, 10_000):
                camera.send(frame(number))
                if over.wait(0.2):
                    return

    with ThreadPoolExecutor(1) as pool:
        pool.submit(show_parts)
        result = CliRunner().invoke(command, arguments)
        over.set()
    said = [shlex.split(line) for line in result.stdout.splitlines() if line.startswith("         ")]
    assert [words[:2] for words in said] == [["inspector", "calibrate"], ["inspector", "bank"]]
    for words in (*said, ["inspector", "bank", "rollback", str(place)]):
        subprocess.run([sys.executable, "-m", *words], check=True, cwd=tmp_path)
    assert (place / "manifest.json").read_bytes() == (bank / "manifest.json").read_bytes()


def test_the_command_fails_where_nothing_came(mosquitto: Mosquitto, tmp_path: Path) -> None:
    arguments = ["-c", str(settings_for(mosquitto, tmp_path)), "--station", str(CAM1), "--over", "0.5s", "--json"]
    result = CliRunner().invoke(command, [str(tmp_path / "good"), *arguments])
    assert isinstance(result.exception, SamplesError)
    assert "no sample was collected" in str(result.exception)
    assert json.loads(result.stdout)["taken"] == 0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--station", str(CAM1), "--over", "8"], "expected a number and s, m, h or d"),
        (["--station", str(CAM1), "--count", "0"], "--count"),
        ([], "--station: got nothing, expected one of"),
        (["--station", "plant/hall1/line1/cam9"], "expected one of"),
    ],
)
def test_wrong_usage_is_told(mosquitto: Mosquitto, tmp_path: Path, arguments: list[str], word: str) -> None:
    given = [str(tmp_path / "good"), "-c", str(settings_for(mosquitto, tmp_path)), *arguments]
    result = CliRunner().invoke(command, given)
    assert word in f"{result.output}{result.exception}"
    assert not (tmp_path / "good").exists()
