"""The newest picture of each station: asked for by the page, drawn by the daemon."""

import os
import time
from pathlib import Path

import pytest

from inspector.store import NewestPictures
from inspector.store.newest_pictures import ASKED_S

CAM1, CAM2 = "plant/hall1/line1/cam1", "plant/hall1/line1/cam2"


def test_it_is_asked_for_as_long_as_somebody_looks(tmp_path: Path) -> None:
    pictures = NewestPictures(tmp_path)
    assert not pictures.asked()
    pictures.ask()
    assert pictures.asked()
    for wrong in (ASKED_S + 1, -ASKED_S - 1):  # a clock that was put right does not leave a look behind for years
        when = time.time() - wrong
        os.utime(tmp_path / "newest" / ".asked", (when, when))
        assert not pictures.asked()
    pictures.ask()
    assert pictures.asked()


def test_a_data_folder_that_is_not_here_is_no_fault_of_who_looks(tmp_path: Path) -> None:
    pictures = NewestPictures(tmp_path / "elsewhere")
    pictures.ask()
    assert not pictures.asked()
    assert pictures.drawn_at([CAM1]) == {}
    assert pictures.read(CAM1) is None
    assert not (tmp_path / "elsewhere").exists()


def test_a_picture_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    pictures = NewestPictures(tmp_path)
    pictures.draw(CAM1, b"one")
    pictures.draw(CAM1, b"two")
    assert pictures.read(CAM1) == b"two"
    assert abs(pictures.drawn_at([CAM1, CAM2])[CAM1].timestamp() - time.time()) < 60
    assert CAM2 not in pictures.drawn_at([CAM1, CAM2])


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    pictures = NewestPictures(tmp_path)
    place = tmp_path / "newest" / f"{CAM1}.jpg"
    place.mkdir(parents=True)
    with pytest.raises(OSError, match="directory"):
        pictures.draw(CAM1, b"one")
    assert list(place.parent.iterdir()) == [place]
