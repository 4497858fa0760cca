"""What a collection tells of itself, on a real disk that takes no further file."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from services import as_nobody

from inspector.samples.collecting import _Stop
from inspector.samples.collection import LOTS, Collection, read, write, write_end
from inspector.samples.folder import SampleFolder

BEGUN = Collection(id="1", by="emil", begun=datetime(2026, 3, 2, 12, tzinfo=UTC), count=300, over_s=0)
ENDED = BEGUN.but(state="failed", ended="no room", taken=3)


@pytest.fixture
def samples() -> Iterator[SampleFolder]:
    """Of a station below a folder that everybody may enter."""
    with TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        yield SampleFolder(Path(place), "plant/hall1/line1/cam1")


@contextmanager
def takes_no_file(samples: SampleFolder) -> Iterator[None]:
    """What is in the folder may be written, and nothing be added."""
    samples.collection_file.chmod(0o666)
    samples.folder.chmod(0o555)
    with as_nobody():
        yield
    samples.folder.chmod(0o755)


@contextmanager
def handlers_of_before() -> Iterator[None]:
    """A collection is a process of its own, and handles its signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("before", [BEGUN, BEGUN.but(trouble="x" * 1000)])
def test_the_end_is_told_over_what_was_told_before(samples: SampleFolder, before: Collection) -> None:
    write(samples, before)
    with takes_no_file(samples):
        with pytest.raises(PermissionError):
            write(samples, ENDED)
        write_end(samples, ENDED)
    assert read(samples) == ENDED
    assert list(samples.folder.iterdir()) == [samples.collection_file]


def test_the_reason_is_told_where_the_lots_have_no_room(samples: SampleFolder) -> None:
    write(samples, BEGUN)
    room = samples.collection_file.stat().st_blocks * 512
    lots = {f"{number} {'x' * room}": 1 for number in range(LOTS)}
    with takes_no_file(samples):
        write_end(samples, ENDED.but(lots=lots, why="x" * room))
        assert read(samples) == ENDED
        with pytest.raises(PermissionError):
            write_end(samples, ENDED.but(ended="x" * room))
    assert read(samples) == ENDED


def test_on_a_disk_with_room_it_is_told_whole(samples: SampleFolder) -> None:
    write(samples, BEGUN)
    lots = {f"{number} {'x' * 9000}": 1 for number in range(LOTS)}
    write_end(samples, ENDED.but(lots=lots))
    assert read(samples) == ENDED.but(lots=lots)


def test_a_word_that_cannot_be_read_now_stops_it_once_it_can(samples: SampleFolder) -> None:
    """As on a share that is away for a moment: whoever watches for the word must not give up."""
    word = samples.folder / "stop"
    word.mkdir(parents=True)  # no file: to read it raises an OSError that is not that of a missing one
    with handlers_of_before(), _Stop(samples, BEGUN) as stop:
        assert not stop.event.wait(1.0)
        word.rmdir()
        word.write_text(f"{BEGUN.id}\nada")
        assert stop.event.wait(10.0)
    assert stop.why == "stopped by ada"
