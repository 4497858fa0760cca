"""`inspector inspect`."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from inspector.cli import options
from inspector.cli.progress import track
from inspector.legible import on_one_line

if TYPE_CHECKING:
    from inspector.bank import Bank
    from inspector.types import Float32Array, Frame, Inspection

_LONGEST_NAME: Final = 255
"""Bytes of the name of a file, on all file systems in use."""


@click.command()
@click.argument("bank", type=options.PATH)
@click.argument("images", nargs=-1, required=True, type=options.PATH, metavar="IMAGE...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
@click.option("--heatmaps", type=options.PATH, help="Write the anomaly map over each picture into this folder")
@options.engine
def inspect(bank: Path, images: tuple[Path, ...], as_json: bool, heatmaps: Path | None, engine: str) -> None:
    """Score pictures, or all pictures below folders, against BANK.

    Exits with 1 when a picture could not be inspected: an error is never ok.
    """
    from inspector.errors import FrameError
    from inspector.pipeline import Pipeline

    pipeline = Pipeline.open(bank, engine=engine)
    failed = 0
    if heatmaps:
        _prepare_heatmaps(heatmaps, images)
    paths = list(_expand(images))
    told = not as_json and (len(paths) == 1 or sys.stdout.isatty())  # the lines are the progress
    for number, path in enumerate(paths if told else track(paths, "inspecting")):
        try:
            inspection, frame = pipeline.inspect_decoding(path.read_bytes())
        except (FrameError, OSError) as error:
            failed += 1
            outcome = _fault(path, error)
        else:
            outcome = _found(path, inspection)
            if heatmaps:
                _write_heatmap(heatmaps, _name(number, path), frame, inspection.anomaly_map, pipeline.bank)
            del frame  # or two large ones would be held while the next is decoded
        click.echo(json.dumps(outcome) if as_json else _line(outcome))
    if failed:
        raise click.exceptions.Exit(1)


def _prepare_heatmaps(folder: Path, images: tuple[Path, ...]) -> None:
    """Makes the folder, unless maps in it would do harm to a bank or be taken for pictures."""
    from inspector.errors import UsageError
    from inspector.folder import refuse_bank

    refuse_bank(folder, "heatmaps")
    place = folder.resolve()
    if inside := [image for image in images if image.is_dir() and image.resolve() in (place, *place.parents)]:
        raise UsageError(f"heatmaps {folder}: lies in {inside[0]}, whose pictures are inspected; choose another")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"heatmaps {folder}: no folder ({error.strerror}); choose another") from error


def _expand(images: tuple[Path, ...]) -> Iterator[Path]:
    """The pictures, and those below folders. Raises SamplesError: a folder has none, also beside others that have."""
    from inspector.folder import contents_of, no_pictures

    for image in images:
        if image.is_dir():
            from calibration.evaluation.cases import without_masks

            frames, masks = without_masks(image, contents_of(image).every)  # what is not read is an error, not left out
            if masks:
                told = f"left out, masks of frames: {len(masks)}, such as {masks[0].relative_to(image)}"
                click.echo(on_one_line(told), err=True)
            if not frames:
                raise no_pictures(str(image))
            yield from frames
        else:
            yield image


def _fault(path: Path, error: Exception) -> dict[str, Any]:
    from inspector.errors import FrameError, in_words

    return {
        "path": str(path),
        "decision": "error",
        "score": None,
        "p_value": None,
        "regions": [],
        "reason": error.reason if isinstance(error, FrameError) else "unreadable",
        "message": in_words(error),
    }


def _found(path: Path, inspection: "Inspection") -> dict[str, Any]:
    return {
        "path": str(path),
        "decision": str(inspection.decision),
        "score": inspection.score,
        "p_value": inspection.p_value,
        "reason": inspection.reason,
        "regions": [asdict(region) for region in inspection.regions],
    }


def _line(outcome: dict[str, Any]) -> str:
    path = on_one_line(outcome["path"])
    if outcome["decision"] == "error":
        return f"error      {path}: {outcome['message']}"
    regions = len(outcome["regions"])
    where = f"  {regions} region{'s' if regions != 1 else ''}" if regions else ""
    why = f"  {outcome['reason']}" if outcome["reason"] else ""
    said = f"{outcome['decision']:<10} {outcome['score']:8.4f}  p={outcome['p_value']:.4f}"
    return f"{said}  {path}{where}{why}"


def _name(number: int, path: Path) -> str:
    """Of the map of a picture: its number, and as much of its name as fits."""
    begin, end = f"{number:06d}_", ".png"
    stem = os.fsencode(path.stem)[: _LONGEST_NAME - len(begin) - len(end)].decode(errors="ignore")
    return f"{begin}{stem}{end}"


def _write_heatmap(folder: Path, name: str, frame: "Frame", anomaly_map: "Float32Array", bank: "Bank") -> None:
    import cv2

    from inspector import heatmap
    from inspector.errors import UsageError
    from inspector.patches import view_of
    from inspector.window import view_counts

    seen = view_of(frame, bank.recipe).cut(frame.pixels)
    over = heatmap.overlay(seen, anomaly_map, bank.thresholds.pixel)
    over = heatmap.shade(over, view_counts(bank.recipe, (seen.shape[1], seen.shape[0])))
    encoded = cv2.imencode(".png", cv2.cvtColor(over, cv2.COLOR_RGB2BGR))[1].tobytes()
    try:
        (folder / name).write_bytes(encoded)
    except OSError as error:
        raise UsageError(f"heatmaps {folder}: cannot be written there ({error.strerror}); choose another") from error
