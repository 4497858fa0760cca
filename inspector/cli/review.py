"""`inspector review`."""

from pathlib import Path

import click

from inspector.cli import options


@click.command()
@options.config
def review(config: Path) -> None:
    """Serve the page on which people decide about flagged frames, until SIGTERM or Ctrl-C.

    With `review: {enabled: true}` the daemon runs it too, as a process of its own.
    """
    from inspector import settings
    from inspector.errors import MissingExtraError, to_install

    try:
        from inspector.web.server import serve
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"review: {error.name} is not installed; {to_install('review')}") from error
    serve(settings.load(config), say=click.echo)
