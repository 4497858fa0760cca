"""Accuracy and cost on real pictures, beside anomalib's PatchCore with the same pixels, samples and bank size.

    python -m benchmarks.accuracy --data DIR --weights DIR [--peer-python PYTHON] [--samples N] [--seeds S...]
        [--only SET]... [--side SIDE]... [--work DIR] [--json FILE]

--data holds folders in MVTec's layout, --weights `timm-mobilenetv2_100*.safetensors`. Four sides get the same samples:
the peer, ours with the peer's network, ours by default, ours fine-tuned. Ours runs as `inspector calibrate` and
`inspector evaluate`; the peer gets the pictures already decoded and resized. Without --peer-python, a Python that has
anomalib, only ours is measured. Each seed draws another coreset (ours: other folds and trials as well); time is taken
with the first. --work keeps banks, and takes up a peer's bank that an earlier run left there together with the seconds
it took then. A figure that --json holds already is not measured again.
"""

import argparse
import hashlib
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.ours import (
    SAMPLES,
    command,
    data_sets,
    good_files,
    good_in,
    pixel_figures,
    readable,
    readable_cases,
    save_pictures,
    weights_file,
)
from benchmarks.report import continued, machine, number, ratio, table, write
from benchmarks.rival import ARCH, Rival, running_rival
from benchmarks.turns import HEAD, cells, latency, with_openvino
from calibration.evaluation.cases import GOOD, find_cases
from calibration.evaluation.metrics import image_auroc
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe

Figures = dict[str, Any]

SIDES: Final = {"peer": "anomalib", "same": ARCH, "builtin": "built-in", "finetuned": "fine-tuned"}
"""Names and what tables call them."""

OURS: Final = ("same", "builtin", "finetuned")

