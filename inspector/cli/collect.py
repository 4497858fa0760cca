"""`inspector collect`: the command around `inspector.samples.collect`."""

import json
import logging
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.charts.wording import span
from inspector.cli import options
from inspector.cli.live import Live, stop_by_signals

if TYPE_CHECKING:
    from inspector.samples.collect import Collected

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LOTS_SHOWN = 6


def _seconds(_ctx: click.Context, _param: click.Parameter, value: str | None) -> float:
    """From `90s`, `30m`, `8h` or `2d`."""
    if value is None:
        return 0.0
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)([smhd])", value.strip())
    if found is None:
        raise click.BadParameter(f"got {value}, expected a number and s, m, h or d, as in 30m or 8h")
    return float(found[1]) * _SECONDS[found[2]]


@click.command()
@click.argument("folder", type=options.PATH)
@options.config
@options.station
@click.option("--count", default=200, show_default=True, type=click.IntRange(min=1), help="How many samples")
@click.option("--over", "over_s", metavar="TIME", callback=_seconds,
              help="Spread them evenly over this time, as in 30m or 8h  [as they come]")  # fmt: skip
@options.as_json
def collect(folder: Path, config: Path, station: str | None, count: int, over_s: float, as_json: bool) -> None:
    """Collect good samples from a running station into FOLDER.

    Let good parts run while it collects, of every lot and shift that will come. A bank need not be there yet, and a
    daemon that inspects the station is not disturbed. Ends by itself, or with Ctrl-C; a second run adds to the first.
    """
    from inspector import settings
    from inspector.errors import SamplesError
    from inspector.samples.collect import CollectOptions
    from inspector.samples.collect import collect as run

    loaded = settings.load(config)
    name = options.one_of(station, loaded.station_names)
    here = loaded.station(name)
    live = Live(f"collect {name}")
    logging.getLogger("inspector.mqtt").addHandler(logging.NullHandler())  # what it logs is told by notices
    collected = run(
        CollectOptions(here.id, folder, loaded.broker, count, over_s, beside=loaded.beside(here)),
        stop=stop_by_signals(),
        on_notice=live.notice,
        on_tally=lambda collected, next_s: live.show(_now(collected, count, next_s)),
    )
    live.clear()
    if as_json:
        click.echo(_as_json(name, folder, collected))
    else:
        click.echo(_as_text(name, folder, collected, _commands(folder, here.bank, config)))
    if not collected.taken:
        raise SamplesError(f"{folder}: no sample was collected; {collected.why or 'no new frame came'}")


def _now(collected: "Collected", count: int, next_s: float) -> str:
    due = f"the next in {span(next_s)}" if next_s >= 1 else "waiting for a frame"
    return f"{collected.taken} of {count} samples, {due}"


def _as_text(station: str, folder: Path, collected: "Collected", commands: list[str]) -> str:
    lines = [f"samples  {folder}: {collected.taken} of {station} in {span(collected.seconds)}"]
    named = [(lot, count) for lot, count in collected.lots.items() if lot is not None]
    if named:
        shown = ", ".join(f"{lot} {count}" for lot, count in named[:_LOTS_SHOWN])
        more = f" and {len(named) - _LOTS_SHOWN} more" if len(named) > _LOTS_SHOWN else ""
        lines.append(f"lots     {shown}{more}")
    if collected.repeated:
        lines.append(f"repeated {collected.repeated} pictures that are there already, not taken again")
    if collected.unreadable:
        lines.append(f"not read {collected.unreadable} frames; the first: {collected.why}")
    if collected.taken:
        lines.append("next     look at them and move away what is not good; then")
        lines += [f"         {command}" for command in commands]
    return "\n".join(lines)


def _commands(folder: Path, bank: Path, config: Path) -> list[str]:
    """What makes a bank of the samples: where there is one already, beside it, so that there is a way back."""
    from inspector.manifest import is_bank_there

    if not is_bank_there(bank):
        return [shlex.join(["inspector", "calibrate", str(folder), "-o", str(bank)])]
    new = f"{bank}.new"
    return [
        shlex.join(["inspector", "calibrate", str(folder), "-o", new]),
        shlex.join(["inspector", "bank", "promote", new, str(bank), "-c", str(config)]),
    ]


def _as_json(station: str, folder: Path, collected: "Collected") -> str:
    return json.dumps(
        {
            "station": station,
            "folder": str(folder),
            "taken": collected.taken,
            "lots": {lot or "": count for lot, count in collected.lots.items()},
            "repeated": collected.repeated,
            "unreadable": collected.unreadable,
            "why": collected.why,
            "seconds": round(collected.seconds, 3),
        }
    )
