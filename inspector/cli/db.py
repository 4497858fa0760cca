"""`inspector db`: the database behind daemon and review page."""

import json
import sys
from pathlib import Path

import click


@click.group()
def db() -> None:
    """Look after the ledger."""


@db.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-c", "--config", default="inspector.yaml", show_default=True, type=click.Path(path_type=Path), help="The settings"
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object")
def backup(file: Path, config: Path, as_json: bool) -> None:
    """Copy the SQLite ledger to FILE while the daemon runs, and check the copy.

    Verdicts, dispositions, audit and accounts are in it. Pictures are files below data_dir/frames: copy them
    afterwards.
    """
    from inspector import settings
    from inspector.store.backup import backup as copy

    url = settings.load(config).database_url
    if sys.stderr.isatty():
        with click.progressbar(length=1000, label="backup", file=sys.stderr, width=32) as bar:
            size = copy(url, file, progress=lambda done: bar.update(round(done * 1000) - bar.pos))
    else:
        size = copy(url, file)
    click.echo(json.dumps({"file": str(file), "bytes": size}) if as_json else f"{file}: {size / 1e6:.1f} MB, checked")
