"""The configuration file: one YAML, read once, checked whole, frozen.

Every mistake is one line: file and line (or the environment's variable), key, what was got, what was expected, and for
a typo the key meant. Paths are relative to the file.
"""

import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from inspector import mistakes, unreadable_yaml
from inspector.errors import SettingsError, SettingsMistakesError, UsageError
from inspector.fields import (
    AnyPath,
    DatabaseUrl,
    Days,
    FilePath,
    Label,
    Protocol,
    SecretPath,
    StationField,
    TimeOfDay,
)
from inspector.overrides import Override, apply, collect
from inspector.problem import place
from inspector.types import StationId

_INSTANCE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(_Section):
    """How the broker is verified, and with which certificate the daemon shows itself."""

    ca_file: FilePath | None = Field(default=None, description="CA of the broker; the system's when not set")
    cert_file: FilePath | None = Field(default=None, description="client certificate")
    key_file: FilePath | None = Field(default=None, description="key of the client certificate")

    @model_validator(mode="after")
    def _paired(self) -> "TlsSettings":
        _check_pair(self.cert_file, self.key_file)
        return self


class BrokerSettings(_Section):
    """Where the MQTT broker is, and who the daemon is to it."""

    host: str = Field(default="127.0.0.1", min_length=1, description="name or address")
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Protocol = Field(default="auto", description="auto: 5, or 3.1.1 with a broker that knows no 5")
    username: str | None = Field(default=None, min_length=1)
    password_file: SecretPath | None = Field(default=None, description="file that holds the password alone")
    tls: TlsSettings | None = Field(default=None, description="encrypts; {} verifies the broker by the system's CAs")

    @model_validator(mode="after")
    def _named(self) -> "BrokerSettings":
        if self.password_file is not None and self.username is None:
            raise ValueError("got password_file without username, expected both or none")
        return self


class MetricsSettings(_Section):
    """Where /metrics, /healthz and /readyz are served."""

    host: str = Field(default="127.0.0.1", description="any but a loopback address needs token_file")
    port: int = Field(default=9108, ge=0, le=65535, description="0 takes a free one")
    token_file: SecretPath | None = Field(
        default=None, description="file with the bearer token that requests must carry"
    )

    @model_validator(mode="after")
    def _authenticated(self) -> "MetricsSettings":
        if self.token_file is None and not is_loopback(self.host):
            raise ValueError(f"host: got {self.host} without token_file, expected 127.0.0.1 or a token_file")
        return self


class ReviewSettings(_Section):
    """The web page on which people decide about flagged frames."""

    enabled: bool = Field(default=False, description="run it beside the daemon, as a process of its own")
    host: str = Field(default="127.0.0.1", description="any but a loopback address needs TLS")
    port: int = Field(default=8108, ge=0, le=65535, description="0 takes a free one")
    cert_file: FilePath | None = Field(default=None, description="the page's TLS certificate")
    key_file: FilePath | None = Field(default=None, description="its key")
    behind_tls_proxy: bool = Field(default=False, description="a proxy terminates TLS, and only it reaches this port")
    session_hours: float = Field(default=12, gt=0, le=24 * 31, description="how long a login lasts")
    sample_rate: float = Field(default=0.01, ge=0, le=1, description="share of ok frames drawn for review")
    defect_types: tuple[Label, ...] = Field(
        default=("scratch", "dent", "crack", "stain", "foreign body", "missing part", "deformation", "other"),
        min_length=1,
        max_length=9,
        description="what the keys 1 to 9 mean",
    )
    shifts: dict[Label, TimeOfDay] = Field(
        default={"early": "06:00", "late": "14:00", "night": "22:00"},
        min_length=1,
        max_length=12,
        description="when each shift begins, local time",
    )
    time_zone: str | None = Field(
        default=None, description="of the plant, as in Europe/Berlin; by default the machine's"
    )

    @model_validator(mode="after")
    def _guarded(self) -> "ReviewSettings":
        _check_pair(self.cert_file, self.key_file)
        if not (is_loopback(self.host) or self.cert_file or self.behind_tls_proxy):
            raise ValueError(
                f"host: got {self.host} without TLS, expected 127.0.0.1, cert_file and key_file, "
                "or behind_tls_proxy: true"
            )
        if len(set(self.defect_types)) != len(self.defect_types):
            raise ValueError("defect_types: one is listed twice, expected each once")
        if len(set(self.shifts.values())) != len(self.shifts):
            raise ValueError("shifts: two begin at the same time, expected different times")
        if self.time_zone is not None:
            try:
                ZoneInfo(self.time_zone)
            except (
                ZoneInfoNotFoundError,
                ValueError,
                OSError,
            ) as error:  # OSError: half a name, as Europe, is a folder
                raise ValueError(f"time_zone: got {self.time_zone!r}, expected a name as in Europe/Berlin") from error
        return self

    @property
    def zone(self) -> tzinfo:
        """The plant's time zone."""
        return _own_zone() if self.time_zone is None else ZoneInfo(self.time_zone)

    @property
    def secure(self) -> bool:
        """Whether browsers reach the page by TLS."""
        return self.cert_file is not None or self.behind_tls_proxy

    def shift_of(self, moment: datetime) -> str:
        """The shift at an aware moment: the one that began last, by the plant's clock."""
        clock = moment.astimezone(self.zone).strftime("%H:%M")
        begun = [(begins, name) for name, begins in self.shifts.items() if begins <= clock]
        return max(begun or [(begins, name) for name, begins in self.shifts.items()])[1]


