"""Good samples of a station as the page Samples has them: drawn parts, a little wider than high."""

import cv2
import numpy as np

from inspector.samples.folder import SampleFolder
from inspector.synthetic import draw_part
from inspector.types import UInt8Image

WIDTH, HEIGHT = 160, 120


def seen_part(seed: int) -> UInt8Image:
    """uint8 (120, 160, 3) BGR: a plate of 120x120 on a grey ground."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    part = draw_part(np.random.default_rng(seed), size=HEIGHT).pixels
    picture[:, 20 : 20 + HEIGHT] = cv2.cvtColor(part, cv2.COLOR_RGB2BGR)
    return picture


def put_parts(samples: SampleFolder, number: int, *, suffix: str = "png") -> None:
    """So many into the folder."""
    samples.good.mkdir(parents=True, exist_ok=True)
    for seed in range(number):
        cv2.imwrite(str(samples.good / f"part-{seed}.{suffix}"), seen_part(seed))
