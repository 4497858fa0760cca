"""Banks for tests: copies that may be damaged, and signed again so that the damage is met by the later checks."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
from line import drawn_part
from safetensors.numpy import load_file, save_file

from calibration.calibrate import Options, calibrate
from inspector.bank import digests
from inspector.exchange import exchange
from inspector.recipe import Recipe

T = TypeVar("T")


def copy_of(bank: Path, folder: Path) -> Path:
    """A copy of the bank, to be damaged."""
    return Path(shutil.copytree(bank, folder / "copied"))


def change_manifest(bank: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Edit manifest.json as a hand would."""
    file = bank / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


def sign(bank: Path) -> None:
    """Write the digests that the files now have into the manifest."""
    files = digests(bank)
    del files["manifest.json"]
    change_manifest(bank, lambda manifest: manifest.update(files=files))


def change_arrays(file: Path, change: Callable[[dict[str, np.ndarray]], Any]) -> None:
    """Edit the arrays in a safetensors file of a bank, and sign the bank again."""
    arrays = dict(load_file(file))
    change(arrays)
    save_file(arrays, file)
    sign(file.parent)


def exchanged_after(look: Callable[[Path], T], bank: Path, other: Path) -> Callable[[Path], T]:
    """`look`, behind whose first call the two banks change places."""
    left = [(bank, other)]

    def looks(path: Path) -> T:
        found = look(path)
        if left:
            exchange(*left.pop())
        return found

    return looks


def stamped_part(seed: int) -> bytes:
    """A drawn part with a bright stamp, which no sample of a bank of drawn parts has."""
    picture = cv2.imdecode(np.frombuffer(drawn_part(seed), np.uint8), cv2.IMREAD_COLOR)
    cv2.rectangle(picture, (40, 40), (52, 50), (250, 250, 250), -1)
    return bytes(cv2.imencode(".png", picture)[1])


def roomy_bank(folder: Path) -> Path:
    """Room enough to learn something: 1000 vectors from twenty drawn parts, plain distances."""
    good = write_good(folder / "good", 20, first_seed=1000)
    calibrate(
        good, folder / "bank", Options(recipe=Recipe(name="disc", size_wh=(64, 64), vectors=1000, whitening=0), folds=4)
    )
    return folder / "bank"


def write_good(folder: Path, count: int, *, first_seed: int = 0) -> Path:
    """A folder with so many different drawn parts."""
    folder.mkdir(parents=True)
    for seed in range(count):
        (folder / f"{seed:03d}.png").write_bytes(drawn_part(first_seed + seed))
    return folder
