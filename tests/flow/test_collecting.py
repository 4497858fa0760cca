"""Collections that a page starts: real processes, a real broker; stopped, killed, full, and told truthfully."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import yaml
from line import CAM1, CAM2, Camera, drawn_part, frame
from services import (
    DEADLINE_S,
    Mosquitto,
    files_no_larger_than,
    fill_up,
    holder_of,
    looks_at_locks,
    small_disk,
    wait_until,
)

from inspector import settings
from inspector.alone import alone
from inspector.errors import SamplesError
from inspector.file_lock import is_locked
from inspector.samples import collecting
from inspector.samples import folder as folder_module
from inspector.samples.collection import Collection
from inspector.samples.folder import FullError, SampleFolder
from inspector.settings import Settings

STATION = str(CAM1)


@pytest.fixture
def loaded(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[Settings]:
    """Settings of two stations; what a test leaves running is stopped."""
    path = tmp_path / "inspector.yaml"
    stations = [{"id": str(station), "bank": f"./banks/{station.station}"} for station in (CAM1, CAM2)]
    path.write_text(yaml.safe_dump({"data_dir": "data", "broker": {"port": mosquitto.port}, "stations": stations}))
    found = settings.load(path)
    yield found
    collecting.stop_all(found)
    wait_until(lambda: not running(found), "nothing runs any more")


@pytest.fixture
def samples(loaded: Settings) -> SampleFolder:
    return SampleFolder(loaded.data_dir, STATION)


def running(loaded: Settings) -> list[str]:
    found = {name: collecting.present(SampleFolder(loaded.data_dir, name)) for name in loaded.station_names}
    return [name for name, now in found.items() if now is not None and now.state == "running"]


def now(samples: SampleFolder) -> Collection:
    told = collecting.present(samples)
    assert told is not None
    return told


def begin(loaded: Settings, count: int = 300, over_s: float = 0.0) -> None:
    collecting.start(loaded, STATION, by="emil", count=count, over_s=over_s)


def feed(camera: Camera, samples: SampleFolder, until: int, first: int = 0) -> None:
    """Sends frames until so many samples are there."""
    numbers = iter(range(first, first + 10_000))

    def enough() -> bool:
        camera.send(frame(next(numbers), lot="A"))
        return len(samples.samples()) >= until

    wait_until(enough, f"{until} samples are there")


def process_of(samples: SampleFolder) -> psutil.Process:
    return holder_of(samples.folder / "collecting.lock")


def test_it_collects_in_a_process_of_its_own_and_tells_how_far_it_is(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    begin(loaded, count=5)
    assert (now(samples).state, now(samples).by, now(samples).count) == ("running", "emil", 5)
    assert process_of(samples).pid != os.getpid()
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: now(samples).due is not None, "it is subscribed")
        camera.send(*(frame(number, lot="A") for number in range(3)))
        wait_until(lambda: now(samples).taken == 3, "it tells of three")
        assert now(samples).due is not None
        camera.send(*(frame(number, lot="A") for number in range(3, 5)))
    wait_until(lambda: now(samples).state == "done", "it is done")
    told = now(samples)
    assert (told.taken, told.lots, told.ended, told.trouble) == (5, {"A": 5}, None, None)
    assert len(samples.samples()) == 5


def test_what_was_left_out_is_not_collected_again(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    begin(loaded, count=2)
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 2)
        wait_until(lambda: now(samples).state == "done", "it is done")
        first = samples.samples()[0].name
        payload = (samples.good / first).read_bytes()
        assert samples.leave_out([first]) == 1
        begin(loaded, count=1)
        wait_until(lambda: now(samples).due is not None, "it is subscribed")
        camera.send(frame(0, payload=payload, prefix="again"))
        wait_until(lambda: now(samples).repeated == 1, "it was met again")
        camera.send(frame(700))
        wait_until(lambda: now(samples).state == "done", "it is done")
    assert [one.left_out for one in samples.samples()].count(True) == 1
    assert len(samples.samples()) == 3


def test_one_at_a_time_of_a_station(loaded: Settings) -> None:
    begin(loaded)
    with pytest.raises(SamplesError, match="are being collected already"):
        begin(loaded)
    collecting.start(loaded, str(CAM2), by="emil", count=1, over_s=0)
    assert running(loaded) == [STATION, str(CAM2)]


def test_of_two_who_begin_at_once_the_second_is_told_of_the_first(
    loaded: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(2) as threads:
        tries = [threads.submit(begin, loaded) for _ in range(2)]
        [told] = [str(fault) for one in tries if (fault := one.exception()) is not None]
    assert "are being collected already" in told
    assert running(loaded) == [STATION]
    assert "Traceback" not in capfd.readouterr().err


def test_who_begins_when_another_page_has_just_begun_is_told_of_it(
    loaded: Settings, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    begin(loaded)
    monkeypatch.setattr(collecting.alone, "is_busy", lambda *_: False)  # as this page found a moment before
    with pytest.raises(SamplesError, match="are being collected already"):
        begin(loaded)
    assert "Traceback" not in capfd.readouterr().err


def test_the_next_begins_as_soon_as_the_last_has_told_its_end(
    loaded: Settings, samples: SampleFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process is there a moment longer, and has the lock."""
    begin(loaded)
    assert collecting.stop(loaded, STATION, by="ada")
    lock = samples.folder / "collecting.lock"
    wait_until(lambda: now(samples).state == "stopped" and not is_locked(lock), "it is gone")
    found = looks_at_locks(monkeypatch)
    with ThreadPoolExecutor(1) as pool:
        with alone(lock, "busy"):
            beginning = pool.submit(begin, loaded)
            wait_until(lambda: any(found), "the next has seen it")
        beginning.result(DEADLINE_S)
    assert running(loaded) == [STATION]


