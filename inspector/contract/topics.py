"""Where each message goes."""

from typing import Literal

from inspector.types import StationId

ROOT = "inspector/v1"
ALL_FRAMES = f"{ROOT}/+/+/+/+/frame"


def station_topic(station: StationId, kind: Literal["frame", "verdict", "error", "heatmap", "drift"]) -> str:
    """`inspector/v1/{site}/{area}/{line}/{station}/{kind}`."""
    return f"{ROOT}/{station}/{kind}"


def instance_topic(instance: str, name: str) -> str:
    """`inspector/v1/_inspector/{instance}/{name}`."""
    return f"{ROOT}/_inspector/{instance}/{name}"
