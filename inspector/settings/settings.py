"""All settings of the daemon, as one frozen value."""

from pathlib import Path
from typing import Final

from pydantic import Field, model_validator

from inspector.errors import UsageError
from inspector.settings.fields import AnyPath, DatabaseUrl
from inspector.settings.sections import (
    BrokerSettings,
    MetricsSettings,
    QuarantineSettings,
    RetentionSettings,
    ReviewSettings,
    Section,
    StationSettings,
)
from inspector.types import StationId

LEDGER: Final = "ledger.sqlite3"
FRAMES: Final = "frames"
"""Within data_dir."""

_INSTANCE = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class Settings(Section):
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
        return self.database or f"sqlite:///{self.ledger_file}"

    @property
    def ledger_file(self) -> Path:
        """Where the ledger is, unless `database` names another one."""
        return self.data_dir / LEDGER

    @property
    def frames_dir(self) -> Path:
        """Where the pictures are archived."""
        return self.data_dir / FRAMES

    @property
    def daemon_lock(self) -> Path:
        """What a daemon locks as long as it runs."""
        return self.data_dir / "daemon.lock"

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

    @property
    def cameras(self) -> dict[str, list[StationSettings]]:
        """The stations of each camera: one, or a station for each of the products that it sees by turns."""
        found: dict[str, list[StationSettings]] = {}
        for station in self.stations:
            found.setdefault(station.camera_name, []).append(station)
        return found

    def beside(self, station: StationSettings) -> list[str]:
        """The ids of the other stations at its camera."""
        return [str(one.id) for one in self.cameras[station.camera_name] if one.id != station.id]

    def sharing(self, name: str) -> list[str]:
        """The ids of the other stations whose bank is in the same folder as that of this one.

        Raises:
            UsageError: it is not in the settings.
        """
        return [one for one in self.stations_at(self.station(name).bank) if one != name]

    def stations_at(self, bank: Path) -> list[str]:
        """The ids of the stations whose bank is in this folder."""
        return self.banks.get(bank.resolve(), [])

    @property
    def banks(self) -> dict[Path, list[str]]:
        """The folders of banks, as links lead to them now, each with the ids of its stations."""
        found: dict[Path, list[str]] = {}
        for station in self.stations:
            found.setdefault(station.bank.resolve(), []).append(str(station.id))
        return found
