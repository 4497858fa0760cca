"""What is left of accuracy where light, place or focus are not those of the samples.

    python -m benchmarks.robustness --data DIR [--weights DIR --peer-python PYTHON] [--only SET]... [--frames N]

`inspector calibrate` on good samples, evenly drawn, by default settings, with `light: 0.3` and with `shift: 0.06`; then
the test frames, evenly drawn, each changed in one way before it is encoded again and goes through the line's own
pipeline. The recipes crop the middle of each frame, so that a shift or a turn brings in what really lies beside it: a
border that is made up is an anomaly, and the better net says so. Figures: image AUROC, and the share of good frames
above the threshold, drift aside. Unchanged frames are encoded again as well, so that only the change differs. The peer
gets the same samples and the same changed pictures; it sets no threshold from good samples.
"""

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import yaml

from benchmarks.accuracy import fitted, peer_folder
from benchmarks.ours import command, data_sets, good_in, readable, readable_cases, save_pictures, weights_file
from benchmarks.report import machine, number, table, write
from benchmarks.rival import ARCH, running_rival
from calibration.evaluation.cases import GOOD, Case, find_cases
from calibration.evaluation.metrics import image_auroc
from calibration.samples import evenly
from inspector import frame as decoder
from inspector.folder import image_files
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.recipe import Crop, Recipe
from inspector.types import Frame, UInt8Image

Change = Callable[[UInt8Image], UInt8Image]


def light(factor: float) -> Change:
    """Each level times a factor."""
    return lambda picture: np.clip(picture.astype(np.float32) * factor + 0.5, 0, 255).astype(np.uint8)


def moved(right: float, down: float, degrees: float = 0.0) -> Change:
    """Shifted by shares of the width and height, turned about the middle; the border, which is repeated, lies beyond
    what is looked at.
    """

    def change(picture: UInt8Image) -> UInt8Image:
        height, width = picture.shape[:2]
        way = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
        way[:, 2] += (right * width, down * height)
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
    "shift 2 %": moved(0.02, 0.02),
    "shift 4 % left": moved(-0.04, 0.0),
    "shift 5 %": moved(0.05, 0.05),
    "turn 2 degrees": moved(0.0, 0.0, 2.0),
    "turn 3 degrees": moved(0.0, 0.0, 3.0),
    "blur 1": blurred(1.0),
    "blur 2": blurred(2.0),
    "noise 5": noisy(5.0),
    "noise 10": noisy(10.0),
}


FRAME_SIDE: Final = 304
"""Frames are brought to so many pixels a side, of which CROP is looked at, as large as what the backbone sees."""

CROP: Final = Crop(x=24, y=24, width=256, height=256)
"""0.84 of each side. No change above moves the border of a picture up to 2.8 : 1 into it."""

WAYS: Final = {"default": {}, "light 0.3": {"light": 0.3}, "shift 0.06": {"shift": 0.06}}
"""What the recipes say, by name; a shift of 5 % of a frame is one of 5.9 % of the crop."""

