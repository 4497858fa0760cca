"""`inspector calibrate`."""

import json
import shlex
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import click

from inspector.charts.wording import told_apart
from inspector.cli import options
from inspector.cli.progress import track
from inspector.legible import on_one_line

if TYPE_CHECKING:
    from calibration.calibrate import Calibrated
    from calibration.choice import Choice
    from inspector.recipe import Recipe

NAMED: Final = 3
"""How many of the samples that score highest are named in the text; --json names more."""


@click.command()
@click.argument("good_dir", type=options.PATH)
@click.option("-o", "--output", type=options.PATH, help="The bank's folder  [banks/NAME OF GOOD_DIR]")
@click.option("--recipe", type=options.PATH, help="A YAML file, or auto: what suits the part")
@click.option("--mask", type=options.PATH, help="A picture, white where to look")
@click.option("--backbone", default="builtin", show_default=True, help="builtin or timm:NAME[@FILE]")
@options.max_false_reject
@click.option("--folds", default=5, show_default=True, help="Number of parts, each scored by the others")
@click.option("--blocks", is_flag=True, help="Folds of consecutive files, as from a video")
@click.option("--limit", type=click.IntRange(min=1), help="Use only N files, evenly over the folder")
@click.option("--first", type=click.IntRange(min=1), help="Use only the first N files by path")
@options.seed
@click.option("--finetune", is_flag=True, help="Learn synthetic defects; kept only if it helps")
@click.option("--exclude-suspects", is_flag=True, help="Leave suspicious samples out")
@click.option("--report", type=options.PATH, help="Write a page of samples to look at there")
@click.option("--replace", is_flag=True, help="Replace the bank if it exists")
@options.as_json
def calibrate(
    good_dir: Path,
    output: Path | None,
    recipe: Path | None,
    mask: Path | None,
    report: Path | None,
    as_json: bool,
    **told: Any,
) -> None:
    """Build a bank with thresholds from the good samples below GOOD_DIR."""
    from calibration.calibrate import calibrate as build
    from calibration.options import Options
    from inspector.errors import UsageError

    bank_dir = output or Path("banks") / _name(good_dir)
    if report:
        from calibration.report.page import check_writable

        if bank_dir.resolve() in (report.resolve(), *report.resolve().parents):
            raise UsageError(f"report {report}: lies in the bank that is made, {bank_dir}; choose another folder")
        check_writable(report)
    start = perf_counter()
    done = build(good_dir, bank_dir, Options(recipe=_recipe(recipe, mask), **told), track=track)
    seconds = perf_counter() - start
    page = _page(report) if report else None
    if as_json:
        click.echo(json.dumps(as_object(done, seconds) | ({"report": str(page)} if page else {})))
    else:
        click.echo(as_text(done, seconds, page))
    if report:
        page = options.written(lambda: _report(done, good_dir, report), f"the bank is at {done.path}")
        if not as_json:
            click.echo(on_one_line(f"report     {page}"))


def _name(good_dir: Path) -> str:
    """That of the folder, or of the part, where samples lie in PART/good or PART/train/good (or ok, or normal)."""
    from calibration.evaluation.cases import GOOD, label_of

    named = (part for part in reversed(good_dir.resolve().parts[1:]) if label_of(part) not in (GOOD, "train"))
    return next(named, GOOD)


def _recipe(file: Path | None, mask: Path | None) -> "Recipe":
    from inspector import recipe as recipes
    from inspector.roi import Roi

    if file is not None and file != Path("auto"):
        return recipes.load(file, mask=mask)
    return recipes.Recipe(auto=file is not None, roi=Roi.read_mask(mask) if mask else None)


def _page(folder: Path) -> Path:
    from calibration.report.contact_sheet import NAME

    return folder / NAME


def _report(done: "Calibrated", good_dir: Path, folder: Path) -> Path:
    from calibration.report import write_contact_sheet

    return write_contact_sheet(done, good_dir, folder)


def as_object(done: "Calibrated", seconds: float) -> dict[str, Any]:
    """What --json prints."""
    return {
        "path": str(done.path),
        "bank": {"id": done.bank_id, "vectors": done.vectors, "dim": done.dim, "covering_radius": done.radius},
        "samples": done.samples,
        "roi": asdict(done.extent) if done.extent else None,
        "skipped": [{"path": str(item.path), "reason": item.reason} for item in done.skipped],
        "suspects": [
            {
                "path": item.name,
                "distance": item.distance,
                "reasons": {doubt.kind: doubt.reason for doubt in item.doubts},
            }
            for item in done.suspects
        ],
        "suspects_excluded": done.excluded,
        "patches_left_out": done.trimmed,
        "caveats": list(done.caveats),
        "highest": [{"path": item.name, "score": item.score} for item in done.highest],
        "thresholds": {"ok": done.thresholds.ok, "ng": done.thresholds.ng, "pixel": done.thresholds.pixel},
        "promise": done.promise.model_dump(mode="json"),
        "recipe": {"size_wh": done.choice.recipe.size_wh, "whitening": done.choice.recipe.whitening},
        "tried": [
            {
                "size_wh": item.recipe.size_wh,
                "whitening": item.recipe.whitening,
                "separation": item.area,
                "gain": item.gain,
                "error": item.error,
                "taken": item.taken,
            }
            for item in done.choice.tried
        ],
        "finetuned": None
        if done.tuned is None
        else {"kept": done.tuned.head is not None, "before": done.tuned.before, "after": done.tuned.after},
        "seconds": round(seconds, 2),
    }


