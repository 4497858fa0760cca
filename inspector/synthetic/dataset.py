"""A folder of drawn pictures in the layout that `calibrate` and `evaluate` read.

train/good/000.png   test/good/000.png   test/<defect>/000.png   ground_truth/<defect>/000_mask.png
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from inspector.errors import SamplesError
from inspector.synthetic.defect import Defect, DefectKind
from inspector.synthetic.part import draw_part
from inspector.types import UInt8Image


@dataclass(frozen=True, slots=True)
class WrittenDataset:
    """Where it was written."""

    folder: Path

    @property
    def good_dir(self) -> Path:
        """The good samples to calibrate on."""
        return self.folder / "train" / "good"

    @property
    def test_dir(self) -> Path:
        """The samples to evaluate on, one folder for each kind."""
        return self.folder / "test"


def write_dataset(
    folder: Path,
    *,
    product: str = "plate",
    train_good: int,
    test_good: int,
    per_defect: int,
    kinds: tuple[DefectKind, ...] = tuple(DefectKind),
    severity: tuple[float, float] = (0.35, 1.0),
    size: int = 384,
    seed: int = 0,
) -> WrittenDataset:
    """Draws and writes a data set of PNG files. The same arguments give the same bytes.

    severity: lowest and highest, drawn evenly between. seed: every picture has its own generator, so that a
    picture does not depend on how many were drawn before it.

    Raises:
        UsageError: no such product, or a size or severity that cannot be drawn.
        SamplesError: the folder cannot be written.
    """
    for part, count, stream in (("train", train_good, 0), ("test", test_good, 1)):
        for number in range(count):
            drawn = draw_part(np.random.default_rng((seed, stream, number)), name=product, size=size)
            _write(folder / part / "good" / f"{number:03d}.png", drawn.pixels[..., ::-1])
    for kind in kinds:
        for number in range(per_defect):
            rng = np.random.default_rng((seed, 2, tuple(DefectKind).index(kind), number))
            drawn = draw_part(rng, name=product, defect=Defect(kind, rng.uniform(*severity)), size=size)
            _write(folder / "test" / kind / f"{number:03d}.png", drawn.pixels[..., ::-1])
            mask = drawn.mask.astype(np.uint8) * 255
            _write(folder / "ground_truth" / kind / f"{number:03d}_mask.png", mask)
    return WrittenDataset(folder)


def _write(path: Path, bgr_or_grey: UInt8Image) -> None:
    """Writes a PNG, fast rather than small."""
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(bgr_or_grey), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded.tobytes())
    except OSError as error:
        raise SamplesError(f"cannot write {path}: {error.strerror}; choose a folder that can be written") from error