Figures = dict[str, dict[str, float | None]]


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--weights", type=Path, help=f"holds timm-{ARCH}*.safetensors, for the peer")
    parser.add_argument("--peer-python", type=Path, help="a Python that has anomalib")
    parser.add_argument("--work", type=Path, help="take up a peer's bank that is there")
    parser.add_argument("--samples", type=int, default=200, help="good ones, at most  [200]")
    parser.add_argument("--frames", type=int, default=60, help="of good and of defective frames each, at most  [60]")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    document: dict[str, Any] = {
        "machine": machine(),
        "samples": arguments.samples,
        "frames": arguments.frames,
        "sets": {},
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        for data in data_sets(arguments.data, arguments.only):
            work = (arguments.work or Path(scratch)) / data.name
            work.mkdir(parents=True, exist_ok=True)
            cases = find_cases(data / "test")
            good = readable_cases(evenly([case for case in cases if case.label == GOOD], arguments.frames))
            defective = readable_cases(evenly([case for case in cases if case.label != GOOD], arguments.frames))
            samples = Path(scratch) / data.name / GOOD
            write_frames(readable(evenly(image_files(good_in(data)), arguments.samples)), samples)
            figures = document["sets"].setdefault(data.name, {})
            for name, keys in WAYS.items():
                recipe = yaml.safe_dump({"crop": CROP.model_dump(), **keys})
                (work / "recipe.yaml").write_text(recipe, encoding="utf-8")
                bank = Path(scratch) / data.name / name
                command("calibrate", samples, "-o", bank, "--recipe", work / "recipe.yaml")
                figures[name] = measure(Pipeline.open(bank), good, defective)
            if arguments.peer_python and arguments.weights:
                weights = weights_file(arguments.weights, ARCH)
                figures["anomalib"] = peer(arguments.peer_python, weights, image_files(samples), work, good, defective)
            print(f"{data.name}: {json.dumps(figures)}", flush=True)
            write(document, arguments.json)
    print(markdown(document["sets"]))


def measure(pipeline: Pipeline, good: list[Case], defective: list[Case]) -> Figures:
    """Each change: image AUROC, and the share of good frames above the threshold."""
    figures: Figures = {}
    for name, change in CHANGES.items():
        normal, defect = (_scores(pipeline, some, change) for some in (good, defective))
        rejected = float((normal > pipeline.bank.thresholds.ng).mean()) if len(normal) else None
        figures[name] = {"image_auroc": image_auroc(normal, defect), "false_reject_rate": rejected}
    return figures


def peer(
    python: Path, weights: Path, samples: list[Path], work: Path, good: list[Case], defective: list[Case]
) -> Figures:
    """Each change: the peer's image AUROC on the same pixels."""
    recipe, figures = Recipe(crop=CROP), Figures()
    save_pictures(samples, recipe, work / "good.npy")
    fitted(python, weights, work, work / "good.npy", recipe.vectors)
    with running_rival(python, weights, work / "peer_changed.log") as rival:
        rival.ask("bank", bank=peer_folder(work, work / "good.npy", weights, recipe.vectors, 0) / "bank.npy")
        for name, change in CHANGES.items():
            scores = []
            for some in (good, defective):
                changed = [picture_of(frame_of(case.path, change), recipe)[0] for case in some]
                np.save(work / "changed.npy", np.stack(changed))
                told = rival.ask("score", pictures=work / "changed.npy", out=work / "changed_maps.npy")
                scores.append(np.array(told["scores"], np.float32))
            figures[name] = {"image_auroc": image_auroc(scores[0], scores[1]), "false_reject_rate": None}
    return figures


def write_frames(files: Sequence[Path], folder: Path) -> None:
    """Each picture as a frame in PNG, in the same order."""
    folder.mkdir(parents=True)
    for index, file in enumerate(files):
        (folder / f"{index:05d}.png").write_bytes(_encoded(frame_of(file, CHANGES["unchanged"])))


def frame_of(file: Path, change: Change) -> Frame:
    """The picture, changed, as a frame."""
    whole = Recipe(size_wh=(FRAME_SIDE, FRAME_SIDE))
    return Frame(picture_of(Frame(change(decoder.decode(file.read_bytes()).pixels)), whole)[0])


def _encoded(frame: Frame) -> bytes:
    levels = cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR)
    return cv2.imencode(".png", levels, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1].tobytes()


def _scores(pipeline: Pipeline, cases: list[Case], change: Change) -> np.ndarray:
    scores = [pipeline.inspect(_encoded(frame_of(case.path, change))).score for case in cases]
    return np.array(scores, np.float32)


def markdown(sets: dict[str, dict[str, Figures]]) -> str:
    """A table of the means over all sets, then one for each way: AUROC and false rejects on each set."""
    ways = list(next(iter(sets.values())))
    means = [
        [change, *(_cell([figures[way][change] for figures in sets.values()]) for way in ways)] for change in CHANGES
    ]
    parts = [table([f"mean of {len(sets)} sets", *(f"{way}: AUROC, false rejects" for way in ways)], means)]
    for way in ways:
        rows = [[change, *(_cell([figures[way][change]]) for figures in sets.values())] for change in CHANGES]
        parts.append(table([way, *sets], rows))
    return "\n\n".join(parts)


def _cell(figures: list[dict[str, float | None]]) -> str:
    areas = [each["image_auroc"] for each in figures if each["image_auroc"] is not None]
    rejects = [each["false_reject_rate"] for each in figures if each["false_reject_rate"] is not None]
    return (number(float(np.mean(areas)), 3) or "") + (f", {np.mean(rejects):.0%}" if rejects else "")


if __name__ == "__main__":
    main()
