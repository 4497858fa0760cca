"""Accuracy and cost on real pictures, beside anomalib's PatchCore with the same weights, pixels, samples and bank size.

    python -m benchmarks.accuracy --data DIR --weights DIR [--peer-python PYTHON] [--only SET]... [--json FILE]

--data holds folders in MVTec's layout, --weights `timm-mobilenetv2_100*.safetensors`. Ours runs as
`inspector calibrate` and `inspector evaluate`; the peer gets the pictures already decoded and resized. Without
--peer-python, a Python that has anomalib, only ours is measured. --work keeps banks, and takes up a peer's bank that an
earlier run left there together with the seconds it took then.
"""

import argparse
import json
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ours import SAMPLES, command, data_sets, good_files, pixel_auroc, save_pictures, weights_file
from benchmarks.report import machine, number, ratio, table, write
from benchmarks.rival import ARCH, Rival, running_rival
from benchmarks.turns import HEAD, cells, latency, with_openvino
from calibration.evaluation import GOOD, find_cases
from calibration.metrics import image_auroc
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe

Figures = dict[str, Any]


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--weights", type=Path, required=True, help=f"holds timm-{ARCH}*.safetensors")
    parser.add_argument("--peer-python", type=Path, help="a Python that has anomalib")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="good samples, first by path  [200]")
    parser.add_argument("--vectors", type=int, default=Recipe().vectors, help="the bank's size  [2048]")
    parser.add_argument("--work", type=Path, help="keep banks here and take up a peer's bank that is there")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    weights = weights_file(arguments.weights, ARCH)
    document: dict[str, Any] = {
        "machine": machine(),
        "recipe": {"size": 256, "backbone": ARCH, "samples": arguments.samples, "vectors": arguments.vectors},
        "sets": {},
    }
    with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
        for data in data_sets(arguments.data, arguments.only):
            work = (arguments.work or Path(scratch)) / data.name
            work.mkdir(parents=True, exist_ok=True)
            figures = measure(data, weights, work, arguments.samples, arguments.vectors, arguments.peer_python)
            document["sets"][data.name] = figures
            print(f"{data.name}: {json.dumps(figures)}", flush=True)
            write(document, arguments.json)
    shown = markdown(document)
    print(shown)
    if arguments.markdown:
        arguments.markdown.write_text(shown + "\n", encoding="utf-8")


def measure(data: Path, weights: Path, work: Path, samples: int, vectors: int, peer_python: Path | None) -> Figures:
    """Both sides on one data set."""
    figures: Figures = {
        "same": ours(data, work / "same", vectors, f"timm:{ARCH}@{weights}", samples),
        "builtin": ours(data, work / "builtin", Recipe().vectors, "builtin", None),
    }
    with ExitStack() as stack:
        rivals: dict[str, Rival] = {}
        if peer_python is not None:
            recipe = Recipe()
            cases = find_cases(data / "test")
            save_pictures(good_files(data, samples), recipe, work / "good.npy")
            save_pictures([case.path for case in cases], recipe, work / "test.npy")
            figures["peer"] = fitted(peer_python, weights, work, vectors)
            for name in ("torch", "openvino"):
                rival = stack.enter_context(running_rival(peer_python, weights, work / f"peer_{name}.log"))
                rival.ask("bank", bank=work / "bank.npy")
                if name == "openvino" and not with_openvino(rival, recipe.size_wh):
                    continue
                rivals[name] = rival
            figures["peer"] |= _scored(rivals["torch"], work, [case.label == GOOD for case in cases])
            figures["peer"]["pixel_auroc"] = pixel_auroc(np.load(work / "maps.npy", mmap_mode="r"), cases)
        pipelines = {name: Pipeline.open(work / name) for name in ("builtin", "same")}
        figures["latency"] = latency(
            pipelines, rivals, [case.path.read_bytes() for case in find_cases(data / "test")], work / "test.npy"
        )
    return figures


