"""A network camera as a source: what is damaged, what is missing, and a connection that breaks off."""

import threading
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from random import Random

import cv2
import numpy as np
import pytest
from pictures import smooth_picture, with_opencv
from streaming import serving, streaming

from inspector.camera.capture import Capture, shot_of
from inspector.camera.live import LiveSource
from inspector.camera.source import Shot, SourceLostError
from inspector.errors import FrameDamagedError
from inspector.frame import decode


def jpeg(value: int) -> bytes:
    """A picture of one grey, 0 to 255."""
    return with_opencv(np.full((48, 64, 3), value, np.uint8), ".jpg")


def test_a_picture_that_arrived_by_half_is_not_mended_with_the_one_before() -> None:
    pictures = [jpeg(50 + 10 * number) for number in range(10)]
    pictures[5] = pictures[5][:-20]
    with streaming([pictures]) as (address, _):
        stream = Capture(address)
        read = [stream.read() for _ in pictures]
        stream.release()
    images = [shot_of(picture).image for picture in read if picture is not None]
    assert images == pictures
    with pytest.raises(FrameDamagedError, match="truncated"):
        decode(images[5])


def lossy_stream(path: Path) -> str:
    """A file of a hundred pictures, each told as its difference from the one before, with a hundredth of it lost on the
    way. Its name.
    """
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (320, 240))
    ground = cv2.resize(smooth_picture(), (320, 240))
    for number in range(100):
        writer.write(np.roll(ground, 3 * number, axis=1))
    writer.release()
    sent = path.read_bytes()
    packets = [sent[begin : begin + 188] for begin in range(0, len(sent), 188)]
    draw = Random(1)
    path.write_bytes(b"".join(packet for packet in packets if packet[1] & 0x40 or draw.random() > 0.02))
    return path.name


@pytest.mark.parametrize("asked", [None, "rtsp_flags;prefer_tcp"])
def test_damage_that_a_stream_tells_of_is_left_out_unless_other_options_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str | None
) -> None:
    monkeypatch.setenv("OPENCV_FFMPEG_CAPTURE_OPTIONS", asked or "")
    if asked is None:
        monkeypatch.delenv("OPENCV_FFMPEG_CAPTURE_OPTIONS")
    name = lossy_stream(tmp_path / "lossy.ts")
    with serving(tmp_path) as at:
        stream = Capture(f"http://{at}/{name}")
        read = sum(stream.read() is not None for _ in range(200))
        stream.release()
    assert read == 100 if asked else 50 < read < 100


def test_a_stream_that_cannot_tell_damaged_pictures_is_told_once(tmp_path: Path) -> None:
    told: list[str] = []
    name = lossy_stream(tmp_path / "lossy.ts")
    with serving(tmp_path) as at, LiveSource(f"http://cam:S3cret@{at}/{name}", on_notice=told.append) as source:
        next(source.shots())
    assert told == [
        f"http://***@{at}/{name} is not MJPEG: a picture that is damaged on its way may look sound; set the camera to "
        "MJPEG, or let it write files (--watch)"
    ]


def taken(address: str, told: list[str], patience_s: float) -> Iterator[Shot]:
    """What a live source gives until it is lost."""
    source = LiveSource(address, on_notice=told.append, patience_s=patience_s)
    with source, pytest.raises(SourceLostError, match="no picture for") as lost:
        yield from source.shots()
    told.append(str(lost.value))


def test_pictures_that_cannot_be_read_are_a_gap_and_not_the_end() -> None:
    pictures = [*repeat(jpeg(50), 4), *repeat(b"", 6), *repeat(jpeg(200), 4)]
    with streaming([pictures]) as (address, _):
        shots = list(taken(address, [], patience_s=1.5))
    images = [shot.image for shot in shots]
    assert images == sorted(images, key=[jpeg(50), jpeg(200)].index)
    assert set(images) == {jpeg(50), jpeg(200)}
    lost = [shot.lost for shot in shots]
    assert 1 <= lost[images.index(jpeg(200))] == sum(lost) <= 6


def test_a_stream_that_breaks_off_is_opened_again_and_the_break_is_a_gap() -> None:
    told: list[str] = []
    with streaming([repeat(jpeg(50), 4), repeat(jpeg(200), 4)]) as (address, _):
        shots = list(taken(address, told, patience_s=4))
    images = [shot.image for shot in shots]
    assert set(images) == {jpeg(50), jpeg(200)}
    lost = [shot.lost for shot in shots]
    assert lost[images.index(jpeg(200))] == sum(lost) == 1
    away = f"no picture comes from {address}; it is opened again until one does"
    assert told == [
        away,
        f"pictures come from {address} again; those in between are missing",
        away,
        f"source {address!r}: no picture for 4 s; check the camera and its network, then start again",
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_the_reading_here_is_not_told_as_a_fault_of_the_camera(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(_: Capture) -> bytes:
        raise MemoryError("no room for 99 MB")

    monkeypatch.setattr(Capture, "read", read)
    with (
        streaming([repeat(jpeg(50), 4)]) as (address, _),
        LiveSource(address) as source,
        pytest.raises(SourceLostError, match=r"cannot take its pictures \(MemoryError: no room for 99 MB\)") as lost,
    ):
        next(source.shots())
    assert "network" not in str(lost.value)


def test_a_stream_without_pictures_is_not_waited_for_once_it_is_told_to_stop() -> None:
    stop = threading.Event()
    with streaming([repeat(jpeg(50), 4)]) as (address, _), LiveSource(address, stop=stop) as source:
        shots = source.shots()
        assert next(shots).image == jpeg(50)
        threading.Timer(0.5, stop.set).start()
        assert {shot.image for shot in shots} <= {jpeg(50)}
