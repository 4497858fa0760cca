"""Fixtures of the command line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from calling import Cli
from line import drawn_part


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(capsys)


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """A labelled test folder: two good, two scratched, with masks."""
    for name in ("test/good", "test/scratch", "ground_truth/scratch"):
        (tmp_path / name).mkdir(parents=True)
    mask = np.zeros((96, 96), np.uint8)
    cv2.line(mask, (30, 30), (66, 60), 255, 4)
    for seed in range(2):
        (tmp_path / "test" / "good" / f"{seed}.png").write_bytes(drawn_part(seed))
        (tmp_path / "test" / "scratch" / f"{seed}.png").write_bytes(drawn_part(seed, scratched=True))
        cv2.imwrite(str(tmp_path / "ground_truth" / "scratch" / f"{seed}_mask.png"), mask)
    return tmp_path / "test"
