"""The settings: in a YAML file and the environment, and what is wrong in them."""

from inspector.settings.file import Origins, load, trace
from inspector.settings.sections import (
    BrokerSettings,
    MetricsSettings,
    QuarantineSettings,
    QueueSettings,
    RetentionSettings,
    ReviewSettings,
    StationSettings,
    TlsSettings,
    address_of,
    is_loopback,
)
from inspector.settings.settings import Settings

__all__ = [
    "BrokerSettings",
    "MetricsSettings",
    "Origins",
    "QuarantineSettings",
    "QueueSettings",
    "RetentionSettings",
    "ReviewSettings",
    "Settings",
    "StationSettings",
    "TlsSettings",
    "address_of",
    "is_loopback",
    "load",
    "trace",
]
