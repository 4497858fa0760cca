"""What a calibration found, as the document of a candidate keeps it for who judges the samples: bounded, plain JSON.

Places are fractions of the whole frame, 0..1 from the left and from the top.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from calibration.calibrate import Calibrated, Highest
from calibration.suspects import Kind, Suspect
from inspector.header import upright_size_wh
from inspector.recipe import Recipe
from inspector.types import Float32Array

SHOWN: Final = 36
"""Suspects that are kept at most, the farthest from what most others show first."""

LISTED: Final = 100
"""Files that were left out that are kept at most."""

LONGEST: Final = 500
"""Characters of a reason."""

_SOMEWHERE: Final[frozenset[Kind]] = frozenset({"outlying", "doubtful"})
"""Kinds of doubt for which one place of the picture is the reason."""


def findings(done: Calibrated, folder: Path, seconds: float) -> dict[str, Any]:
    """folder: of the samples. seconds: how long it took.

    Raises:
        OSError: a sample cannot be read any more.
    """
    recipe = done.choice.recipe
    ranked = sorted(done.suspects, key=lambda item: -item.distance)
    return {
        "samples": done.samples,
        "vectors": done.vectors,
        "dim": done.dim,
        "size_wh": list(recipe.size_wh),
        "metric": recipe.power > 0,
        "region": str(done.extent) if done.extent else None,
        "left_out": [
            {"name": _below(item.path, folder), "reason": item.reason[:LONGEST]} for item in done.skipped[:LISTED]
        ],
        "left_out_total": len(done.skipped),
        "suspects": [_suspect(item, folder, recipe) for item in ranked[:SHOWN]],
        "suspects_total": len(done.suspects),
        "excluded": done.excluded,
        "trimmed": done.trimmed,
        "highest": [_highest(item, folder, recipe) for item in done.highest],
        "caveats": [said[:LONGEST] for said in done.caveats],
        "tuned": done.tuned.said if done.tuned else None,
        "seconds": round(seconds, 1),
    }


def _suspect(item: Suspect, folder: Path, recipe: Recipe) -> dict[str, Any]:
    size_wh = _size_wh(folder / item.name)
    placed = any(doubt.kind in _SOMEWHERE for doubt in item.doubts)
    return {
        "name": item.name,
        "distance": item.distance,
        "size_wh": size_wh,
        "at": peak(item.heat, recipe, size_wh) if placed else None,
        "reasons": [{"kind": doubt.kind, "reason": doubt.reason[:LONGEST]} for doubt in item.doubts],
    }


def _highest(item: Highest, folder: Path, recipe: Recipe) -> dict[str, Any]:
    size_wh = _size_wh(folder / item.name)
    return {"name": item.name, "score": item.score, "size_wh": size_wh, "at": peak(item.heat, recipe, size_wh)}


def peak(heat: Float32Array, recipe: Recipe, size_wh: Sequence[int]) -> list[float]:
    """Where a map, float32 (rows, columns) over the recipe's crop or the whole frame, is highest: x and y as fractions
    of the frame, whose width and height are given in pixels.
    """
    row, column = np.unravel_index(int(heat.argmax()), heat.shape)
    across, down = (column + 0.5) / heat.shape[1], (row + 0.5) / heat.shape[0]
    if (crop := recipe.crop) is not None:
        across = (crop.x + across * crop.width) / size_wh[0]
        down = (crop.y + down * crop.height) / size_wh[1]
    return [round(float(across), 4), round(float(down), 4)]


def _size_wh(path: Path) -> list[int]:
    with path.open("rb") as stream:
        return list(upright_size_wh(stream))


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