@cache
def _own_zone() -> tzinfo:
    """The machine's, with its summer times; UTC where it names none."""
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def _check_pair(cert_file: Path | None, key_file: Path | None) -> None:
    if (cert_file is None) != (key_file is None):
        raise ValueError("got one of cert_file and key_file, expected both or none")


def is_loopback(host: str) -> bool:
    """Whether a name or address stands for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class QueueSettings(_Section):
    """What happens when frames come faster than they are inspected."""

    policy: Literal["every_frame", "freshest"] = Field(
        default="every_frame",
        description="every_frame: frames wait at the broker, none is dropped; freshest: the oldest is dropped",
    )
    capacity: int = Field(default=64, ge=1, le=10_000, description="frames that wait, at most")


class StationSettings(_Section):
    """One camera position."""

    id: StationField = Field(description="site/area/line/station")
    bank: AnyPath = Field(description="folder of the memory bank that inspects its frames")
    queue: QueueSettings = QueueSettings()
    heatmap: bool = Field(default=False, description="publish the anomaly map of each frame as PNG")


class QuarantineSettings(_Section):
    """How much of what could not be inspected is kept below data_dir/quarantine; the oldest goes first."""

    max_mb: int = Field(default=512, ge=1, description="megabytes")
    max_files: int = Field(default=10_000, ge=1)


class RetentionSettings(_Section):
    """How long frames stay, in days; and how much, whatever their age."""

    records_days: Days = Field(default=90, description="frames that nobody was asked about: ok, errors, drops")
    unreviewed_days: Days = Field(default=180, description="frames that wait for an operator, with their pictures")
    reviewed_days: Days = Field(default=365, description="decided frames with their pictures, except defects")
    defects_days: Days | None = Field(default=None, description="confirmed defects; for ever when null")
    max_gb: float = Field(
        default=50, gt=0, le=1e9, description="pictures; the oldest decided ones go first, never defects"
    )
    max_records: int = Field(
        default=10_000_000, ge=1000, description="rows of the ledger; the oldest that nobody was asked about go first"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "RetentionSettings":
        if self.unreviewed_days < self.records_days:
            raise ValueError(
                f"unreviewed_days: got {self.unreviewed_days:g}, expected at least records_days ({self.records_days:g})"
            )
        if self.defects_days is not None and self.defects_days < self.reviewed_days:
            raise ValueError(
                f"defects_days: got {self.defects_days:g}, expected at least reviewed_days ({self.reviewed_days:g})"
            )
        return self


class Settings(_Section):
    """All settings of the daemon."""

    instance: str = Field(
        default="main", pattern=_INSTANCE, description="unique at the broker; names the sessions there"
    )
    broker: BrokerSettings = BrokerSettings()
    data_dir: AnyPath = Field(description="ledger, outbox, pictures, quarantine")
    database: DatabaseUrl | None = Field(default=None, description="SQLAlchemy URL; SQLite when not set")
    metrics: MetricsSettings = MetricsSettings()
    stations: tuple[StationSettings, ...] = Field(min_length=1)
    report_unknown_stations: bool = Field(
        default=True,
        description="answer frames of stations that are not listed; false where daemons share a broker",
    )
    quarantine: QuarantineSettings = QuarantineSettings()
    review: ReviewSettings = ReviewSettings()
    retention: RetentionSettings = RetentionSettings()
    max_pixels: int = Field(
        default=64_000_000,
        ge=1,
        le=64_000_000,
        description="larger frames are refused as soon as their header is read; calibration takes none above 64 MP",
    )
    engine: str = Field(default="auto", min_length=1, description="auto, openvino, torch, torch:cpu or torch:cuda")

    @model_validator(mode="after")
    def _distinct(self) -> "Settings":
        seen: set[StationId] = set()
        for station in self.stations:
            if station.id in seen:
                raise ValueError(f"stations: {station.id} is listed twice")
            seen.add(station.id)
        return self

    @property
    def database_url(self) -> str:
        """The ledger's SQLAlchemy URL."""
        return self.database or f"sqlite:///{self.data_dir / 'ledger.sqlite3'}"

    @property
    def one_port_for_two(self) -> bool:
        """Whether metrics and the review page would listen on the same port, so that one of them cannot."""
        hosts = {self.metrics.host, self.review.host}
        meet = len(hosts) == 1 or hosts & {"0.0.0.0", "::"}
        return bool(self.review.enabled and self.metrics.port == self.review.port != 0 and meet)

    @property
    def station_names(self) -> list[str]:
        """The ids of the stations as text, in order."""
        return [str(station.id) for station in self.stations]

    def station(self, name: str) -> StationSettings:
        """The station with this id.

        Raises:
            UsageError: it is not in the settings.
        """
        for station in self.stations:
            if str(station.id) == name:
                return station
        known = ", ".join(self.station_names)
        raise UsageError(f"station {name[:260]!r}: is not in the settings, expected one of {known}")

    def stations_at(self, bank: Path) -> list[str]:
        """The ids of the stations whose bank is in this folder."""
        return [str(station.id) for station in self.stations if station.bank.resolve() == bank.resolve()]


