"""A network camera as a source: what is damaged, what is missing, and a connection that breaks off."""

import threading
from collections.abc import Iterator
from itertools import repeat

import numpy as np
import pytest
from pictures import with_opencv
from streaming import streaming

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


def taken(address: str, told: list[str], patience_s: float) -> Iterator[Shot]:
    """What a live source gives until it is lost."""
    source = LiveSource(address, stop=threading.Event(), on_notice=told.append, patience_s=patience_s)
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


def test_a_stream_without_pictures_is_not_waited_for_once_it_is_told_to_stop() -> None:
    stop = threading.Event()
    with streaming([repeat(jpeg(50), 4)]) as (address, _), LiveSource(address, stop=stop) as source:
        shots = source.shots()
        assert next(shots).image == jpeg(50)
        threading.Timer(0.5, stop.set).start()
        assert {shot.image for shot in shots} <= {jpeg(50)}
