"""Our side of a comparison: the real commands as processes of their own, and the peer's view of the same data."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.evaluation.areas import Areas
from calibration.evaluation.cases import GOOD, Case, label_of
from calibration.evaluation.masks import united
from calibration.evaluation.metrics import PixelFigures
from inspector import frame as decoder
from inspector.errors import FrameError, in_words
from inspector.folder import image_files
from inspector.header import upright_size_wh
from inspector.patches import picture_of
from inspector.recipe import Recipe
from inspector.types import UInt8Image

SAMPLES = 200
"""How many good samples both sides get, first by path."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command printed as JSON, and the most memory it had, MB."""

    document: dict[str, Any]
    peak_mb: float


def command(*arguments: object) -> Said:
    """`inspector ARGUMENTS --json`, as a process.

    Raises:
        RuntimeError: it failed; what it said is in the message.
    """
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as complaint:
        process = subprocess.Popen(
            [sys.executable, "-m", "inspector", *map(str, arguments), "--json"], stdout=printed, stderr=complaint
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        complaint.seek(0)
        if process.returncode != 0:
            said = complaint.read().decode(errors="replace").strip()[-400:]
            raise RuntimeError(f"inspector {arguments[0]}: exit code {process.returncode}: {said}")
        return Said(json.load(printed), usage.ru_maxrss / 1024)


def data_sets(folder: Path, only: Sequence[str] | None = None) -> list[Path]:
    """Folders in MVTec's layout below `folder`, in order of their names; good samples may be called otherwise.

    Raises:
        SystemExit: there is none, or not each of `only`.
    """
    found = {path.parent.name: path.parent for path in sorted(folder.glob("*/test")) if good_in(path.parent).is_dir()}
    if not found:
        raise SystemExit(f"{folder}: no data set in MVTec's layout there (NAME/train/{GOOD}, NAME/test/...)")
    if missing := [name for name in only or () if name not in found]:
        raise SystemExit(f"{folder}: no data set {', '.join(missing)} there, expected some of {', '.join(found)}")
    return [path for name, path in found.items() if only is None or name in only]


def good_in(data: Path) -> Path:
    """The folder of good samples of a data set, train/good or by another name that means the same, there or not."""
    train = data / "train"
    named = [each for each in sorted(train.glob("*")) if label_of(each.name) == GOOD]
    return train / GOOD if train / GOOD in named or not named else named[0]


def readable(files: Iterable[Path]) -> list[Path]:
    """Those that decode. Of each other one a line is printed: who measures goes on without it."""
    found = []
    for file in files:
        try:
            decoder.decode(file.read_bytes())
        except (FrameError, OSError) as error:
            print(f"left out: {file} ({in_words(error)})", flush=True)
        else:
            found.append(file)
    return found


def readable_cases(cases: Sequence[Case]) -> list[Case]:
    """Those of labelled pictures that decode."""
    sound = set(readable(case.path for case in cases))
    return [case for case in cases if case.path in sound]


def weights_file(folder: Path, arch: str) -> Path:
    """`timm-ARCH*.safetensors` in the folder.

    Raises:
        SystemExit: it is not there.
    """
    found = sorted(folder.glob(f"timm-{arch}*.safetensors"))
    if not found:
        raise SystemExit(f"{folder}: no timm-{arch}*.safetensors there")
    return found[0]


def good_files(data: Path, limit: int | None = SAMPLES) -> list[Path]:
    """The first good samples."""
    return image_files(good_in(data))[:limit]


def link_all(folder: Path, files: Iterable[Path]) -> None:
    """Makes the folder, with a numbered link to each file, as files of several folders may have one name."""
    folder.mkdir(parents=True)
    for index, file in enumerate(files):
        (folder / f"{index:05d}{file.suffix}").symlink_to(file.resolve())


def picture(path: Path, recipe: Recipe) -> UInt8Image:
    """What the backbone sees of a file."""
    return picture_of(decoder.decode(path.read_bytes()), recipe)[0]


def save_pictures(paths: Iterable[Path], recipe: Recipe, file: Path) -> None:
    """What the recipe makes of pictures, for the peer: uint8 (n, height, width, 3) in a .npy file."""
    np.save(file, np.stack([picture(path, recipe) for path in paths]))


def pixel_figures(maps: np.ndarray, cases: Sequence[Case]) -> PixelFigures:
    """Of the peer's anomaly maps (n, height, width), by the same rules as `inspector evaluate`."""
    figures = PixelFigures()
    for heat, case in zip(maps, cases, strict=True):
        size_wh = heat.shape[1], heat.shape[0]
        if case.label == GOOD:
            figures.add(heat.astype(np.float32), Areas.of(np.zeros(heat.shape, bool), size_wh))
        elif case.masks:
            with case.path.open("rb") as stream:
                frame_wh = upright_size_wh(stream)
            if (white := united(case.masks, frame_wh)[0]) is not None:
                figures.add(heat.astype(np.float32), Areas.of(white, size_wh))
    return figures
