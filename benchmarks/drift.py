"""What a changed picture does to a station: how soon it is told, what it rejects, and what still gets caught.

    python -m benchmarks.drift --data DIR [--only SET] [--json FILE] [--markdown FILE]

Each picture is seen through a window of four fifths of its sides, so that a camera that was pushed sees what really
lies beside. Every other good sample of `train/good` calibrates; the rest are held back and stand for the line, in
the order of their names. Test pictures with defects only measure. Light, colour, blur and noise are put on the window
before it is encoded.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.ours import command, data_sets, good_in
from benchmarks.report import machine, number, table, write
from calibration.evaluation.cases import GOOD, find_cases
from inspector import frame as decoder
from inspector.bank import Bank
from inspector.chart import Chart, Limits, State
from inspector.folder import image_files
from inspector.pipeline import Pipeline
from inspector.types import Decision, Inspection, UInt8Image

SAMPLES = 200
BUDGET = 0.01
WINDOW = 0.8

Change = Callable[[UInt8Image, np.random.Generator], UInt8Image]


@dataclass(frozen=True, slots=True)
class Condition:
    """What happens to the station: a change of the picture, or of where the window is (share of its width)."""

    name: str
    change: Change = field(default=lambda picture, _: picture)
    moved: float = 0.0


def _levels(values: np.ndarray) -> UInt8Image:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _light(factor: float) -> Change:
    return lambda picture, _: _levels(picture * factor)


def _colour(factor: float) -> Change:
    return lambda picture, _: _levels(picture * np.array([factor, 1, 1 / factor]))


def _blur(sigma: float) -> Change:
    """sigma: pixels of a picture of 256."""
    return lambda picture, _: np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma * max(picture.shape) / 256), np.uint8)


def _noise(sigma: float) -> Change:
    """sigma: grey levels, at a picture of 256: larger ones are averaged when they are shrunk."""
    return lambda picture, rng: _levels(picture + rng.normal(0, sigma * max(picture.shape) / 256, picture.shape))


CONDITIONS = (
    Condition("as calibrated"),
    *(Condition(f"light x {factor}", _light(factor)) for factor in (0.7, 0.85, 1.15, 1.3)),
    Condition("light x 0.4", _light(0.4)),
    Condition("warmer lamp, 10 %", _colour(1.1)),
    *(Condition(f"blur {sigma} px", _blur(sigma)) for sigma in (1, 2)),
    *(Condition(f"noise {sigma}", _noise(sigma)) for sigma in (5, 12)),
    *(Condition(f"moved {moved:.0%}", moved=moved) for moved in (0.02, 0.05)),
)


def seen(path: Path, condition: Condition, rng: np.random.Generator) -> bytes:
    """The window of a picture under a condition, PNG."""
    pixels = decoder.decode(path.read_bytes()).pixels
    height, width = pixels.shape[:2]
    high, wide = round(height * WINDOW), round(width * WINDOW)
    left = round(width * (1 - WINDOW) / 2 + condition.moved * wide)
    top = round(height * (1 - WINDOW) / 2)
    window = np.ascontiguousarray(pixels[top : top + high, left : left + wide])
    changed = condition.change(window, rng)
    return bytes(cv2.imencode(".png", cv2.cvtColor(changed, cv2.COLOR_RGB2BGR))[1])


def main() -> None:
    """Measures, prints the tables, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="the name of a data set; all when not given")
    parser.add_argument("--frames", type=int, default=100, help="held-back frames of each condition, at most  [100]")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    arguments = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "budget": BUDGET, "sets": {}}
    rows: list[list[str]] = []
    for data in data_sets(arguments.data, arguments.only):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as scratch:
            figures = _measure(data, Path(scratch), arguments.frames)
        document["sets"][data.name] = figures
        rows += [_row(data.name, name, said) for name, said in figures["conditions"].items()]
        print(
            f"{data.name}: {figures['cost_ms']:.2f} ms a frame, {figures['alarms_per_1000']:.1f} false alarms in 1,000"
        )
    head = [
        "set",
        "condition",
        "drifting",
        "shifted",
        "out",
        "good ng, by score",
        "good ng",
        "uncertain",
        "bad ng",
        "bad ok",
    ]
    text = table(head, rows)
    print(text)
    write(document, arguments.json)
    if arguments.markdown is not None:
        arguments.markdown.write_text(text + "\n", encoding="utf-8")


