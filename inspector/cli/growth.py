"""`inspector bank add` and `inspector bank remove`."""

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import options
from inspector.cli.progress import track
from inspector.legible import on_one_line

if TYPE_CHECKING:
    from calibration.growth.derive import Derived
    from calibration.growth.reader import Newcomer


@click.command()
@click.argument("bank", type=options.PATH)
@click.argument("good", nargs=-1, required=True, type=options.PATH, metavar="GOOD...")
@click.option("-o", "--output", type=options.PATH, help="The new bank's folder  [BANK.new]")
@options.replace_new
@options.as_json
def add(bank: Path, good: tuple[Path, ...], output: Path | None, replace: bool, as_json: bool) -> None:
    """Make a bank that also knows the GOOD pictures, or all pictures below folders.

    Only these are embedded. All vectors stay and more come in, up to twice as many as the recipe says; thresholds stay
    and are checked. BANK itself is not changed, `inspector bank promote` takes the new one into use.
    """
    from calibration.growth.grow import grow

    place = output or _beside(bank)
    _tell(grow(bank, _pictures(good), place, replace=replace, track=track), bank, as_json)


@click.command()
@click.argument("bank", type=options.PATH)
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option("-o", "--output", type=options.PATH, help="The new bank's folder  [BANK.new]")
@click.option("--good", type=options.PATH, help="Folder of the samples that stay: covers what went")
@options.replace_new
@options.as_json
def remove(
    bank: Path, images: tuple[str, ...], output: Path | None, good: Path | None, replace: bool, as_json: bool
) -> None:
    """Make a bank without samples that should not be in it.

    IMAGE is a path as `inspector bank show --json` lists it, or a sha256, where several have that path. BANK itself is
    not changed.
    """
    from calibration.growth.reader import newcomers_in
    from calibration.growth.shrink import shrink

    place = output or _beside(bank)
    pictures = newcomers_in(good) if good else []
    _tell(shrink(bank, images, place, good=pictures, replace=replace, track=track), bank, as_json)


def _beside(bank: Path) -> Path:
    """BANK.new, also where . or .. stands for BANK."""
    named = bank if bank.name not in ("", "..") else bank.resolve()
    return Path(f"{named}.new")


def _pictures(paths: tuple[Path, ...]) -> "list[Newcomer]":
    from calibration.growth.reader import Newcomer, newcomers_in

    found = []
    for path in paths:
        if path.is_dir():
            found += newcomers_in(path)
        else:
            found.append(Newcomer(path.name, path))
    return found


def _tell(grown: "Derived", bank: Path, as_json: bool) -> None:
    click.echo(json.dumps(_object(grown)) if as_json else _text(grown, bank))


def _object(grown: "Derived") -> dict[str, Any]:
    before, now, check = grown.before, grown.manifest, grown.check
    return {
        "path": str(grown.path),
        "id": now.id,
        "added": [source.model_dump() for source in now.lineage.added],
        "removed": [source.model_dump() for source in now.lineage.removed],
        "skipped": [{"path": str(item.path), "reason": item.reason} for item in grown.skipped],
        "vectors": {"before": before.vectors, "after": now.vectors},
        "covering_radius": {"before": before.covering_radius, "after": now.covering_radius},
        "check": None
        if check is None
        else {"ok": check.passed, "uncertain": check.uncertain, "ng": check.rejected, "total": check.total},
        "not_passing": list(grown.still),
        "promise": now.calibration.promise.model_dump(mode="json"),
        "cautions": list(grown.cautions),
    }


def _text(grown: "Derived", bank: Path) -> str:
    before, now, check = grown.before, grown.manifest, grown.check
    lines = [
        f"bank       {grown.path}  ({now.id}): {len(now.lineage.added)} pictures added, "
        f"{len(now.lineage.removed)} removed, vectors {before.vectors} -> {now.vectors}",
        f"reach      every patch that was read within {before.covering_radius:.4g} -> {now.covering_radius:.4g} of a "
        "vector",
    ]
    if check:
        lines.append(
            f"check      by the bank as it was, {check.passed} of the {check.total} new pictures pass, "
            f"{check.uncertain} are uncertain, {check.rejected} ng"
        )
    lines.append(f"promise    thresholds stay: {now.calibration.promise.in_words()}")
    lines += [f"left out   {item.path}: {item.reason}" for item in grown.skipped[:10]]
    lines += [f"caution    {caution}" for caution in grown.cautions]
    old, new = shlex.quote(str(bank)), shlex.quote(str(grown.path))
    lines.append(f"next       inspector bank diff {old} {new}; inspector bank promote {new} {old}")
    return "\n".join(map(on_one_line, lines))
