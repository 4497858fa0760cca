"""`inspector run`."""

from pathlib import Path

import click

from inspector.cli import options


@click.command()
@options.config
def run(config: Path) -> None:
    """Run the daemon until SIGTERM or Ctrl-C: subscribe, inspect, publish, serve metrics.

    What was received is finished before it stops; what was not acknowledged the broker delivers again. With
    `review: {enabled: true}` in the settings it runs `inspector review` beside itself.
    """
    from functools import partial

    from inspector import settings
    from inspector.cli.ending import leave
    from inspector.leash import PYTHON
    from inspector.line import daemon
    from inspector.line.companion import Companion

    loaded = settings.load(config)
    review = partial(Companion, "review", (*PYTHON, "-m", "inspector", "review", "-c", str(config)))
    daemon.run(loaded, beside=(review,) if loaded.review.enabled else ())
    leave()
