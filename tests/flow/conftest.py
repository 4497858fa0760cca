"""Fixtures of the tests that run the whole line."""

from pathlib import Path

import cv2
import numpy as np
import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frames = tmp_path / "frames"
    (frames / "good").mkdir(parents=True)
    for number in range(6):
        cv2.imwrite(str(frames / "good" / f"{number}.png"), np.full((20, 30, 3), number, np.uint8))
    return frames
