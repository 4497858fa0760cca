"""Secrets in files of their own, so that settings can be shown to anybody."""

from pathlib import Path

from inspector.errors import SettingsError


def read_secret(path: Path) -> str:
    """The first line of a secret's file, without the mark that Windows puts before UTF-8.

    Raises:
        SettingsError: it cannot be read, or is empty.
    """
    try:
        secret = path.read_text(encoding="utf-8-sig").lstrip("\r\n").partition("\n")[0].rstrip("\r")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read ({error}), expected a secret's file") from error
    if not secret.strip():
        raise SettingsError(f"{path}: is empty, expected a file that holds the secret")
    return secret
