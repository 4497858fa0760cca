"""Secrets in files of their own, so that settings can be shown to anybody."""

from pathlib import Path

from inspector.errors import SettingsError

_LONGEST = 1_000_000
"""Characters of a file. A device or a pipe may have no end."""


def read_secret(path: Path) -> str:
    """The first line of a secret's file, without the mark that Windows puts before UTF-8.

    Raises:
        SettingsError: it cannot be read, is empty, or has more than _LONGEST characters.
    """
    try:
        with path.open(encoding="utf-8-sig") as stream:
            text = stream.read(_LONGEST + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}), expected a secret's file") from error
    if len(text) > _LONGEST:
        raise SettingsError(f"{path}: has more than {_LONGEST} characters, expected a secret's file")
    secret = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    if not secret.strip():
        raise SettingsError(f"{path}: is empty, expected a file that holds the secret")
    return secret
