"""Options and argument types that several commands have in common."""

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
"""A path, which need not exist."""

config = click.option("-c", "--config", default="inspector.yaml", show_default=True, type=PATH, help="The settings")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object")

engine = click.option(
    "--engine", default="auto", show_default=True, help="auto, openvino, torch, torch:cpu or torch:cuda"
)

max_false_reject = click.option(
    "--max-false-reject", default=0.005, show_default=True, help="Share of good parts that may be rejected"
)

seed = click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)

report = click.option("--report", type=PATH, help="Write one HTML page into this folder")

replace_new = click.option("--replace", is_flag=True, help="Replace the new bank's folder if it exists")

reason = click.option(
    "--reason", callback=lambda _ctx, _param, said: (said or "").strip() or None, help="Why, for the journal"
)

station = click.option("--station", help="site/area/line/station  [the only one]")


def _user() -> str:
    """Who asks, as the system knows them."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # in a container the number may have no name
        return f"uid {os.getuid()}"


by = click.option("--by", callback=lambda _ctx, _param, name: name or _user(), help="Who, for the records  [the user]")


def written(write: Callable[[], Path], there: str) -> Path:
    """The page that --report asked for, which is made after the result was printed. there: what there is without it.

    Raises:
        InspectorError: it cannot be made, as pictures or the folder changed meanwhile.
    """
    from inspector.errors import InspectorError

    try:
        return write()
    except (OSError, InspectorError) as error:
        raise InspectorError(f"{there}, but the report could not be written: {error}") from error


def one_of(station: str | None, known: list[str]) -> str:
    """The station that was named, one of those that are known, or the only one of them.

    Raises:
        UsageError: there is no such station, or none was named and there are several.
    """
    from inspector.errors import UsageError

    if station is None and len(known) == 1:
        return known[0]
    if station is None or (known and station not in known):
        raise UsageError(
            f"--station: got {station or 'nothing'}, expected one of {', '.join(known) or 'those that were recorded'}"
        )
    return station
