"""Recipes side by side without a test folder: what every default is chosen by.

    python -m benchmarks.study --data DIR [--backbone NAME] [--only SET]... [--variant NAME]... [--json FILE]

For each variant and data set: held-back good samples against the same with a synthetic defect, by folds, through the
line's own decoder, engine and score (`calibration.separation`). Only `train/good` is read. Differences between
variants are paired: same samples, as many as the largest variant has room for, same defects; their standard error
comes from drawing the samples again with replacement. A figure that --json holds already is not measured again.
"""

import argparse
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.ours import data_sets, good_in
from benchmarks.report import continued, machine, number, table, write
from calibration.evaluation.metrics import PixelFigures, image_auroc
from calibration.samples import evenly
from calibration.separation import FOLDS, Trial, room, trial_samples
from inspector.folder import image_files
from inspector.recipe import Recipe
from inspector.types import Float32Array

VARIANTS: Final[dict[str, dict[str, Any]]] = {
    "plain distances": {},
    "whitening 0.5": {"whitening": 0.5},
    "whitening 1": {"whitening": 1.0},
    "centring 0": {"centring": 0.0},
    "centring 1": {"centring": 1.0},
    "pooling 1": {"pooling": 1},
    "pooling 5": {"pooling": 5},
    "3 neighbours": {"neighbours": 3},
    "9 neighbours": {"neighbours": 9},
    "1024 vectors": {"vectors": 1024},
    "4096 vectors": {"vectors": 4096},
    "320x320": {"size_wh": (320, 320)},
    "384x384": {"size_wh": (384, 384)},
}

DRAWS: Final = 200
"""Of the samples with replacement, for the standard error of a difference."""


def main() -> None:
    """Measures, prints the table, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--backbone", default="builtin")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--variant", action="append", choices=list(VARIANTS), help="all by default")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="written after each figure, and continued where it exists")
    arguments = parser.parse_args()
    document = {"machine": machine(), "backbone": arguments.backbone, "seed": arguments.seed, "variants": {}}
    document = continued(arguments.json, document, "backbone", "seed")
    sets = data_sets(arguments.data, arguments.only)
    fit = max(FOLDS, min(room(recipe_of(name), arguments.backbone) for name in VARIANTS))
    for name in arguments.variant or VARIANTS:
        measured = document["variants"].setdefault(name, {})
        for data in sets:
            if data.name not in measured:
                paths = evenly(trial_samples(image_files(good_in(data))), fit)
                recipe = recipe_of(name)
                pixels = PixelFigures()
                found = Trial(paths, recipe, arguments.backbone, seed=arguments.seed).separation(recipe.power, pixels)
                measured[data.name] = {
                    "normal": found.normal.tolist(),
                    "defect": found.defect[0].tolist(),
                    "pixel_auroc": pixels.auroc,
                }
                write(document, arguments.json)
                print(f"{name}, {data.name}: {_area(measured[data.name]):.3f}", flush=True)
    print(markdown(document["variants"], [data.name for data in sets]))


def recipe_of(variant: str) -> Recipe:
    """The recipe of one of VARIANTS."""
    return Recipe(**{"whitening": 0.0, **VARIANTS[variant]})


def markdown(variants: dict[str, Any], sets: list[str]) -> str:
    """A row for each variant: image AUROC on each set, its mean, the difference to the default and that one's error."""
    first = next(iter(variants.values()))
    rows = []
    for name, measured in variants.items():
        areas = [_area(measured[each]) for each in sets]
        pixels = float(np.mean([measured[each]["pixel_auroc"] for each in sets]))
        difference, error = compared(measured, first, sets)
        rows.append(
            [name, *(number(area, 3) for area in areas), number(float(np.mean(areas)), 4), number(pixels, 4),
             "" if measured is first else f"{difference:+.4f} ± {error:.4f}"]
        )  # fmt: skip
    return table(["variant", *sets, "mean", "pixel AUROC", "against the first"], rows)


def compared(one: dict[str, Any], other: dict[str, Any], sets: list[str]) -> tuple[float, float]:
    """The difference of the mean image AUROC, and its standard error by drawing samples again, paired.

    Raises:
        SystemExit: they are not of the same samples.
    """
    for each in sets:
        if len(one[each]["normal"]) != len(other[each]["normal"]):
            counts = " and of ".join(str(len(figures[each]["normal"])) for figures in (one, other))
            raise SystemExit(
                f"{each}: got figures of {counts} samples, expected the same ones for all variants; measure again, "
                "without what --json holds"
            )
    rng = np.random.default_rng(0)
    draws = []
    for turn in range(DRAWS + 1):
        differences = []
        for each in sets:
            count = len(one[each]["normal"])
            rows = np.arange(count) if turn == 0 else rng.integers(count, size=count)
            differences.append(_area(one[each], rows) - _area(other[each], rows))
        draws.append(float(np.mean(differences)))
    return draws[0], float(np.std(draws[1:]))


def _area(measured: dict[str, Any], rows: np.ndarray | None = None) -> float:
    normal, defect = (np.array(measured[key], np.float32) for key in ("normal", "defect"))
    area = image_auroc(_taken(normal, rows), _taken(defect, rows))
    if area is None:
        raise SystemExit("no samples")
    return area


def _taken(scores: Float32Array, rows: np.ndarray | None) -> Float32Array:
    return scores if rows is None else np.asarray(scores[rows], np.float32)


if __name__ == "__main__":
    main()
