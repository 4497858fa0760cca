"""What the decisions of operators do to a bank: false alarms are fed back, round by round, and the guard is asked.

    python -m benchmarks.loop --data DIR [--only SET]... [--first 60] [--rounds 3] [--json FILE]

A bank of the first good samples by path, with default settings; the others come along the line in that order. In each
round those that the bank in use does not pass are its false alarms. They are fed back as `inspector rebuild` does it,
but for those that would hide one of the guard's defects, and the bank is exchanged. Every second defect of the test
folder is the guard's; the others, and the good test frames, which nothing else sees, judge the banks. Beside them: a
bank calibrated anew of the first samples and all false alarms, and one of all good samples that came along, as
`inspector collect` finds them. Drift aside.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.ours import command, data_sets, good_in, link_all, readable, readable_cases
from benchmarks.report import machine, mean, number, table, write
from calibration.evaluation.cases import GOOD, Case, find_cases
from calibration.evaluation.metrics import image_auroc
from calibration.growth.grow import grow
from calibration.growth.guard import GuardFrame, conflicts
from calibration.growth.reader import Newcomer, Reader
from inspector.folder import image_files
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.types import Decision


@dataclass(frozen=True, slots=True)
class Judged:
    """A bank on the frames that judge it: shares of good frames rejected, and not passed; of defects passed, and not
    rejected. came, alarms, refused: of the round before it, good frames, those not passed, those the guard refused.
    """

    vectors: int
    image_auroc: float | None
    rejected: float | None
    flagged: float | None
    passed: float | None
    not_rejected: float | None
    came: int = 0
    alarms: int = 0
    refused: int = 0


def main() -> None:
    """Measures, prints the table, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--first", type=int, default=60, help="samples of the first bank, at most half of all  [60]")
    parser.add_argument("--rounds", type=int, default=3, help="how often false alarms are fed back  [3]")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "first": arguments.first, "sets": {}}
    for data in data_sets(arguments.data, arguments.only):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
            judged = measure(data, Path(work), arguments.first, arguments.rounds)
        document["sets"][data.name] = {name: asdict(each) for name, each in judged.items()}
        print(f"{data.name}: {json.dumps(document['sets'][data.name])}", flush=True)
        write(document, arguments.json)
    print(markdown(document["sets"]))


def measure(data: Path, work: Path, first: int, rounds: int) -> dict[str, Judged]:
    """The first bank, the one after each round, and the one that is calibrated anew."""
    good, cases = readable(image_files(good_in(data))), readable_cases(find_cases(data / "test"))
    first = min(first, len(good) // 2)
    defects = [case for case in cases if case.label != GOOD]
    guards = [GuardFrame(str(number), case.path) for number, case in enumerate(defects[::2])]
    judges = [case for case in cases if case.label == GOOD] + defects[1::2]
    bank = _calibrated(good[:first], work / "first")
    found, alarmed = {"first": judge(bank, judges)}, []
    for turn, indices in enumerate(np.array_split(np.arange(first, len(good)), rounds), 1):
        came = [good[index] for index in indices]
        alarms = [
            path for path, decision in zip(came, _decisions(bank, came)[1], strict=True) if decision is not Decision.OK
        ]
        alarmed += alarms
        newcomers = [Newcomer(path.relative_to(good_in(data)).as_posix(), path) for path in alarms]
        bank, refused = _fed(bank, newcomers, guards, work / f"round{turn}")
        found[f"round {turn}"] = judge(bank, judges, came=len(came), alarms=len(alarms), refused=refused)
    if alarmed:
        found["anew, with false alarms"] = judge(_calibrated(good[:first] + alarmed, work / "alarmed"), judges)
    found["anew, with all that came"] = judge(_calibrated(good, work / "anew"), judges)
    return found


def judge(bank: Path, cases: Sequence[Case], **of_the_round: int) -> Judged:
    """The bank on these frames, by its thresholds."""
    scores, decisions = _decisions(bank, [case.path for case in cases])
    defective = np.array([case.label != GOOD for case in cases])

    def share(of: np.ndarray, which: Decision, *, not_so: bool = False) -> float | None:
        return float(((decisions[of] == which) != not_so).mean()) if of.any() else None

    return Judged(
        vectors=read_manifest(bank).vectors,
        image_auroc=image_auroc(scores[~defective], scores[defective]),
        rejected=share(~defective, Decision.NG),
        flagged=share(~defective, Decision.OK, not_so=True),
        passed=share(defective, Decision.OK),
        not_rejected=share(defective, Decision.NG, not_so=True),
        **of_the_round,
    )


def _decisions(bank: Path, paths: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """Image scores float32 (n,), and what the thresholds say of them (n,)."""
    pipeline = Pipeline.open(bank)
    scores = np.array([pipeline.inspect(path.read_bytes()).score for path in paths], np.float32)
    return scores, np.array([pipeline.bank.thresholds.decide(score) for score in scores])


def _fed(bank: Path, newcomers: Sequence[Newcomer], guards: Sequence[GuardFrame], out: Path) -> tuple[Path, int]:
    """The bank that knows these false alarms too, but for those that the guard refuses; and how many it refuses."""
    refused = {conflict.newcomer for conflict in conflicts(Reader(bank), newcomers, guards)}
    fed = [newcomer for newcomer in newcomers if newcomer.name not in refused]
    return (grow(bank, fed, out).path if fed else bank), len(refused)


def _calibrated(samples: Sequence[Path], work: Path) -> Path:
    """A bank of these samples, by default settings."""
    link_all(work / "samples", samples)
    command("calibrate", work / "samples", "-o", work / "bank")
    return work / "bank"


def markdown(sets: dict[str, Any]) -> str:
    """A row for each bank of each set, and their means."""
    names = list(dict.fromkeys(name for stages in sets.values() for name in stages))
    rows = [[data, name, *_cells(stage)] for data, stages in sets.items() for name, stage in stages.items()]
    shares = ("image_auroc", "rejected", "flagged", "passed", "not_rejected")
    for name in names:
        stages = [each[name] for each in sets.values() if name in each]
        told = {key: mean(stage[key] for stage in stages) for key in shares}
        rows.append(["mean", name, *_cells(told)])
    head = ["set", "bank", "false alarms", "vectors", "image AUROC", "good rejected", "good flagged"]
    return table([*head, "defects passed", "defects not rejected"], rows)


def _cells(stage: dict[str, Any]) -> list[object]:
    alarms = f"{stage['alarms']} of {stage['came']}, {stage['refused']} refused" if stage.get("came") else None
    shares = [stage[key] for key in ("rejected", "flagged", "passed", "not_rejected")]
    return [
        alarms,
        stage.get("vectors"),
        number(stage["image_auroc"], 3),
        *(None if share is None else f"{share:.1%}" for share in shares),
    ]


if __name__ == "__main__":
    main()
