"""Types of the values in the settings: paths, secrets, station ids, times of day."""

from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)

from inspector.errors import SettingsError, StationNameError
from inspector.settings.secret import read_secret
from inspector.types import StationId


def _below_file(path: Path, info: ValidationInfo) -> Path:
    base: Path = info.context["base"] if info.context else Path.cwd()
    try:
        return (base / path.expanduser()).absolute()
    except RuntimeError as error:
        raise ValueError(f"got {path}, and the home folder that it names is not known") from error


def _secret_file(path: Path, info: ValidationInfo) -> Path:
    located = _below_file(path, info)
    try:
        read_secret(located)
    except SettingsError as error:
        raise ValueError(str(error)) from error
    return located


def _existing_file(path: Path, info: ValidationInfo) -> Path:
    located = _below_file(path, info)
    try:
        there = located.is_file()
    except OSError as error:
        raise ValueError(f"got {located}, which cannot be looked at ({error.strerror})") from error
    if not there:
        raise ValueError(f"got {located}, which is no file")
    return located


def _host(text: str) -> str:
    """Without the brackets in which an IPv6 address may stand."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if ":" in host:
        try:
            IPv6Address(host)
        except ValueError:
            raise ValueError(f"got {host}, expected a name or an address; the port is a key of its own") from None
    return host


def _station(value: object) -> StationId:
    if not isinstance(value, str):
        raise ValueError(f"got {value!r}, expected site/area/line/station")
    try:
        return StationId.parse(value)
    except StationNameError as error:
        raise ValueError(str(error)) from error


def _with_file(url: str, info: ValidationInfo) -> str:
    """SQLite's file is relative to the settings, as all paths are; in memory each thread would have its own."""
    scheme, _, rest = url.partition("://")
    if rest.partition("/")[0].count("@") > 1:  # all behind the first would be the host's name, and be told as such
        raise ValueError("got an @ in the name or the password, expected %40 in its place")
    if scheme.partition("+")[0] != "sqlite" or rest.startswith("/file:"):
        return _with_port(url)
    name, mark, options = rest.removeprefix("/").partition("?")
    if name in ("", ":memory:"):
        raise ValueError(f"got {url}, which is lost when the daemon ends, expected sqlite:///FILE")
    return f"{scheme}:///{_below_file(Path(name), info)}{mark}{options}"


def _with_port(url: str) -> str:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        make_url(url)
    except ArgumentError:
        return url  # told by whoever opens it
    except ValueError:  # where the host was forgotten, it would be the password that is told
        raise ValueError("port: got no number, expected one, as in postgresql://USER@HOST:5432/NAME") from None
    return url


def _time_of_day(value: object) -> object:
    if type(value) is int and 0 <= value < 24 * 60:  # YAML 1.1 reads an unquoted 14:00 as 840
        return f"{value // 60:02}:{value % 60:02}"
    return value


AnyPath = Annotated[Path, AfterValidator(_below_file)]
"""A path, relative to the settings' file."""

FilePath = Annotated[Path, AfterValidator(_existing_file)]
"""A file that is there."""

SecretPath = Annotated[Path, AfterValidator(_secret_file)]
"""A file that holds a secret."""

DatabaseUrl = Annotated[str, Field(min_length=1), AfterValidator(_with_file)]
"""SQLAlchemy's; the file of SQLite is relative to the settings' file."""

Host = Annotated[str, Field(min_length=1), AfterValidator(_host)]
"""A name or an address of another machine."""

StationField = Annotated[
    StationId, PlainValidator(_station), PlainSerializer(str, return_type=str), WithJsonSchema({"type": "string"})
]
"""`site/area/line/station`."""

Protocol = Annotated[Literal["auto", "5", "3.1.1"], BeforeValidator(lambda value: "5" if value == 5 else value)]
"""The version of MQTT; YAML reads an unquoted 5 as a number."""

TimeOfDay = Annotated[str, BeforeValidator(_time_of_day), Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
"""HH:MM."""

Label = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
"""A word that the ledger holds: no control character is in it."""

Days = Annotated[float, Field(gt=0, le=36_500)]