def _measure(data: Path, work: Path, most: int) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    good = image_files(good_in(data))
    (work / "good").mkdir()
    for index, path in enumerate(good[::2][:SAMPLES]):
        (work / "good" / f"{index:06d}.png").write_bytes(seen(path, CONDITIONS[0], rng))
    command("calibrate", work / "good", "-o", work / "bank", "--max-false-reject", BUDGET)
    pipeline = Pipeline.open(work / "bank")
    held = good[1::2]
    held = held[:: max(1, len(held) // most)][:most]
    bad = [case.path for case in find_cases(data / "test") if case.label != GOOD]
    bad = bad[:: max(1, len(bad) // most)][:most]
    conditions = {
        condition.name: _condition(
            pipeline,
            [pipeline.inspect(seen(path, condition, rng)) for path in held],
            [pipeline.inspect(seen(path, condition, rng)) for path in bad],
        )
        for condition in CONDITIONS
    }
    calm = conditions[CONDITIONS[0].name]
    return {
        "samples": min(SAMPLES, len(good[::2])),
        "held_back": len(held),
        "defective": len(bad),
        "cost_ms": _cost_ms(pipeline, held[0]),
        "alarms_per_1000": 1000 * calm["alarms"] / len(held),
        "conditions": conditions,
    }


def _condition(pipeline: Pipeline, good: Sequence[Inspection], bad: Sequence[Inspection]) -> dict[str, Any]:
    chart = _chart(pipeline.bank)
    first: dict[State, tuple[int, str]] = {}
    alarms, well = 0, True
    for number_of_frame, inspection in enumerate(good, start=1):
        if inspection.reading is None:
            raise AssertionError("a bank without a baseline")
        chart.take(inspection.reading.deviations)
        moved = {signal: state for signal, state in chart.states.items() if state is not State.OK}
        alarms += well and bool(moved)
        well = not moved
        for signal, state in moved.items():
            first.setdefault(state, (number_of_frame, signal))
    by_score = [pipeline.bank.thresholds.decide(inspection.score) for inspection in good]
    return {
        "drifting": min(first.values(), default=None),
        "shifted": first.get(State.SHIFTED),
        "alarms": alarms,
        "out": _share(inspection.reading is not None and bool(inspection.reading.out) for inspection in good),
        "good_ng_by_score": _share(decision is Decision.NG for decision in by_score),
        "good": _decisions(good),
        "bad": _decisions(bad),
    }


def _chart(bank: Bank) -> Chart:
    if bank.drift is None:
        raise AssertionError("a bank without a baseline")
    return Chart(Limits.of(bank.drift))


def _decisions(inspections: Sequence[Inspection]) -> dict[str, float]:
    return {
        decision.value: _share(inspection.decision is decision for inspection in inspections)
        for decision in (Decision.OK, Decision.UNCERTAIN, Decision.NG)
    }


def _share(facts: Any) -> float:
    listed = list(facts)
    return float(sum(listed)) / max(1, len(listed))


def _cost_ms(pipeline: Pipeline, path: Path) -> float:
    """Of reading the signals, the median of many; what else runs on the machine is in it."""
    payload = seen(path, CONDITIONS[0], np.random.default_rng(0))
    times = []
    for _ in range(100):
        times.append(pipeline.inspect(payload).stage_ms["drift"])
        time.sleep(0.002)
    return float(median(times))


def _row(name: str, condition: str, said: dict[str, Any]) -> list[str]:
    def when(found: tuple[int, str] | None) -> str:
        return "-" if found is None else f"{found[0]} ({found[1]})"

    def percent(share: float) -> str:
        return f"{number(100 * share, 0)} %"

    return [
        name,
        condition,
        when(said["drifting"]),
        when(said["shifted"]),
        percent(said["out"]),
        percent(said["good_ng_by_score"]),
        percent(said["good"]["ng"]),
        percent(said["good"]["uncertain"]),
        percent(said["bad"]["ng"]),
        percent(said["bad"]["ok"]),
    ]


if __name__ == "__main__":
    main()
