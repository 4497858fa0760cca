"""`inspector compare`."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import options
from inspector.cli.progress import track
from inspector.legible import on_one_line

if TYPE_CHECKING:
    from calibration.comparison.outcome import Comparison
    from inspector.recipe import Recipe


@click.command()
@click.argument("good_dir", type=options.PATH)
@click.argument("test_dir", required=False, type=options.PATH)
@click.option("--backbone", "backbones", multiple=True, help="builtin or timm:NAME[@FILE]; repeat it  [builtin]")
@click.option("--recipe", "files", multiple=True, type=options.PATH, help="A YAML file; repeat it")
@click.option("--finetune", is_flag=True, help="Each fine-tuned too; needs TEST_DIR")
@options.max_false_reject
@click.option("--limit", type=click.IntRange(min=1), help="Use only N good files, evenly over the folder")
@options.seed
@click.option("-o", "--output", type=options.PATH, help="Keep the banks in this folder")
@options.report
@options.as_json
def compare(
    good_dir: Path,
    test_dir: Path | None,
    backbones: tuple[str, ...],
    files: tuple[Path, ...],
    finetune: bool,
    output: Path | None,
    report: Path | None,
    as_json: bool,
    **told: Any,
) -> None:
    """Compare backbones and recipes on your own samples.

    Each backbone is calibrated with each recipe on GOOD_DIR and judged on TEST_DIR (good/, one folder for each defect);
    without TEST_DIR, by synthetic defects on held-back samples.
    """
    from calibration.comparison.candidate import candidates
    from calibration.comparison.compare import compare as hold_against
    from calibration.options import Options

    if report:
        from calibration.report.page import check_writable

        check_writable(report)
    listed = candidates(backbones or ("builtin",), _recipes(files), finetune=finetune)
    with tempfile.TemporaryDirectory(prefix="inspector-compare-") as scratch:
        folder = output or Path(scratch)
        comparison = hold_against(good_dir, test_dir, listed, folder, Options(**told), track=track)
    if as_json:
        click.echo(json.dumps(comparison.to_json() | ({"report": str(_page(report))} if report else {})))
    else:
        click.echo(_text(comparison))
    if report:
        page = options.written(lambda: _report(comparison, good_dir, test_dir, report), "the comparison is above")
        if not as_json:
            click.echo(on_one_line(f"report: {page}"))
    if comparison.failed:
        raise click.exceptions.Exit(1)


def _recipes(files: tuple[Path, ...]) -> dict[str, "Recipe"]:
    from inspector import recipe
    from inspector.errors import UsageError

    if not files:
        return {"default": recipe.Recipe()}
    names = [file.stem if len({other.stem for other in files}) == len(files) else str(file) for file in files]
    if len(set(names)) < len(names):
        raise UsageError(f"recipes: got {', '.join(names)}; expected each file once")
    return {name: recipe.load(file) for name, file in zip(names, files, strict=True)}


def _page(folder: Path) -> Path:
    from calibration.report.comparison import NAME

    return folder / NAME


def _report(comparison: "Comparison", good_dir: Path, test_dir: Path | None, folder: Path) -> Path:
    from calibration.report import write_comparison

    return write_comparison(comparison, good_dir, test_dir, folder)


def _text(comparison: "Comparison") -> str:
    from calibration.comparison.outcome import conclusion
    from inspector.charts.wording import number, percent

    head = ["", "AUROC", "90 % interval", "pixel", "AUPRO", "rejects", "escapes", "ms/frame", "bank MB", "calib. s"]
    rows = [
        [
            f"{'*' if item.front else ' '} {on_one_line(item.candidate.name)}",
            number(item.image_auroc),
            f"{item.interval[0]:.3f}–{item.interval[1]:.3f}" if item.interval else "–",
            number(item.pixel_auroc),
            number(item.aupro),
            percent(item.false_reject_rate),
            percent(item.escape_rate),
            number(item.ms_p50, 1),
            f"{item.bank['bytes'] / 1e6:.1f}",
            f"{item.seconds:.0f}",
        ]
        for item in comparison.judged
    ]
    wide = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [
        row[0].ljust(wide[0]) + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], wide[1:], strict=True))
        for row in [head, *rows]
    ]
    judged_by = (
        f"{comparison.n_good} held-back samples, as they are and each with a SYNTHETIC defect: this tells candidates "
        "apart, not how many real defects are caught"
        if comparison.synthetic
        else f"{comparison.n_good} good and {comparison.n_defect} defective frames"
    )
    lines += ["", "* no other is both faster and better.", f"Judged by {judged_by}.", *conclusion(comparison)]
    lines += [f"not compared: {candidate.name}: {error}" for candidate, error in comparison.failed]
    lines += [f"note: {note}" for note in comparison.notes]
    return "\n".join(map(on_one_line, lines))
