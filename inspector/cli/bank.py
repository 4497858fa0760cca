"""`inspector bank`: look at banks, compare them, take them into use."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli import options
from inspector.cli.growth import add, remove
from inspector.legible import on_one_line

if TYPE_CHECKING:
    from inspector.banks.journal import Move
    from inspector.manifest import Lineage

_SHOWN = 10
"""Exchanges of a bank that `show` prints."""


@click.group()
def bank() -> None:
    """List, show, verify, compare, grow, promote and roll back banks."""


bank.add_command(add)
bank.add_command(remove)


@bank.command("list")
@click.argument("folder", default="banks", type=options.PATH)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
def list_banks(folder: Path, as_json: bool) -> None:
    """One line for each bank below FOLDER."""
    from inspector.errors import BankError
    from inspector.manifest import MANIFEST_FILE, read_manifest

    if not folder.is_dir():
        raise BankError(f"banks {folder}: no such folder; expected a folder of banks")
    if (folder / MANIFEST_FILE).exists():
        raise BankError(f"banks {folder}: is a bank itself, expected a folder of banks; see bank show")
    paths = sorted(file.parent for file in folder.glob(f"[!.]*/{MANIFEST_FILE}"))
    if not paths:
        raise BankError(f"banks {folder}: no bank there, expected a folder of banks")
    for path in paths:
        try:
            manifest = read_manifest(path)
        except BankError as error:
            _say(json.dumps({"path": str(path), "error": str(error)}) if as_json else f"{path}  refused: {error}")
            continue
        row = {
            "path": str(path),
            "id": manifest.id,
            "samples": len(manifest.samples),
            "vectors": manifest.vectors,
            "dim": manifest.dim,
            "backbone": manifest.backbone.name,
        }
        text = f"{path}  {manifest.id}  {row['samples']} samples  {row['vectors']}x{row['dim']}  {row['backbone']}"
        _say(json.dumps(row) if as_json else text)


@bank.command()
@click.argument("path", type=options.PATH)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as it stands")
def show(path: Path, as_json: bool) -> None:
    """What the bank at PATH was made of, and what its thresholds promise."""
    from inspector.charts.wording import told_apart
    from inspector.manifest import read_manifest
    from inspector.window import extent_of

    manifest = read_manifest(path)
    if as_json:
        click.echo(json.dumps(manifest.model_dump(mode="json", by_alias=True)))
        return
    recipe, calibration, promise = manifest.recipe, manifest.calibration, manifest.calibration.promise
    extent = extent_of(recipe, manifest.grid_hw)
    ok, ng = told_apart(calibration.ok, calibration.ng)
    _say(
        f"id          {manifest.id}",
        f"memory      {manifest.vectors} vectors of {manifest.dim}, covering radius {manifest.covering_radius:.4g}",
        f"backbone    {manifest.backbone.name}, layers {', '.join(manifest.backbone.layers)}",
        f"recipe      {recipe.name}: {recipe.in_words()}",
        *([f"region      {extent}"] if extent else []),
        f"samples     {len(manifest.samples)}, {calibration.folds} folds by {calibration.fold_by}, "
        f"seed {manifest.seed}",
        f"thresholds  ok {ok}, ng {ng}, pixel {calibration.pixel:.4g}",
        f"promise     {promise.in_words()}",
        f"lineage     {_lineage(manifest.lineage)}",
        *_history(path),
    )


def _lineage(lineage: "Lineage") -> str:
    if lineage.parent is None:
        return lineage.operation
    changed = [f"{len(of)} {word}" for of, word in ((lineage.added, "added"), (lineage.removed, "removed")) if of]
    return ", ".join([f"{lineage.operation}, from {lineage.parent[:12]}…", *changed])


def _history(path: Path) -> list[str]:
    """What the bank's shelf tells, newest first."""
    from inspector.banks.shelf import Shelf

    shelf = Shelf(path)
    lines = [f"history     {_move(move)}" for move in reversed(shelf.moves()[-_SHOWN:])]
    previous = shelf.previous()
    return [*lines, f"rollback    to {previous.id}"] if previous else lines


def _move(move: "Move") -> str:
    before = move.before.id if move.before else "nothing"
    done = "" if move.done else "  NOT DONE"
    reason = f": {move.reason}" if move.reason else ""
    guard = f", passes {move.guard_missed} of {move.guard} confirmed defects" if move.guard_missed else ""
    if move.guard is None and move.action != "rollback":
        guard = ", guard not asked"
    return f"{move.at:%Y-%m-%d %H:%M} {move.action} {before} -> {move.after.id} by {move.by}{reason}{guard}{done}"


