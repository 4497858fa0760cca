"""`inspector export`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from inspector.cli import options

if TYPE_CHECKING:
    from inspector.store import FrameRow


@click.command()
@options.config
@click.option("--format", "kind", required=True, type=click.Choice(["csv", "coco", "zip"]), help="zip: with pictures")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, allow_dash=True), help="A file, or -")
@click.option("--state", default="done", show_default=True, type=click.Choice(["open", "done", "all"]))
@click.option("--station", help="site/area/line/station")
@click.option("--since", help="Arrived at or after, ISO 8601")
@click.option("--until", help="Arrived before, ISO 8601")
@click.option("--shift", help="Name of a shift in the settings")
@click.option("--lot")
@click.option("--part")
@click.option("--decision", type=click.Choice(["ok", "ng", "uncertain"]))
@click.option("--disposition", type=click.Choice(["defect", "false_alarm", "unsure"]))
@click.option("--defect-type")
@click.option("--reviewer")
@click.option("--bank", help="Its id or digest")
def export(config: Path, kind: str, output: Path, **asked: str | None) -> None:
    """Write the frames of the review queue, newest first, with what was said of them.

    csv opens in a spreadsheet; coco has the regions of confirmed defects; zip has both and the pictures.
    """
    from pydantic import ValidationError

    from inspector import settings
    from inspector.errors import UsageError
    from inspector.export import annotations, bundle, table
    from inspector.export.coco import size_of
    from inspector.problem import explain
    from inspector.store import Archive, ReviewQueue, Tally, open_database
    from inspector.web.filters import QueueQuery

    loaded = settings.load(config)
    try:
        query = QueueQuery.model_validate({**asked, "order": "newest"})
    except ValidationError as error:
        raise UsageError(f"--{explain(error.errors()[0], QueueQuery)}") from error
    filters = query.filter(loaded.review)
    archive = Archive(loaded.frames_dir)
    size, types = size_of(archive.path), loaded.review.defect_types
    with open_database(loaded.database_url) as engine:
        if query.station is not None:
            known = {*Tally(engine).stations(), *loaded.station_names}
            options.one_of(query.station, sorted(known))
        with _written(output) as file:
            counted = _Counted(ReviewQueue(engine).walk(filters))
            if kind == "zip":
                file.writelines(bundle(counted, archive.read, size, types, datetime.now(UTC)))
            else:
                parts = table(counted) if kind == "csv" else annotations(counted, size, types)
                file.writelines(part.encode() for part in parts)
        click.echo(f"{output}: {counted.number:,} frame{'s' if counted.number != 1 else ''}", err=True)
        if not counted.number:
            stations = ", ".join(Tally(engine).stations()) or "none"
            click.echo(f"no frame matches; stations that the ledger has frames of: {stations}", err=True)


@contextmanager
def _written(output: Path) -> Iterator[IO[bytes]]:
    """A file, there whole or not at all, also by a link; or the pipe or device that is there; or standard output."""
    if str(output) == "-":
        yield sys.stdout.buffer
        return
    from inspector.draft import draft_folder
    from inspector.errors import StoreError
    from inspector.folder import refuse_bank

    refuse_bank(output, "export to")
    if output.is_dir():
        raise StoreError(f"export to {output}: is a folder, expected a file")
    try:
        if output.exists() and not output.is_file():
            with output.open("wb") as file:
                yield file
            return
        place = output.resolve()
        with draft_folder(place.parent, f".{place.name[:100]}.part.") as folder:
            draft = folder / "export"
            with draft.open("wb") as file:
                yield file
            draft.replace(place)
    except OSError as error:
        raise StoreError(f"export to {output}: cannot be written ({error.strerror}), expected a file") from error


class _Counted:
    """Counts rows while they pass, and tells a terminal."""

    def __init__(self, rows: Iterator["FrameRow"]) -> None:
        self._rows = rows
        self.number = 0

    def __iter__(self) -> Iterator["FrameRow"]:
        return self

    def __next__(self) -> "FrameRow":
        row = next(self._rows)
        self.number += 1
        if self.number % 500 == 0 and sys.stderr.isatty():
            click.echo(f"\r{self.number:,} frames", nl=False, err=True)
        return row