def ours(data: Path, bank: Path, vectors: int, backbone: str, samples: int | None) -> Figures:
    """`inspector calibrate`, then `inspector evaluate`."""
    recipe = bank.with_suffix(".yaml")
    recipe.write_text(f"vectors: {vectors}\n", encoding="utf-8")
    options: list[object] = ["--recipe", recipe, "--backbone", backbone, "--replace"]
    if samples is not None:
        options += ["--first", samples]
    begin = time.perf_counter()
    calibrated = command("calibrate", data / "train" / GOOD, "-o", bank, *options)
    process_s = time.perf_counter() - begin
    evaluated = command("evaluate", bank, data / "test")
    told = ("image_auroc", "pixel_auroc", "aupro", "f1_max", "false_reject_rate", "escape_rate", "n_good", "n_defect")
    return {
        **{name: evaluated.document[name] for name in told},
        "samples": calibrated.document["samples"],
        "vectors": calibrated.document["bank"]["vectors"],
        "calibrate_s": calibrated.document["seconds"],
        "calibrate_process_s": process_s,
        "calibrate_peak_mb": calibrated.peak_mb,
        "evaluate_peak_mb": evaluated.peak_mb,
    }


def fitted(python: Path, weights: Path, work: Path, vectors: int) -> Figures:
    """The peer's bank, made here unless it is in `work` already."""
    told = work / "peer.json"
    earlier = told.exists()
    if not earlier:
        with running_rival(python, weights, work / "peer_fit.log") as rival:
            answer = rival.ask("fit", pictures=work / "good.npy", vectors=vectors)
            answer["fit_peak_mb"] = rival.ask("memory")["peak_mb"]
            rival.ask("save", bank=work / "bank.npy")
        told.write_text(json.dumps(answer), encoding="utf-8")
    return {**json.loads(told.read_text(encoding="utf-8")), "earlier": earlier}


def _scored(rival: Rival, work: Path, good: list[bool]) -> Figures:
    scores = np.array(rival.ask("score", pictures=work / "test.npy", out=work / "maps.npy")["scores"], np.float32)
    is_good = np.array(good)
    return {
        "image_auroc": image_auroc(scores[is_good], scores[~is_good]),
        "score_peak_mb": rival.ask("memory")["peak_mb"],
    }


def markdown(document: dict[str, Any]) -> str:
    """Three tables: accuracy, calibration, latency."""
    sets: dict[str, Figures] = document["sets"]
    recipe = document["recipe"]
    same = f"{recipe['backbone']}, {recipe['samples']} samples, {recipe['vectors']} vectors"
    parts = [
        f"{document['machine']['processor']}, {document['machine']['cores']} cores; {same}; builtin: default settings, "
        "all good samples.",
        table(
            [
                "set", "good / defect", "image AUROC", "anomalib", "builtin", "pixel AUROC", "anomalib", "builtin",
            ],
            [_accuracy(name, figures) for name, figures in sets.items()],
        ),
        table(
            ["set", "calibrate s", "anomalib s (embed + coreset)", "ratio", "peak MB", "anomalib", "inspecting MB",
             "anomalib", "builtin, all samples: s"],
            [_calibration(name, figures) for name, figures in sets.items()],
        ),
        table(
            ["set", "backbone", *HEAD],
            [
                [name, label, *cells(figures["latency"], side)]
                for name, figures in sets.items()
                for side, label in (("same", recipe["backbone"]), ("builtin", "builtin"))
            ],
        ),
    ]  # fmt: skip
    if not all("peer" in figures for figures in sets.values()):
        parts.append("No peer: give --peer-python, a Python that has anomalib, to measure it beside ours.")
    return "\n\n".join(parts)


def _accuracy(name: str, figures: Figures) -> list[object]:
    same, builtin, peer = figures["same"], figures["builtin"], figures.get("peer", {})
    return [
        name,
        f"{same['n_good']} / {same['n_defect']}",
        *(
            number(side.get(kind), 3)
            for kind in ("image_auroc", "pixel_auroc")
            for side in (same, peer, builtin)
        ),
    ]  # fmt: skip


def _calibration(name: str, figures: Figures) -> list[object]:
    same, builtin, peer = figures["same"], figures["builtin"], figures.get("peer")
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
        f"{builtin['calibrate_s']:.1f} ({builtin['samples']})",
    ]


if __name__ == "__main__":
    main()
