"""`inspector account`: who may review, from the machine itself: also when nobody knows a password any more."""

import json
import os
import pwd
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from inspector.cli import options

if TYPE_CHECKING:
    from inspector.store import Accounts

_password_file = click.option(
    "--password-file", type=options.PATH, help="File whose first line is the password; - is stdin  [asks]"
)
_role = click.Choice(["viewer", "operator", "engineer", "admin"])


@click.group()
def account() -> None:
    """Make, list and change the accounts of the review page."""


@account.command("list")
@options.config
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line")
def list_accounts(config: Path, as_json: bool) -> None:
    """Show every account."""
    with _accounts(config) as accounts:
        found = accounts.all()
        if not found:
            click.echo("no account yet; inspector account add NAME --role admin makes one", err=True)
        for one in found:
            since = one.created_at.isoformat(timespec="seconds")
            disabled = None if one.disabled_at is None else one.disabled_at.isoformat(timespec="seconds")
            if as_json:
                row = {"name": one.name, "role": one.role.value, "created_at": since, "disabled_at": disabled}
                click.echo(json.dumps(row))
            else:
                click.echo(f"{one.name:<24} {one.role:<10} since {since}{' disabled' if disabled else ''}")


@account.command()
@click.argument("name")
@click.option("--role", type=_role, default="operator", show_default=True)
@_password_file
@options.config
def add(name: str, role: str, password_file: Path | None, config: Path) -> None:
    """Make an account."""
    from inspector.errors import UsageError
    from inspector.store import ConflictError, Role

    with _accounts(config) as accounts:
        try:
            accounts.create(name, _password(name, password_file), Role(role), by=_by())
        except ConflictError as error:
            raise UsageError(f"account {name}: is there already, expected a new name") from error
    click.echo(f"{name}: made, {role}")


@account.command()
@click.argument("name")
@_password_file
@options.config
def password(name: str, password_file: Path | None, config: Path) -> None:
    """Give an account another password; whoever is logged in by it is logged out."""
    with _accounts(config) as accounts:
        accounts.set_password(name, _password(name, password_file), by=_by())
    click.echo(f"{name}: has another password")


@account.command()
@click.argument("name")
@click.argument("role", type=_role)
@options.config
def role(name: str, role: str, config: Path) -> None:
    """Give an account another role."""
    from inspector.store import Role

    with _accounts(config) as accounts:
        accounts.set_role(name, Role(role), by=_by())
    click.echo(f"{name}: is {role}")


@account.command()
@click.argument("name")
@options.config
def disable(name: str, config: Path) -> None:
    """Stop an account from logging in; its sessions and tokens end."""
    with _accounts(config) as accounts:
        accounts.disable(name, by=_by())
    click.echo(f"{name}: is disabled")


@account.command()
@click.argument("name")
@options.config
def enable(name: str, config: Path) -> None:
    """Let an account log in again."""
    with _accounts(config) as accounts:
        accounts.enable(name, by=_by())
    click.echo(f"{name}: may log in")


@contextmanager
def _accounts(config: Path) -> "Iterator[Accounts]":
    from inspector import settings
    from inspector.errors import MissingExtraError, to_install
    from inspector.store import Accounts, open_database

    url = settings.load(config).database_url
    with open_database(url) as database:
        try:
            accounts = Accounts(database)
        except ModuleNotFoundError as error:
            raise MissingExtraError(f"account: {error.name} is not installed; {to_install('review')}") from error
        yield accounts


def _by() -> str:
    """Who asks, for the audit: by the system's word and not the environment's; no account can be called so."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # in a container the number may have no name
        user = f"uid {os.getuid()}"
    return f"{user[:48]} (command line)"


def _password(name: str, file: Path | None) -> str:
    """Never from the command line, where others can read it."""
    from inspector.errors import UsageError
    from inspector.settings.secret import read_secret

    if file is not None and str(file) != "-":
        return read_secret(file)
    if file is not None:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise UsageError("password: there is no terminal to ask on, expected --password-file")
    asked: str = click.prompt(f"Password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return asked
