"""`inspector config`: look at the settings before the daemon does."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inspector.cli import options

if TYPE_CHECKING:
    from inspector.settings import Origins


@click.group()
def config() -> None:
    """Check and show the settings, environment variables included."""


@config.command()
@options.config
@options.as_json
def check(config: Path, as_json: bool) -> int:
    """Name line and key of every mistake, and what would surprise; exit code 2 with a mistake, else 0."""
    from inspector import settings
    from inspector.doctor.surprises import surprises
    from inspector.errors import SettingsError, SettingsMistakesError

    mistakes: tuple[str, ...] = ()
    found = []
    strangers: tuple[str, ...] = ()
    stations = 0
    try:
        origins = settings.trace(config)
        found, strangers, stations = surprises(origins.settings), origins.strangers, len(origins.settings.stations)
    except SettingsError as error:
        mistakes = error.mistakes if isinstance(error, SettingsMistakesError) else (str(error),)
    warnings = [f"{one.key}: {one.text}" for one in found]
    warnings += [f"environment: {name}: is no key of the settings, and is left alone" for name in strangers]
    if as_json:
        click.echo(json.dumps({"path": str(config), "mistakes": list(mistakes), "warnings": warnings}))
    else:
        for mistake in mistakes:
            click.echo(f"mistake  {mistake}")
        for warning in warnings:
            click.echo(f"warning  {warning}")
        if not mistakes:
            told = f", {len(warnings)} warning{'s' if len(warnings) != 1 else ''}" if warnings else ""
            click.echo(f"sound    {config}: {stations} station{'s' if stations != 1 else ''}{told}")
    return 2 if mistakes else 0


@config.command()
@options.config
@options.as_json
def show(config: Path, as_json: bool) -> None:
    """Every value as the daemon would take it, defaults included; what the environment sets is marked."""
    import yaml

    from inspector import settings

    origins = settings.trace(config)
    document = _without_secrets(origins)
    if as_json:
        click.echo(json.dumps(document))
        return
    for loc, variable in origins.variables.items():
        click.echo(f"# {'.'.join(map(str, loc))} is set by {variable}")
    click.echo(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), nl=False)


def _without_secrets(origins: "Origins") -> dict[str, Any]:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from inspector.store.database import without_password

    document: dict[str, Any] = origins.settings.model_dump(mode="json")
    if origins.settings.database is not None:
        try:
            document["database"] = without_password(make_url(origins.settings.database))
        except ArgumentError:
            document["database"] = "***"
    return document