def as_text(done: "Calibrated", seconds: float, page: Path | None = None, *, options_of: str = "") -> str:
    """What a person reads. page: the contact sheet, where one was written."""
    promise, thresholds = done.promise, done.thresholds
    lines = [
        f"bank       {done.path}  ({done.bank_id}): {done.vectors} vectors of {done.dim} from {done.samples} samples, "
        f"in {seconds:.1f} s"
    ]
    lines += _choice(done.choice)
    if done.tuned:
        lines.append(f"head       {done.tuned.said}")
    if done.extent:
        lines.append(f"region     {done.extent}")
    if done.skipped:
        lines.append(f"left out   {len(done.skipped)} file(s):")
        lines += [f"             {item.path}: {item.reason}" for item in done.skipped[:10]]
        if len(done.skipped) > 10:
            lines.append(f"             … and {len(done.skipped) - 10} more (--json lists all)")
    if done.suspects or done.excluded:
        lines += _suspects(done, page, options_of)
    _, high = promise.interval
    ok, ng = told_apart(thresholds.ok, thresholds.ng)
    if promise.estimated:
        lines += [
            f"thresholds ok up to {ok}, ng above"
            + (f" {ng}, uncertain between" if thresholds.ng > thresholds.ok else ""),
            f"promise    {promise.samples} samples are too few for {promise.max_false_reject:.2%} false rejects: "
            f"that needs {promise.samples_needed}.",
            f"             ok is vouched for: at most {high:.2%} of good parts score higher (90 % confidence).",
            "             ng is an ESTIMATE from the tail of the scores; "
            + (
                "frames between the two are uncertain." if thresholds.ng > thresholds.ok else "it is no higher than ok."
            ),
        ]
    else:
        lines += [
            f"thresholds ok up to {ok}, ng above",
            f"promise    {promise.in_words()}",
        ]
    lines += _highest(done, page, options_of)
    lines += [f"caution    {caveat}" for caveat in done.caveats]
    lines.append(f"next       inspector inspect {shlex.quote(str(done.path))} PICTURE...")
    return "\n".join(map(on_one_line, lines))


def _choice(choice: "Choice") -> list[str]:
    """What was tried on the part, in order."""
    if not choice.tried:
        return []
    lines = ["recipe     tried on held-back samples against synthetic defects; area under the ROC curve:"]
    for item in choice.tried:
        name = "{}x{}".format(*item.recipe.size_wh) + (" with the metric" if item.recipe.power > 0 else "")
        line = f"             {name:<24} {item.area:.3f}"
        if item.gain is not None:
            line += f"  {item.gain:+.3f}, standard error {item.error:.3f}: {'taken' if item.taken else 'not taken'}"
        lines.append(line)
    return lines


def _highest(done: "Calibrated", page: Path | None, options_of: str) -> list[str]:
    named = ", ".join(f"{item.name} ({item.score:.4g})" for item in done.highest[:NAMED])
    asked = f"the thresholds rest on these; if one is defective, move it away: {_shown(page, options_of)}"
    return [f"highest    {named}", f"             {asked}"]


def _suspects(done: "Calibrated", page: Path | None, options_of: str) -> list[str]:
    from calibration.suspects import FEWEST

    kinds = Counter(item.doubts[0].kind for item in done.suspects)
    said = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    if not done.excluded:
        return [f"suspects   {said}: {_shown(page, options_of)}, {options_of}--exclude-suspects leaves them out"]
    doubtful = f"             of the other samples, {done.trimmed:.1%} of the patches: they are doubtful"
    if not done.suspects:
        few = f": {done.samples} samples cannot tell, expected {FEWEST} at least" if done.samples < FEWEST else ""
        return [f"suspects   none left out{few}", *[doubtful] * (done.trimmed > 0)]
    return [
        f"suspects   {said}: left out; if they are good after all, up to {done.left_out:.1%} more good parts "
        "are rejected",
        doubtful,
    ]


def _shown(page: Path | None, options_of: str) -> str:
    return f"{page} shows them" if page else f"{options_of}--report DIR shows them"
