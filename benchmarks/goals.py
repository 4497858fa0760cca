"""What default settings, fine-tuning and false-reject budgets come to on real pictures.

    python -m benchmarks.goals --data DIR [--only SET]... [--how HOW]... [--json FILE]

Runs `inspector calibrate` and `inspector evaluate` as processes of their own: with all good samples, as a user would,
or with the first 200 by path, as the peer's figures are taken; each fine-tuned as well. With all samples, the
cross-fitted scores are also held against those of the good test frames at each budget, with the verdicts of `evaluate`:
kept, not refuted, broken (`calibration.evaluation.budget`). A figure that --json holds already is not measured again.
"""

import argparse
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from benchmarks.ours import SAMPLES, command, data_sets, good_in, readable
from benchmarks.report import continued, machine, mean, number, table, write
from calibration.evaluation.budget import held_against
from calibration.evaluation.cases import GOOD, find_cases
from calibration.thresholds import limits
from inspector.pipeline import Pipeline

BUDGETS = (0.05, 0.02, 0.01)
HOW: dict[str, list[object]] = {
    "all": [],
    "first": ["--first", SAMPLES],
    "all finetuned": ["--finetune"],
    "first finetuned": ["--finetune", "--first", SAMPLES],
}
TOLD = ("image_auroc", "pixel_auroc", "aupro", "false_reject_rate", "escape_rate")

Figures = dict[str, Any]


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--how", action="append", choices=list(HOW), help="all of them by default")
    parser.add_argument("--backbone", default="builtin")
    parser.add_argument("--json", type=Path, help="written after each figure, and continued where it exists")
    arguments = parser.parse_args()
    document = {"machine": machine(), "backbone": arguments.backbone, "sets": {}}
    document = continued(arguments.json, document, "backbone")
    for how in arguments.how or HOW:
        for data in data_sets(arguments.data, arguments.only):
            figures = document["sets"].setdefault(data.name, {})
            if how not in figures:
                with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
                    figures[how] = measure(how, data, Path(work) / "bank", arguments.backbone)
                print(f"{how} {data.name}: {json.dumps(figures[how])}", flush=True)
                write(document, arguments.json)
    print(markdown(document["sets"]))


def measure(how: str, data: Path, bank: Path, backbone: str) -> Figures:
    """One data set, one way."""
    calibrated = command("calibrate", good_in(data), "-o", bank, "--backbone", backbone, *HOW[how]).document
    evaluated = command("evaluate", bank, data / "test").document
    good = [case.path for case in find_cases(data / "test") if case.label == GOOD]
    return {
        **{name: evaluated[name] for name in TOLD},
        "latency_ms": evaluated["latency_ms"]["p50"],
        "dim": calibrated["bank"]["dim"],
        "samples": calibrated["samples"],
        "recipe": calibrated["recipe"],
        "tried": calibrated["tried"],
        "finetuned": calibrated["finetuned"],
        "seconds": calibrated["seconds"],
        "budgets": kept(bank, good) if how == "all" else None,
    }


def kept(bank: Path, good: Sequence[Path]) -> dict[str, Figures]:
    """For each budget: how many good test frames score above the threshold that the samples set for it."""
    scores = load_file(bank / "calibration.safetensors")["scores"]
    pipeline = Pipeline.open(bank)
    tested = np.array([pipeline.inspect(path.read_bytes()).score for path in readable(good)])
    rates = {}
    for budget in BUDGETS:
        found = limits(scores, budget)
        held = held_against(found.promise, int((tested > found.ng).sum()), len(tested))
        rates[str(budget)] = {
            "rejected": held.rejected,
            "of": held.among,
            "chance": held.chance,
            "verdict": held.verdict,
            "estimated": found.promise.estimated,
        }
    return rates


def markdown(sets: dict[str, Figures]) -> str:
    """Accuracy, a table for each way, then budgets."""
    parts = []
    for how in HOW:
        measured = {name: figures[how] for name, figures in sets.items() if how in figures}
        if measured:
            rows = [[name, *_accuracy(figures)] for name, figures in measured.items()]
            area = mean(figures["image_auroc"] for figures in measured.values())
            head = [
                how,
                "samples",
                "image AUROC",
                "pixel AUROC",
                "AUPRO",
                "metric",
                "held-back synthetic",
                "calibrate s",
            ]
            parts.append(table(head, [*rows, ["mean", "", number(area, 4)]]))
    told = {name: figures["all"] for name, figures in sets.items() if "all" in figures}
    rates = [rate for figures in told.values() for rate in figures["budgets"].values() if rate["of"]]
    parts.append(
        table(
            ["set", "samples", *(f"{budget:.0%}" for budget in BUDGETS)],
            [[name, figures["samples"], *map(_rate, figures["budgets"].values())] for name, figures in told.items()],
        )
    )
    verdicts = Counter(rate["verdict"] for rate in rates)
    said = ", ".join(f"{verdicts[verdict]} {verdict}" for verdict in ("kept", "not refuted", "broken"))
    return "\n\n".join([*parts, f"Of {len(rates)} budgets: {said}."])


def _accuracy(figures: Figures) -> list[object]:
    tuned = figures["finetuned"]
    trial = tuned and f"{tuned['before']:.3f} to {tuned['after']:.3f}" + ", not kept" * (not tuned["kept"])
    shown = [number(figures[kind], 3) for kind in TOLD[:3]]
    metric = "yes" if figures["recipe"]["whitening"] else "no"
    return [figures["samples"], *shown, metric, trial, number(figures["seconds"], 0)]


def _rate(rate: Figures) -> str | None:
    if not rate["of"]:
        return None
    return f"{rate['rejected'] / rate['of']:.1%} ({rate['rejected']} of {rate['of']}), {rate['verdict']}"


if __name__ == "__main__":
    main()
