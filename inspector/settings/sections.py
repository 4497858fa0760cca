"""The groups of keys in the configuration, each frozen and checked at birth."""

import ipaddress
import os
from contextlib import suppress
from datetime import UTC, tzinfo
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspector.settings.fields import (
    AnyPath,
    Days,
    FilePath,
    Host,
    Label,
    Protocol,
    SecretPath,
    StationField,
    TimeOfDay,
)


class Section(BaseModel):
    """A group of keys: frozen, and a key that it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class TlsSettings(Section):
    """How the broker is verified, and with which certificate the daemon shows itself."""

    ca_file: FilePath | None = Field(default=None, description="CA of the broker; the system's when not set")
    cert_file: FilePath | None = Field(default=None, description="client certificate")
    key_file: FilePath | None = Field(default=None, description="key of the client certificate")

    @model_validator(mode="after")
    def _paired(self) -> "TlsSettings":
        _check_pair(self.cert_file, self.key_file)
        return self


class BrokerSettings(Section):
    """Where the MQTT broker is, and who the daemon is to it."""

    host: Host = Field(default="127.0.0.1", description="name or address")
    port: int = Field(default=1883, ge=1, le=65535)
    protocol: Protocol = Field(default="auto", description="auto: 5, or 3.1.1 with a broker that knows no 5")
    username: str | None = Field(default=None, min_length=1)
    password_file: SecretPath | None = Field(default=None, description="file that holds the password alone")
    tls: TlsSettings | None = Field(default=None, description="encrypts; {} verifies the broker by the system's CAs")

    @property
    def address(self) -> str:
        """As messages tell it."""
        return address_of(self.host, self.port)

    @model_validator(mode="after")
    def _named(self) -> "BrokerSettings":
        if self.password_file is not None and self.username is None:
            raise ValueError("got password_file without username, expected both or none")
        return self


class MetricsSettings(Section):
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


class ReviewSettings(Section):
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
        default=None, description="of the plant, as in Europe/Berlin; by default that of TZ or the machine's"
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
            except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # OSError: half a name, Europe, is a folder
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


@cache
def _own_zone() -> tzinfo:
    """The one that TZ names, or the machine's, with its summer times; UTC where neither names one."""
    if named := os.environ.get("TZ", "").removeprefix(":"):
        with suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(named)
    try:
        with Path("/etc/localtime").open("rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def _check_pair(cert_file: Path | None, key_file: Path | None) -> None:
    if (cert_file is None) != (key_file is None):
        raise ValueError("got one of cert_file and key_file, expected both or none")


def address_of(host: str, port: int) -> str:
    """host:port, an IPv6 address in brackets, as messages and URLs have it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether a name or address stands for this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


QUEUE_BYTES = 128 * 1024 * 1024
"""What may wait for one station, whatever the capacity in frames."""


class QueueSettings(Section):
    """What happens when frames come faster than they are inspected."""

    policy: Literal["every_frame", "freshest"] = Field(
        default="every_frame",
        description="every_frame: frames wait at the broker, none is dropped; freshest: the oldest is dropped",
    )
    capacity: int = Field(default=64, ge=1, le=10_000, description="frames that wait, at most")


class StationSettings(Section):
    """One camera position, or one of the products that a camera sees by turns."""

    id: StationField = Field(description="site/area/line/station")
    bank: AnyPath = Field(description="folder of the memory bank that inspects its frames")
    camera: str | None = Field(
        default=None,
        min_length=1,
        max_length=260,
        description="shared by stations that are products at one camera, which it sees by turns; the id when not set",
    )
    queue: QueueSettings = QueueSettings()
    heatmap: bool = Field(default=False, description="publish the anomaly map of each frame as PNG")

    @property
    def camera_name(self) -> str:
        """What tells its camera from others."""
        return self.camera or str(self.id)


class QuarantineSettings(Section):
    """How much of what could not be inspected is kept below data_dir/quarantine; the oldest goes first."""

    max_mb: int = Field(default=512, ge=1, description="megabytes")
    max_files: int = Field(default=10_000, ge=1)


class RetentionSettings(Section):
    """How long frames stay, in days; and how much, whatever their age."""

    records_days: Days = Field(
        default=90, description="frames that nobody was asked about: ok, check parts, errors, drops"
    )
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
