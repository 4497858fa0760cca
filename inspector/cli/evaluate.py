"""`inspector evaluate`."""

import json
from pathlib import Path
from typing import Any

import click

from inspector.charts.wording import number
from inspector.cli import options
from inspector.cli.progress import track
from inspector.legible import on_one_line

_SHOWN = 10
"""Notes that are printed."""


@click.command()
@click.argument("bank", type=options.PATH)
@click.argument("test_dir", type=options.PATH)
@options.as_json
@options.report
@options.engine
def evaluate(bank: Path, test_dir: Path, as_json: bool, report: Path | None, engine: str) -> None:
    """Measure BANK on TEST_DIR: good/, one folder for each defect, masks in ../ground_truth/<defect>/.

    A folder named ok or normal holds good frames too. Masks may also lie in a folder named masks, gt or labels, in
    TEST_DIR itself, or beside their frames (FRAME_mask.png, FRAME_GT.png).
    """
    from calibration.evaluation.evaluate import evaluate as measure
    from calibration.report.evaluation import NAME, write_evaluation
    from calibration.report.page import check_writable
    from inspector.pipeline import Pipeline

    if report:
        check_writable(report)
    pipeline = Pipeline.open(bank, engine=engine)
    evaluation = measure(pipeline, test_dir, track=track)
    figures = evaluation.to_json()
    if as_json:
        click.echo(json.dumps(figures | ({"report": str(report / NAME)} if report else {})))
    else:
        click.echo(_text(figures))
    if report:
        page = options.written(
            lambda: write_evaluation(evaluation, pipeline, test_dir, report), "the figures are above"
        )
        if not as_json:
            click.echo(on_one_line(f"report             {page}"))


def _text(figures: dict[str, Any]) -> str:
    bank, latency = figures["bank"], figures["latency_ms"]
    lines = [
        f"bank               {bank['id']}: {bank['vectors']} vectors of {bank['dim']}, {bank['bytes'] / 1e6:.1f} MB",
        f"frames             {figures['n_good']} good, {figures['n_defect']} defective, {figures['n_error']} in error",
        f"image AUROC        {number(figures['image_auroc'], 4)}",
        f"pixel AUROC        {number(figures['pixel_auroc'], 4)}",
        f"AUPRO              {number(figures['aupro'], 4)}",
        f"best F1            {number(figures['f1_max'], 4)}",
        f"false-reject rate  {_share(figures['false_reject_rate'])}",
        *_promise(figures["promise"]),
        f"escape rate        {_share(figures['escape_rate'])}",
        f"uncertain          {_share(figures['uncertain_rate'])}",
        f"latency            {number(latency['p50'], 1)} ms median, {number(latency['p95'], 1)} ms at 95 %",
    ]
    if figures["per_defect"]:
        rows = {on_one_line(name): row for name, row in figures["per_defect"].items()}
        wide = max(len("defect"), *map(len, rows))
        lines += ["", f"{'defect':<{wide}}  {'n':>5}  {'AUROC':>7}  {'escapes':>8}"]
        lines += [
            f"{name:<{wide}}  {row['n']:>5}  {number(row['image_auroc'], 4):>7}  {_share(row['escape_rate']):>8}"
            for name, row in rows.items()
        ]
    notes = figures["notes"]
    lines += [f"note: {note}" for note in notes[:_SHOWN]]
    lines += [f"note: … and {len(notes) - _SHOWN} more (--json lists all)"] * (len(notes) > _SHOWN)
    return "\n".join(map(on_one_line, lines))


def _promise(promise: dict[str, Any]) -> list[str]:
    from calibration.evaluation.budget import Kept

    kept = Kept(**promise)
    if kept.chance is None:
        return []
    of = f"{kept.rejected} of {kept.among} above ng, {kept.max_false_reject:.2%} allowed"
    more = " without another reject" if kept.rejected else ""
    few = f" (telling takes about {kept.takes:,} good frames{more})" if kept.takes else ""
    return [f"promise            {kept.verdict}: {of}; as many or more by chance: {kept.chance:.1%}{few}"]


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.2%}"