@bank.command()
@click.argument("path", type=options.PATH)
@options.as_json
def verify(path: Path, as_json: bool) -> None:
    """Check every byte and number of the bank at PATH, and its id, and run its graph once."""
    from inspector.pipeline import Pipeline

    bank = Pipeline.open(path).bank
    bank.check_id()
    ref = bank.ref
    if as_json:
        click.echo(json.dumps({"path": str(path), "id": ref.id, "digest": ref.digest}))
        return
    _say(f"{path}: sound; {ref.id}, manifest sha256 {ref.digest}")


@bank.command()
@click.argument("candidate", type=options.PATH)
@click.argument("path", type=options.PATH, metavar="BANK")
@click.option("-c", "--config", type=options.PATH,
              help="Settings whose ledger has the confirmed defects  [inspector.yaml, where there is one]")  # fmt: skip
@click.option("--no-guard", is_flag=True, help="Do not hold it against confirmed defects; needs --reason")
@options.reason
@options.by
@options.as_json
def promote(
    candidate: Path, path: Path, config: Path | None, no_guard: bool, reason: str | None, by: str, as_json: bool
) -> None:
    """Take a copy of CANDIDATE into use as BANK, in one step.

    The guard is asked first: a bank that passes a confirmed defect needs a reason. What was in use stays on the shelf
    beside it. A daemon that runs BANK takes the new one over between two frames.
    """
    from inspector.cli.guard import take_into_use
    from inspector.errors import UsageError

    if no_guard and (reason is None or config is not None):
        raise UsageError("--no-guard: got it " + ("without --reason" if reason is None else "with --config")
                         + ", expected a reason why nobody is asked, and no settings")  # fmt: skip
    done = take_into_use(candidate, path, config=config, by=by, reason=reason, guarded=not no_guard)
    if as_json:
        click.echo(json.dumps(done.to_json()))
    else:
        _say(f"{path}: {_move(done.move)}", *f"guard: {done.text(path)}".split("\n"))


@bank.command()
@click.argument("path", type=options.PATH, metavar="BANK")
@options.reason
@options.by
@options.as_json
def rollback(path: Path, reason: str | None, by: str, as_json: bool) -> None:
    """Take the bank that BANK replaced into use again, in one step; once more goes one further back."""
    from inspector.banks.shelf import Shelf

    _tell(Shelf(path).rollback(by=by, reason=reason), path, as_json)


def _tell(move: "Move", path: Path, as_json: bool) -> None:
    _say(json.dumps(move.model_dump(mode="json")) if as_json else f"{path}: {_move(move)}")


@bank.command()
@click.argument("first", type=options.PATH)
@click.argument("second", type=options.PATH)
@options.as_json
def diff(first: Path, second: Path, as_json: bool) -> None:
    """Show how bank SECOND differs from bank FIRST."""
    from inspector.bank import Bank
    from inspector.banks.difference import difference

    found = difference(Bank.load(first), Bank.load(second))
    if as_json:
        click.echo(json.dumps(found.to_json()))
        return
    before, after = found.vectors
    lines = [f"{change.key:<28} {' -> '.join(_short(change.before, change.after))}" for change in found.changes]
    lines.append(f"{'vectors':<28} {before} -> {after}, {found.shared_vectors} in both")
    for word, samples in (("added", found.added), ("removed", found.removed)):
        lines += [f"{'sample ' + word:<28} {sample.path}" for sample in samples[:_SHOWN]]
        if len(samples) > _SHOWN:
            lines.append(f"{'':<28} … and {len(samples) - _SHOWN} more (--json lists all)")
    if found.kin:
        lines.append(f"{'lineage':<28} {found.kin}")
    if found.same:
        lines.append("the same: every frame gets the same verdict")
    _say(*lines)


def _say(*lines: str) -> None:
    """Prints them. What a bank says of itself may have been written to deceive whoever reads it on a terminal."""
    click.echo("\n".join(map(on_one_line, lines)))


def _short(*values: object) -> tuple[str, ...]:
    from inspector.charts.wording import told_apart

    floats = [value for value in values if isinstance(value, float)]
    return told_apart(*floats) if len(floats) == len(values) else tuple(map(_text, values))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return f"{value:.4g}" if isinstance(value, float) else "none" if value is None else str(value)
