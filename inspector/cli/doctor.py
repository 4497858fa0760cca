"""`inspector doctor`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from inspector.cli import options


@click.command()
@options.config
@click.option(
    "--takt", default=1.0, show_default=True, type=click.FloatRange(min=0.001), help="Seconds from part to part"
)
@click.option("--publish", is_flag=True, help="Also try to publish, on topics where PLC and MES see it")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
def doctor(config: Path, takt: float, publish: bool, as_json: bool) -> int:
    """Check what would go wrong: settings, broker, certificates, clock, disk, database, banks, ports.

    Each line: ok, warn or fail, what, what was got, what was expected, what to do. Exit code 1 where something fails.
    It may run beside the daemon.
    """
    from inspector import settings
    from inspector.doctor import Mark, examine

    failed = False
    for finding in examine(settings.load(config), takt_s=takt, publish=publish):
        failed |= finding.mark is Mark.FAIL
        click.echo(json.dumps(asdict(finding)) if as_json else str(finding))
    return int(failed)
