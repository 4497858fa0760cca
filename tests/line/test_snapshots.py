"""Small pictures of the line: drawn while somebody looks, and no frame is held for them afterwards."""

import weakref
from pathlib import Path

import cv2
import numpy as np
import pytest
from line import CAM1, CAM2, drawn_part
from services import wait_until

from inspector.line.health import Health
from inspector.line.snapshots import FITS_WH, Snapshots
from inspector.store import NewestPictures
from inspector.types import Frame


@pytest.mark.parametrize("somebody_looks", [True, False])
def test_no_frame_is_held_until_the_next_one(tmp_path: Path, somebody_looks: bool) -> None:
    pictures, faults = NewestPictures(tmp_path), list[BaseException]()
    if somebody_looks:
        pictures.ask()
    with Snapshots(pictures, Health(), max_pixels=10_000, on_fault=faults.append) as snapshots:
        pixels = np.zeros((600, 800, 3), np.uint8)
        seen = weakref.ref(pixels)
        snapshots.seen(CAM1, Frame(pixels))
        del pixels
        wait_until(lambda: seen() is None, "the frame is let go", deadline_s=5)
    assert (pictures.read(str(CAM1)) is not None) == somebody_looks
    assert faults == []


@pytest.mark.parametrize("shape_hw", [(1, 3000), (3000, 1), (1, 1), (360, 480), (2000, 2000)])
def test_a_picture_of_any_shape_is_drawn(tmp_path: Path, shape_hw: tuple[int, int]) -> None:
    pictures, faults = NewestPictures(tmp_path), list[BaseException]()
    pictures.ask()
    with Snapshots(pictures, Health(), max_pixels=10_000, on_fault=faults.append) as snapshots:
        snapshots.seen(CAM1, Frame(np.full((*shape_hw, 3), 128, np.uint8)))
        wait_until(lambda: pictures.read(str(CAM1)), "it is drawn")
    drawn = cv2.imdecode(np.frombuffer(pictures.read(str(CAM1)) or b"", np.uint8), cv2.IMREAD_COLOR)
    assert drawn is not None
    assert all(side <= most for side, most in zip(drawn.shape[1::-1], FITS_WH, strict=True))
    assert faults == []


def test_of_what_came_without_a_bank_pictures_are_drawn_and_others_left_out(tmp_path: Path) -> None:
    pictures, faults = NewestPictures(tmp_path), list[BaseException]()
    pictures.ask()
    with Snapshots(pictures, Health(), max_pixels=10_000, on_fault=faults.append) as snapshots:
        snapshots.seen(CAM1, b"no picture")
        snapshots.seen(CAM2, drawn_part(1))
        wait_until(lambda: pictures.read(str(CAM2)), "the sound one is drawn")
    assert pictures.read(str(CAM1)) is None
    assert faults == []
