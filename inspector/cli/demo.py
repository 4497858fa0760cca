"""`inspector demo`: the command around `inspector.demo.run`."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import click

_SECONDS_WITHOUT_TERMINAL = 60.0
_LIVE_EVERY_S = 10.0
_LIVE_EVERY_S_ON_TERMINAL = 0.5


@click.command()
@click.option("--seconds", type=float, help="How long the cameras run.  [until Ctrl-C; 60 without a terminal]")
@click.option("--keep", is_flag=True, help="Keep the folder: samples, banks, configuration, ledger, logs.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where everything goes.  [a temporary folder]")
@click.option("--fps", default=4.0, show_default=True, help="Frames a second of each camera.")
@click.option("--samples", type=click.IntRange(min=10), default=80, show_default=True, help="Good parts to learn.")
@click.option("--defect-rate", type=click.FloatRange(0, 1), default=0.15, show_default=True, help="Share of bad parts.")
@click.option("--broker", type=click.Choice(["auto", "mosquitto", "amqtt"]), default="auto", show_default=True)
@click.option("--metrics-port", type=click.IntRange(0, 65535), default=0, help="Port of /metrics.  [a free one]")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Same seed, same parts.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as one JSON object; all else to stderr.")
def demo(seconds: float | None, as_json: bool, **options: Any) -> None:
    """Show the whole product on this machine.

    Draws good parts, calibrates on them, starts a broker, the daemon with its review page and two synthetic cameras;
    ends with a summary.
    """
    from inspector.demo.machine import DemoError, check_cpu

    check_cpu()
    from inspector.cli.progress import track
    from inspector.demo.interrupt import interruptible
    from inspector.demo.report import summary_text
    from inspector.errors import to_install

    try:
        from inspector.demo.run import DemoOptions, Voice, run_demo
    except ModuleNotFoundError as error:
        raise DemoError(f"demo: {error.name} is not installed; {to_install('demo')}") from error

    terminal = sys.stderr.isatty() if as_json else sys.stdout.isatty()
    if seconds is None and not terminal:
        seconds = _SECONDS_WITHOUT_TERMINAL
    voice = Voice(
        say=lambda line: click.echo(line, err=as_json),
        live=lambda line: click.echo(_in_place(line) if terminal else line, nl=not terminal, err=as_json),
        live_every_s=_LIVE_EVERY_S_ON_TERMINAL if terminal else _LIVE_EVERY_S,
        track=track,
    )
    with interruptible() as interrupt:
        summary = run_demo(DemoOptions(seconds=seconds, **options), voice, interrupt)
    if terminal:
        click.echo("", err=as_json)
    click.echo(json.dumps(summary.to_json()) if as_json else summary_text(summary))


def _in_place(line: str) -> str:
    """Overwrites the terminal's present line."""
    width = shutil.get_terminal_size().columns - 1
    return f"\r{line[:width]:<{width}}"
