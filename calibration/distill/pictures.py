"""The pictures that training draws its crops from, and those that it never sees."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2

from inspector.errors import SamplesError
from inspector.folder import CONTENT_TYPES, image_files
from inspector.types import UInt8Image

HELD_BACK_EVERY = 8


@dataclass(frozen=True, slots=True)
class PictureFolder:
    """The pictures of one folder, decoded: uint8 (height, width, 3) RGB, each short side at most the asked limit.

    training: what crops are drawn from. held_back: every eighth by name, kept for choosing between recipes.
    """

    path: Path
    training: tuple[UInt8Image, ...]
    held_back: tuple[UInt8Image, ...]


def read_folder(path: Path, max_short_side: int) -> PictureFolder:
    """Every picture below a folder, in the order of its path.

    Raises:
        SamplesError: the folder holds fewer than two pictures, lies below one called `test`, or one does not decode.
    """
    if "test" in path.resolve().parts:
        raise SamplesError(f"pictures {path}: below a folder called 'test', which is for measuring, not for training")
    files = image_files(path)
    if len(files) < 2:
        raise SamplesError(
            f"pictures {path}: got {len(files)} picture(s), expected at least 2 ({', '.join(CONTENT_TYPES)})"
        )
    training = [_read(file, max_short_side) for file in files]
    held_back = training[HELD_BACK_EVERY - 1 :: HELD_BACK_EVERY]
    del training[HELD_BACK_EVERY - 1 :: HELD_BACK_EVERY]
    return PictureFolder(path, tuple(training), tuple(held_back))


def read_folders(paths: Iterable[Path], max_short_side: int) -> tuple[PictureFolder, ...]:
    """`read_folder` of each."""
    return tuple(read_folder(path, max_short_side) for path in paths)


def _read(file: Path, max_short_side: int) -> UInt8Image:
    decoded = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if decoded is None:
        raise SamplesError(f"picture {file}: does not decode; remove it or name another folder")
    height, width = decoded.shape[:2]
    factor = max_short_side / min(height, width)
    if factor < 1:
        size_wh = (round(width * factor), round(height * factor))
        decoded = cv2.resize(decoded, size_wh, interpolation=cv2.INTER_AREA)
    rgb: UInt8Image = cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB).astype("uint8")
    return rgb
