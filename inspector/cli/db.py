"""`inspector db`: the database behind daemon and review page."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from inspector.cli import options


@click.group()
def db() -> None:
    """Look after the ledger."""


@db.command()
@click.argument("file", type=options.PATH)
@options.config
@options.as_json
def backup(file: Path, config: Path, as_json: bool) -> None:
    """Copy the SQLite ledger to FILE while the daemon runs, and check the copy.

    Verdicts, dispositions, audit and accounts are in it. Pictures are files below data_dir/frames: copy them
    afterwards.
    """
    from inspector import settings
    from inspector.store.backup import backup as copy

    url = settings.load(config).database_url
    with _progress("backup") as progress:
        size = copy(url, file, progress=progress)
    click.echo(json.dumps({"file": str(file), "bytes": size}) if as_json else f"{file}: {size / 1e6:.1f} MB, checked")


@db.command()
@click.argument("file", type=options.PATH)
@options.config
@options.as_json
def restore(file: Path, config: Path, as_json: bool) -> None:
    """Check FILE, a copy that `inspector db backup` made, and put it in the place of the SQLite ledger.

    Stop the daemon and the review page before. The ledger that was there is kept beside it, under a name with the
    time.
    """
    from inspector import settings
    from inspector.store.backup import restore as put_back

    url = settings.load(config).database_url
    with _progress("restore") as progress:
        kept = put_back(url, file, progress=progress)
    before = "there was none before" if kept is None else f"the ledger of before is {kept}"
    said = {"file": str(file), "kept": None if kept is None else str(kept)}
    click.echo(json.dumps(said) if as_json else f"{file}: checked and put back; {before}")


@contextmanager
def _progress(label: str) -> Iterator[Callable[[float], None]]:
    """A bar for a person at a terminal; nothing for others."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr, width=32) as bar:
        yield lambda done: bar.update(round(done * 1000) - bar.pos)
