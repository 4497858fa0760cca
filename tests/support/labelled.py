"""A folder of labelled frames in MVTec's layout."""

from pathlib import Path

import cv2
import numpy as np
from line import drawn_part
from pictures import smooth_picture, with_opencv


def mask_of_the_scratch(side: int = 96) -> bytes:
    mask = np.zeros((96, 96), np.uint8)
    cv2.line(mask, (30, 30), (66, 60), 255, 4)
    return with_opencv(cv2.resize(mask, (side, side), interpolation=cv2.INTER_NEAREST), ".png")


def write_labelled(folder: Path) -> Path:
    """Four good, three scratched with masks, two odd pictures without, below `folder`; returns the test folder."""
    for name in ("test/good", "test/scratch", "test/odd", "ground_truth/scratch"):
        (folder / name).mkdir(parents=True)
    for seed in range(4):
        (folder / "test" / "good" / f"{seed}.png").write_bytes(drawn_part(seed))
    for seed in range(3):
        (folder / "test" / "scratch" / f"{seed}.png").write_bytes(drawn_part(seed, scratched=True))
        name = f"{seed}_mask.png" if seed else "0.png"
        (folder / "ground_truth" / "scratch" / name).write_bytes(mask_of_the_scratch())
    for seed in range(2):
        (folder / "test" / "odd" / f"{seed}.png").write_bytes(with_opencv(smooth_picture(96, 96, seed), ".png"))
    return folder / "test"


def unmasked(labelled: Path, few: str) -> str:
    """What is said of frames without a mask, the first of which is odd."""
    expected = labelled.resolve().parent / "ground_truth" / "odd" / "0_mask.png"
    return f"{few} defective frames have no mask, left out of the pixel figures: for 0.png, expected {expected}"
