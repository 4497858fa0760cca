"""What is left of accuracy where light, place or focus are not those of the samples.

    python -m benchmarks.robustness --data DIR [--only SET]... [--frames N] [--json FILE]

`inspector calibrate` with default settings, once a set; then the test frames, evenly drawn, each changed in one way
before it is encoded again and goes through the line's own pipeline. Figures: image AUROC, and the share of good frames
above the threshold, drift aside. Unchanged frames are encoded again as well, so that only the change differs.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.ours import SAMPLES, command, data_sets
from benchmarks.report import machine, number, table, write
from calibration.evaluation import GOOD, Case, find_cases
from calibration.metrics import image_auroc
from calibration.samples import drawn
from inspector import frame as decoder
from inspector.pipeline import Pipeline
from inspector.types import UInt8Image

Change = Callable[[UInt8Image], UInt8Image]


def light(factor: float) -> Change:
    """Each level times a factor."""
    return lambda picture: np.clip(picture.astype(np.float32) * factor + 0.5, 0, 255).astype(np.uint8)


def moved(share: float, degrees: float = 0.0) -> Change:
    """Shifted to the right and down by a share of the sides, turned about the middle; the border is repeated."""

    def change(picture: UInt8Image) -> UInt8Image:
        height, width = picture.shape[:2]
        way = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        way[:, 2] += (share * width, share * height)
        placed = cv2.warpAffine(picture, way, (width, height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(placed, np.uint8)

    return change


def blurred(sigma: float) -> Change:
    """Out of focus, by so many pixels of a picture whose shorter side has 256."""
    return lambda picture: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma * min(picture.shape[:2]) / 256), np.uint8)


def noisy(levels: float) -> Change:
    """With noise of so many levels, the same on every run."""

    def change(picture: UInt8Image) -> UInt8Image:
        noise = np.random.default_rng(0).normal(0, levels, picture.shape)
        return np.clip(picture + noise + 0.5, 0, 255).astype(np.uint8)

    return change


CHANGES: Final[dict[str, Change]] = {
    "unchanged": light(1.0),
    "light x 0.7": light(0.7),
    "light x 0.85": light(0.85),
    "light x 1.15": light(1.15),
    "light x 1.3": light(1.3),
    "shift 2 %": moved(0.02),
    "shift 5 %": moved(0.05),
    "turn 2 degrees": moved(0.0, 2.0),
    "turn 5 degrees": moved(0.0, 5.0),
    "blur 1": blurred(1.0),
    "blur 2": blurred(2.0),
    "noise 5": noisy(5.0),
    "noise 10": noisy(10.0),
}


def main() -> None:
    """Measures, prints the table, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--frames", type=int, default=60, help="of good and of defective frames each, at most  [60]")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "frames": arguments.frames, "sets": {}}
    for data in data_sets(arguments.data, arguments.only):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
            bank = Path(work) / "bank"
            command("calibrate", data / "train" / GOOD, "-o", bank, "--first", SAMPLES)
            document["sets"][data.name] = measure(Pipeline.open(bank), find_cases(data / "test"), arguments.frames)
        print(f"{data.name}: {json.dumps(document['sets'][data.name])}", flush=True)
        write(document, arguments.json)
    print(markdown(document["sets"]))


def measure(pipeline: Pipeline, cases: list[Case], frames: int) -> dict[str, Any]:
    """Each change: image AUROC, and the share of good frames above the threshold."""
    good = drawn([case for case in cases if case.label == GOOD], frames)
    defective = drawn([case for case in cases if case.label != GOOD], frames)
    figures = {}
    for name, change in CHANGES.items():
        normal, defect = (_scores(pipeline, some, change) for some in (good, defective))
        rejected = float((normal > pipeline.bank.thresholds.ng).mean()) if len(normal) else None
        figures[name] = {"image_auroc": image_auroc(normal, defect), "false_reject_rate": rejected}
    return figures


def _scores(pipeline: Pipeline, cases: list[Case], change: Change) -> np.ndarray:
    scores = []
    for case in cases:
        changed = change(decoder.decode(case.path.read_bytes()).pixels)
        encoded = cv2.imencode(".png", cv2.cvtColor(changed, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])[1]
        scores.append(pipeline.inspect(encoded.tobytes()).score)
    return np.array(scores, np.float32)


def markdown(sets: dict[str, Any]) -> str:
    """A row for each change: AUROC and false rejects on each set."""
    rows = []
    for name in CHANGES:
        cells = [
            f"{number(figures[name]['image_auroc'], 3)}, {figures[name]['false_reject_rate']:.0%}"
            for figures in sets.values()
        ]
        mean = float(np.mean([figures[name]["image_auroc"] for figures in sets.values()]))
        rows.append([name, *cells, number(mean, 3)])
    return table(["change", *(f"{name}: AUROC, false rejects" for name in sets), "mean AUROC"], rows)


if __name__ == "__main__":
    main()