def test_it_is_stopped_and_says_by_whom(loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto) -> None:
    begin(loaded)
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 1)
    assert collecting.stop(loaded, STATION, by="ada")
    wait_until(lambda: now(samples).state == "stopped", "it has stopped")
    assert now(samples).ended == "stopped by ada"
    assert not collecting.stop(loaded, STATION, by="ada")
    begin(loaded)  # the word that stopped the first does not stop the second
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 3, first=900)
    assert now(samples).state == "running"


def test_its_time_ends_it_with_fewer(loaded: Settings, samples: SampleFolder) -> None:
    begin(loaded, over_s=1)
    wait_until(lambda: now(samples).state == "done", "its time is over")
    assert (now(samples).taken, now(samples).ended) == (0, "its time is over")


@pytest.mark.faults
def test_a_process_that_was_killed_is_told_as_what_it_is(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    begin(loaded)
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 2)
        wait_until(lambda: now(samples).taken >= 2, "it tells of two")
        process_of(samples).kill()
        wait_until(lambda: now(samples).state == "failed", "it has failed")
        assert now(samples).ended == "its process ended before it was done"
        there = len(samples.samples())
        begin(loaded)
        feed(camera, samples, there + 1, first=900)


@pytest.mark.faults
def test_a_signal_ends_it_in_order(loaded: Settings, samples: SampleFolder) -> None:
    begin(loaded)
    process_of(samples).send_signal(signal.SIGTERM)
    wait_until(lambda: now(samples).state == "stopped", "it has stopped")
    assert now(samples).ended == "its process was told to end"


@pytest.mark.faults
def test_it_outlives_a_page_that_was_killed_and_the_next_page_stops_it(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    program = tmp_path / "page.py"
    program.write_text(
        textwrap.dedent(f"""
        import time
        from pathlib import Path
        from inspector import settings
        from inspector.samples import collecting

        if __name__ == "__main__":
            loaded = settings.load(Path({str(tmp_path / "inspector.yaml")!r}))
            collecting.start(loaded, {STATION!r}, by="emil", count=300, over_s=0.0)
            print("begun", flush=True)
            time.sleep(600)
        """)
    )
    page = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True)
    assert page.stdout is not None
    assert page.stdout.readline() == "begun\n"
    page.kill()
    page.wait(DEADLINE_S)
    page.stdout.close()
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 2)
    assert now(samples).state == "running"
    assert collecting.stop(loaded, STATION, by="ada")
    wait_until(lambda: now(samples).ended == "stopped by ada", "it has stopped")


