"""Fixtures of the tests that run the whole line."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import faulty_daemon
import numpy as np
import pytest
from line import Daemon
from services import Mosquitto


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    (frames / "good").mkdir(parents=True)
    for number in range(6):
        cv2.imwrite(str(frames / "good" / f"{number}.png"), np.full((20, 30, 3), number, np.uint8))
    return frames


@pytest.fixture
def faulty(mosquitto: Mosquitto, bank: Path, tmp_path: Path) -> Iterator[Daemon]:
    """The daemon with a pipeline that can be slow or deadly."""
    with Daemon(tmp_path, port=mosquitto.port, bank=bank, program=(faulty_daemon.__file__,)) as process:
        yield process