@dataclass(frozen=True, slots=True)
class Origins:
    """The settings, and where they come from.

    variables: of the environment, by the key that they set. strangers: those that begin like ours and set nothing.
    """

    settings: Settings
    variables: Mapping[tuple[str | int, ...], str]
    strangers: tuple[str, ...]


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks a configuration file; variables of the environment (the process's own) win over it.

    Raises:
        SettingsError: the file is missing, is no YAML, or it or a variable says something that cannot be.
    """
    return trace(path, environment).settings


def trace(path: Path, environment: Mapping[str, str] | None = None) -> Origins:
    """As `load`, and tells where values come from.

    Raises:
        SettingsError: as `load`; its `mistakes` lists each.
    """
    root, content = _read(path)
    overrides, strangers = collect(os.environ if environment is None else environment, Settings.model_fields)
    settings = _validated(path, root, content, overrides)
    return Origins(settings, {one.loc: one.variable for one in overrides}, tuple(strangers))


def _read(path: Path) -> tuple[yaml.MappingNode, dict[Any, Any]]:
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: no such file, expected a configuration in YAML") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    except unreadable_yaml.FAULTS as error:
        raise SettingsError(f"{path}: not valid YAML: {unreadable_yaml.why(error)}") from error
    if not isinstance(root, yaml.MappingNode):
        got = "nothing" if content is None else type(content).__name__
        raise SettingsError(f"{path}: got {got}, expected keys and values")
    mistakes.refuse_repeated_keys(path, root)
    return root, content


def _without_consequences(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short only because what is in them is wrong."""
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(other["loc"][: len(problem["loc"])] == problem["loc"] for other in problems if other is not problem)
    ]


def _validated(
    path: Path, root: yaml.Node, content: dict[Any, Any], overrides: Sequence[Override], *, again: bool = True
) -> Settings:
    try:
        return Settings.model_validate(apply(content, overrides), context={"base": path.absolute().parent})
    except ValidationError as error:
        problems = _without_consequences(error.errors(include_url=False))
        texts = {place(problem) for problem in problems if problem["type"] == "string_type"}
        if again and any(one.loc in texts for one in overrides):
            literal = [one.as_text() if one.loc in texts else one for one in overrides]
            return _validated(path, root, content, literal, again=False)
        told = tuple(mistakes.locate(path, root, problem, overrides, Settings) for problem in problems)
        raise SettingsMistakesError(told) from error
