"""`inspector bank`: look at banks."""

import json
from pathlib import Path

import click


@click.group()
def bank() -> None:
    """List, show and verify banks."""


@bank.command("list")
@click.argument("folder", default="banks", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
def list_banks(folder: Path, as_json: bool) -> None:
    """One line for each bank below FOLDER."""
    from inspector.bank import read_manifest
    from inspector.errors import BankError

    if not folder.is_dir():
        raise BankError(f"banks {folder}: no such folder; expected a folder of banks")
    for path in sorted(file.parent for file in folder.glob("[!.]*/manifest.json")):
        try:
            manifest = read_manifest(path)
        except BankError as error:
            click.echo(json.dumps({"path": str(path), "error": str(error)}) if as_json else f"{path}  refused: {error}")
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
        click.echo(json.dumps(row) if as_json else text)


@bank.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as it stands")
def show(path: Path, as_json: bool) -> None:
    """What the bank at PATH was made of, and what its thresholds promise."""
    from inspector.bank import read_manifest
    from inspector.window import extent_of

    manifest = read_manifest(path)
    if as_json:
        click.echo(json.dumps(manifest.model_dump(mode="json", by_alias=True)))
        return
    recipe, calibration, promise = manifest.recipe, manifest.calibration, manifest.calibration.promise
    width, height = recipe.size_wh
    low, high = promise.interval
    extent = extent_of(recipe, manifest.grid_hw)
    kept = "estimated from the tail" if promise.estimated else f"90 % interval {low:.2%} to {high:.2%}"
    click.echo(
        "\n".join(
            (
                f"id          {manifest.id}",
                f"memory      {manifest.vectors} vectors of {manifest.dim}, "
                f"covering radius {manifest.covering_radius:.4g}",
                f"backbone    {manifest.backbone.name}, layers {', '.join(manifest.backbone.layers)}",
                f"recipe      {recipe.name}: {width}x{height}, pooling {recipe.pooling}, {recipe.neighbours}-NN",
                *([f"region      {extent}"] if extent else []),
                f"samples     {len(manifest.samples)}, {calibration.folds} folds by {calibration.fold_by}, "
                f"seed {manifest.seed}",
                f"thresholds  ok {calibration.ok:.4g}, ng {calibration.ng:.4g}, pixel {calibration.pixel:.4g}",
                f"promise     {promise.expected_false_reject:.2%} false rejects of {promise.max_false_reject:.2%} "
                f"allowed, {kept}",
                f"lineage     {manifest.lineage.operation}"
                + (f" from {manifest.lineage.parent}" if manifest.lineage.parent else ""),
            )
        )
    )


@bank.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object")
def verify(path: Path, as_json: bool) -> None:
    """Check every byte and number of the bank at PATH, and run its graph once."""
    from inspector.pipeline import Pipeline

    ref = Pipeline.open(path).bank.ref
    if as_json:
        click.echo(json.dumps({"path": str(path), "id": ref.id, "digest": ref.digest}))
        return
    click.echo(f"{path}: sound; {ref.id}, manifest sha256 {ref.digest}")