KINDS: Final = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO"}
TOLD: Final = (*KINDS, "f1_max", "false_reject_rate", "escape_rate", "n_good", "n_defect")


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--weights", type=Path, required=True, help=f"holds timm-{ARCH}*.safetensors")
    parser.add_argument("--peer-python", type=Path, help="a Python that has anomalib")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--side", action="append", choices=list(SIDES), help="all by default")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="good samples, first by path; 0 for all  [200]")
    parser.add_argument("--vectors", type=int, default=Recipe().vectors, help="the bank's size  [2048]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="[0]")
    parser.add_argument("--work", type=Path, help="keep banks here and take up a peer's bank that is there")
    parser.add_argument("--json", type=Path, help="written after each set, and continued where it exists")
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    weights = weights_file(arguments.weights, ARCH)
    document: dict[str, Any] = {
        "machine": machine(),
        "recipe": {"size": 256, "samples": arguments.samples, "vectors": arguments.vectors},
        "sets": {},
    }
    document = continued(arguments.json, document, "recipe")
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        for seed in arguments.seeds:
            for data in data_sets(arguments.data, arguments.only):
                figures = document["sets"].setdefault(data.name, {"seeds": {}})
                found = figures["seeds"].setdefault(str(seed), {})
                bench = Bench(data, weights, (arguments.work or Path(scratch)) / data.name, arguments.samples or None)
                for side in arguments.side or SIDES:
                    if side not in found and (side != "peer" or arguments.peer_python):
                        found[side] = bench.accuracy(side, arguments.vectors, seed, arguments.peer_python)
                        print(f"{data.name}, seed {seed}, {side}: {json.dumps(found[side])}", flush=True)
                        write(document, arguments.json)
                if "latency" not in figures and not arguments.side:
                    figures["latency"] = bench.latency(arguments.vectors, seed, arguments.peer_python)
                    write(document, arguments.json)
    shown = markdown(document)
    print(shown)
    if arguments.markdown:
        arguments.markdown.write_text(shown + "\n", encoding="utf-8")


class Bench:
    """One data set, the samples that all sides get of it (None: all good ones), and a folder for banks."""

    def __init__(self, data: Path, weights: Path, work: Path, samples: int | None) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._data, self._weights, self._work, self._samples = data, weights, work, samples
        self._cases = readable_cases(find_cases(data / "test"))
        self._good, self._test = work / "good.npy", work / "test.npy"

    def accuracy(self, side: str, vectors: int, seed: int, peer_python: Path | None) -> Figures:
        """One of SIDES."""
        if side == "peer":
            if peer_python is None:
                raise SystemExit("the peer needs --peer-python, a Python that has anomalib")
            return self._peer(peer_python, vectors, seed)
        same = ("--backbone", f"timm:{ARCH}@{self._weights}")
        return self.ours(side, vectors, seed, *{"same": same, "builtin": (), "finetuned": ("--finetune",)}[side])

    def ours(self, name: str, vectors: int, seed: int, *options: object) -> Figures:
        """`inspector calibrate` with these options, then `inspector evaluate`."""
        bank, recipe = self._work / name, self._work / f"{name}.yaml"
        recipe.write_text(f"vectors: {vectors}\n", encoding="utf-8")
        first = () if self._samples is None else ("--first", self._samples)
        begin = time.perf_counter()
        calibrated = command(
            "calibrate", good_in(self._data), "-o", bank, "--recipe", recipe, "--seed", seed, "--replace",
            *first, *options,
        )  # fmt: skip
        process_s = time.perf_counter() - begin
        evaluated = command("evaluate", bank, self._data / "test")
        return {
            **{name: evaluated.document[name] for name in TOLD},
            "samples": calibrated.document["samples"],
            "vectors": calibrated.document["bank"]["vectors"],
            "calibrate_s": calibrated.document["seconds"],
            "calibrate_process_s": process_s,
            "calibrate_peak_mb": calibrated.peak_mb,
            "evaluate_peak_mb": evaluated.peak_mb,
        }

    def latency(self, vectors: int, seed: int, peer_python: Path | None) -> Figures:
        """Of the banks that `accuracy` has left, in turns with the peer's model as it is and in OpenVINO."""
        pipelines = {name: Pipeline.open(self._work / name) for name in ("builtin", "same")}
        rivals: dict[str, Rival] = {}
        with ExitStack() as stack:
            if peer_python is not None:
                bank = peer_folder(self._work, self._good, self._weights, vectors, seed) / "bank.npy"
                for name in ("torch", "openvino"):
                    log = self._work / f"peer_{name}.log"
                    rival = stack.enter_context(running_rival(peer_python, self._weights, log))
                    rival.ask("bank", bank=bank)
                    if name == "torch" or with_openvino(rival, Recipe().size_wh):
                        rivals[name] = rival
            return latency(pipelines, rivals, [case.path.read_bytes() for case in self._cases], self._test)

    def _peer(self, python: Path, vectors: int, seed: int) -> Figures:
        save_pictures(readable(good_files(self._data, self._samples)), Recipe(), self._good)
        save_pictures([case.path for case in self._cases], Recipe(), self._test)
        figures = fitted(python, self._weights, self._work, self._good, vectors, seed)
        maps = self._work / "maps.npy"
        with running_rival(python, self._weights, self._work / "peer_scores.log") as rival:
            rival.ask("bank", bank=peer_folder(self._work, self._good, self._weights, vectors, seed) / "bank.npy")
            scores = np.array(rival.ask("score", pictures=self._test, out=maps)["scores"], np.float32)
            figures["score_peak_mb"] = rival.ask("memory")["peak_mb"]
        good = np.array([case.label == GOOD for case in self._cases])
        pixels = pixel_figures(np.load(maps, mmap_mode="r"), self._cases)
        areas = {"pixel_auroc": pixels.auroc, "aupro": pixels.aupro}
        return figures | areas | {"image_auroc": image_auroc(scores[good], scores[~good])}


def peer_folder(work: Path, good: Path, weights: Path, vectors: int, seed: int) -> Path:
    """Where the peer's bank of so many vectors of these pictures, uint8 (n, height, width, 3) in a .npy file, is kept:
    other pixels, weights or vectors have another folder.
    """
    with good.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(f"{weights.name} {vectors}".encode())
    return work / f"peer_{digest.hexdigest()[:16]}_{seed}"


def fitted(python: Path, weights: Path, work: Path, good: Path, vectors: int, seed: int = 0) -> Figures:
    """The peer's bank of the pictures in `good`, made here unless it is below `work` already."""
    folder = peer_folder(work, good, weights, vectors, seed)
    folder.mkdir(exist_ok=True)
    told = folder / "peer.json"
    earlier = told.exists()
    if not earlier:
        with running_rival(python, weights, folder / "fit.log", seed=seed) as rival:
            answer = rival.ask("fit", pictures=good, vectors=vectors)
            answer["fit_peak_mb"] = rival.ask("memory")["peak_mb"]
            rival.ask("save", bank=folder / "bank.npy")
        told.write_text(json.dumps(answer), encoding="utf-8")
    return {**json.loads(told.read_text(encoding="utf-8")), "earlier": earlier}


def markdown(document: dict[str, Any]) -> str:
    """Tables: each kind of accuracy, calibration, latency."""
    sets: dict[str, Figures] = document["sets"]
    seeds = list(next(iter(sets.values()))["seeds"])
    first = {name: figures["seeds"][seeds[0]] for name, figures in sets.items()}
    recipe = document["recipe"]
    parts = [
        f"{document['machine']['processor']}, {document['machine']['cores']} cores; "
        f"{recipe['samples'] or 'all'} samples, {recipe['vectors']} vectors; mean of seeds {', '.join(seeds)}"
        + (" ± standard deviation" if len(seeds) > 1 else ""),
        *(_accuracy(kind, sets) for kind in KINDS),
        table(
            ["set", "calibrate s", "anomalib s (embed + coreset)", "ratio", "peak MB", "anomalib", "inspecting MB",
             "anomalib", "built-in, fine-tuned: s"],
            [_calibration(name, figures) for name, figures in first.items() if all(side in figures for side in OURS)],
        ),
        table(
            ["set", "backbone", *HEAD],
            [
                [name, SIDES[side], *cells(figures["latency"], side)]
                for name, figures in sets.items()
                if "latency" in figures
                for side in ("same", "builtin")
            ],
        ),
    ]  # fmt: skip
    if not all("peer" in figures for figures in first.values()):
        parts.append("No peer: give --peer-python, a Python that has anomalib, to measure it beside ours.")
    return "\n\n".join(parts)


def _accuracy(kind: str, sets: dict[str, Figures]) -> str:
    """A row for each set that has such figures, then their mean; a column for each side that was measured."""
    sides = [
        side for side in SIDES if all(side in one for figures in sets.values() for one in figures["seeds"].values())
    ]
    rows: dict[str, list[list[float]]] = {}
    for name, figures in sets.items():
        values = [[one[side][kind] for one in figures["seeds"].values()] for side in sides]
        if all(value is not None for each in values for value in each):
            rows[name] = values
    if len({len(values[0]) for values in rows.values()}) == 1:
        rows["mean"] = np.mean(list(rows.values()), 0).tolist()
    return table(
        [KINDS[kind], *(SIDES[side] for side in sides)],
        [[name, *(_with_spread(each) for each in values)] for name, values in rows.items()],
    )


def _with_spread(values: list[float]) -> str:
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    return f"{np.mean(values):.3f}{spread}"


def _calibration(name: str, figures: Figures) -> list[object]:
    same, peer = figures["same"], figures.get("peer")
    theirs = None if peer is None else peer["embed_s"] + peer["coreset_s"]
    return [
        name,
        number(same["calibrate_s"]),
        None
        if peer is None
        else f"{theirs:.0f} ({peer['embed_s']:.0f} + {peer['coreset_s']:.0f})" + " (earlier run)" * peer["earlier"],
        ratio(theirs, same["calibrate_s"]),
        number(same["calibrate_peak_mb"], 0),
        None if peer is None else number(peer["fit_peak_mb"], 0),
        number(same["evaluate_peak_mb"], 0),
        None if peer is None else number(peer["score_peak_mb"], 0),
        f"{figures['builtin']['calibrate_s']:.1f}, {figures['finetuned']['calibrate_s']:.1f}",
    ]


if __name__ == "__main__":
    main()