@pytest.mark.faults
def test_a_broker_that_goes_away_is_told_while_it_lasts(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    begin(loaded)
    with Camera(mosquitto.port) as camera:
        feed(camera, samples, 1)
    mosquitto.stop()
    wait_until(lambda: "connecting again" in (now(samples).trouble or ""), "it tells that the broker is away")
    mosquitto.start()
    wait_until(lambda: now(samples).trouble is None, "it tells that it is back")


def test_a_broker_that_is_not_there_fails_it_with_the_reason(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    mosquitto.stop()
    begin(loaded)
    wait_until(lambda: now(samples).state == "failed", "it has failed")
    assert "is it running, and the address right?" in (now(samples).ended or "")


def test_no_station_gets_more_samples_than_it_may_have(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    samples.good.mkdir(parents=True)
    for number in range(folder_module.MOST - 2):
        (samples.good / f"{number}.png").write_bytes(b"")
    begin(loaded)
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: now(samples).due is not None, "it is subscribed")
        camera.send(*(frame(seed) for seed in range(6)))
    wait_until(lambda: now(samples).state == "stopped", "it has stopped")
    assert now(samples).taken == 2
    assert f"{folder_module.MOST} is the most" in (now(samples).ended or "")
    assert len(samples.samples()) == folder_module.MOST
    with pytest.raises(FullError, match="delete those left out"):
        begin(loaded)


@pytest.mark.faults
def test_a_full_disk_ends_it_with_the_reason(loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto) -> None:
    with files_no_larger_than(4000):  # what it tells is smaller, a picture larger
        begin(loaded)
    assert len(drawn_part(1)) > 4000
    with Camera(mosquitto.port) as camera:
        wait_until(lambda: now(samples).due is not None, "it is subscribed")
        camera.send(frame(1))
    wait_until(lambda: now(samples).state == "failed", "it has failed")
    assert "good: cannot be written" in (now(samples).ended or "")
    assert samples.samples() == []


@pytest.mark.faults
def test_a_disk_without_a_byte_left_ends_it_with_the_reason(
    loaded: Settings, samples: SampleFolder, mosquitto: Mosquitto
) -> None:
    with small_disk(loaded.data_dir, size=1_000_000):
        begin(loaded)
        with Camera(mosquitto.port) as camera:
            wait_until(lambda: now(samples).due is not None, "it is subscribed")
            camera.send(*(frame(number, lot="A") for number in range(3)))
            wait_until(lambda: now(samples).taken == 3, "it tells of three")
            filling = fill_up(loaded.data_dir)
            camera.send(frame(9000, lot="A"))
            wait_until(lambda: now(samples).state != "running", "it has ended")
        assert now(samples).state == "failed"
        assert "cannot be written (No space left on device)" in (now(samples).ended or "")
        assert (now(samples).taken, now(samples).lots) == (3, {"A": 3})
        filling.unlink()
        begin(loaded)
        collecting.stop(loaded, STATION, by="emil")
        wait_until(lambda: now(samples).ended == "stopped by emil", "it has stopped")


@pytest.mark.faults
def test_a_folder_that_cannot_be_made_is_told_at_once(loaded: Settings, samples: SampleFolder) -> None:
    loaded.data_dir.mkdir(exist_ok=True)
    (loaded.data_dir / "samples").write_text("a file where the folder should be")
    with pytest.raises(SamplesError, match="cannot be written"):
        begin(loaded)
    (loaded.data_dir / "samples").unlink()


def test_a_damaged_account_of_the_last_one_is_told_and_does_not_keep_from_the_next(
    loaded: Settings, samples: SampleFolder
) -> None:
    samples.folder.mkdir(parents=True)
    samples.collection_file.write_text("{")
    with pytest.raises(SamplesError, match="cannot be read"):
        collecting.present(samples)
    begin(loaded)
    assert now(samples).state == "running"
