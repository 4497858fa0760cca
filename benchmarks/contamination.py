"""What defects among the good samples cost: one in ten mixed into the first 200, with and without --exclude-suspects.

    python -m benchmarks.contamination --data DIR [--only SET]... [--share 0.1] [--looks N] [--json FILE]

Defective pictures are drawn evenly from the test folder, renamed so that they lie between the others, and left out of
the evaluation in all three cases, the clean one too. Runs `inspector calibrate` and `inspector evaluate`. With --looks,
somebody who knows defects looks N times at what the report of `calibrate --exclude-suspects` shows, the suspects and
the highest scores, moves the defective ones away and calibrates again.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.ours import SAMPLES, command, data_sets, good_files, link_all
from benchmarks.report import machine, mean, number, table, write
from calibration.evaluation.cases import GOOD, Case, find_cases
from calibration.samples import evenly

HOW = ("clean", "mixed", "excluded")
TOLD = ("image_auroc", "false_reject_rate", "escape_rate")


def main() -> None:
    """Measures, prints the table, writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folders in MVTec's layout")
    parser.add_argument("--only", action="append", help="names of data sets; all by default")
    parser.add_argument("--share", type=float, default=0.1, help="of defects among the samples  [0.1]")
    parser.add_argument("--looks", type=int, default=0, help="of a person at the report  [0]")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    document: dict[str, Any] = {"machine": machine(), "share": arguments.share, "sets": {}}
    for data in data_sets(arguments.data, arguments.only):
        with tempfile.TemporaryDirectory(prefix="benchmark-") as work:
            document["sets"][data.name] = measure(data, Path(work), arguments.share, arguments.looks)
        print(f"{data.name}: {json.dumps(document['sets'][data.name])}", flush=True)
        write(document, arguments.json)
    print(markdown(document["sets"]))


def measure(data: Path, work: Path, share: float, looks: int) -> dict[str, Any]:
    """The same test frames against three banks, and against one after each look."""
    good, mixed_in = arrange(data, work, share)
    figures: dict[str, Any] = {"good": good, "mixed in": len(mixed_in)}
    for how in HOW:
        samples = work / ("clean" if how == "clean" else "mixed")
        figures[how], shown = tried(work, samples, mixed_in, exclude=how == "excluded")
    for look in range(1, looks + 1):
        for name in shown & mixed_in:
            (work / "mixed" / name).unlink()
        figures[f"look {look}"], shown = tried(work, work / "mixed", mixed_in, exclude=True)
    return figures


def tried(work: Path, samples: Path, mixed_in: set[str], *, exclude: bool) -> tuple[dict[str, Any], set[str]]:
    """A bank of these samples on the test frames; and the names of the samples that its report shows."""
    bank = work / "bank"
    told = command("calibrate", samples, "-o", bank, "--replace", *(["--exclude-suspects"] * exclude)).document
    evaluated = command("evaluate", bank, work / "data" / "test").document
    suspects, highest = ({Path(item["path"]).name for item in told[key]} for key in ("suspects", "highest"))
    left_out = suspects if exclude else set()
    figures = {name: evaluated[name] for name in TOLD} | {
        "defects": sum((samples / name).exists() for name in mixed_in),
        "left_out": len(left_out),
        "of_them_defects": len(left_out & mixed_in),
    }
    return figures, suspects | highest


def arrange(data: Path, work: Path, share: float) -> tuple[int, set[str]]:
    """Links below `work`: clean/, mixed/, and data/test/ without what was mixed in. They are numbered, as files in
    several folders may have one name.

    Returns:
        How many good samples there are, and the names in mixed/ of the defective ones.
    """
    good = good_files(data, SAMPLES)
    cases = find_cases(data / "test")
    taken = evenly([case for case in cases if case.label != GOOD], round(share / (1 - share) * len(good)))
    link_all(work / "clean", good)
    link_all(work / "mixed", good)
    names = set()
    for turn, case in enumerate(taken):
        between = turn * len(good) // len(taken)
        link = work / "mixed" / f"{between:05d}-{turn}{case.path.suffix}"
        link.symlink_to(case.path.resolve())
        names.add(link.name)
    for index, case in enumerate(cases):
        if case not in taken:
            _place(work / "data" / "test", case, index)
    return len(good), names


def _place(test: Path, case: Case, index: int) -> None:
    folder = test / case.label
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{index:05d}{case.path.suffix}").symlink_to(case.path.resolve())


def markdown(sets: dict[str, Any]) -> str:
    """A row for each set: AUROC of the three banks, and what was left out."""
    rows: list[list[object]] = [
        [
            name,
            f"{figures['mixed in']} beside {figures['good']}",
            *(number(figures[how]["image_auroc"], 3) for how in HOW),
            f"{figures['excluded']['left_out']}, {figures['excluded']['of_them_defects']} of them defects",
        ]
        for name, figures in sets.items()
    ]
    means = [mean(figures[how]["image_auroc"] for figures in sets.values()) for how in HOW]
    rows.append(["mean", None, *(number(each, 3) for each in means), None])
    shown = table(["set", "defects among samples", "clean", "mixed", "--exclude-suspects", "left out"], rows)
    looks = [
        [name, how, found["defects"], number(found["image_auroc"], 3), _share(found["escape_rate"])]
        for name, figures in sets.items()
        for how, found in figures.items()
        if how.startswith("look ")
    ]
    return "\n\n".join([shown, *([table(["set", "after", "defects left", "AUROC", "pass"], looks)] if looks else [])])


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.0%}"


if __name__ == "__main__":
    main()
