"""What the daemon says of itself on its own topics: what it is, and how it is."""

import socket
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from inspector import __version__, contract
from inspector.line.drift_watch import DriftWatch
from inspector.line.health import Health
from inspector.line.intake import Intake
from inspector.line.posts import Posts


class SelfReport:
    """Documents for JSON. protocol: spoken to the broker."""

    def __init__(
        self,
        instance: str,
        posts: Posts,
        health: Health,
        drift: DriftWatch,
        intake: Intake,
        *,
        protocol: Callable[[], str | None],
    ) -> None:
        self._instance = instance
        self._posts = posts
        self._health = health
        self._drift = drift
        self._intake = intake
        self._protocol = protocol
        self._started_at = datetime.now(UTC)

    def info(self) -> dict[str, Any]:
        """Who it is: version, machine, what each station runs."""
        return {
            "version": __version__,
            "instance": self._instance,
            "host": socket.gethostname(),
            "protocol": self._protocol(),
            "started_at": contract.timestamp(self._started_at),
            "stations": self._posts.told(),
        }

    def state(self) -> dict[str, Any]:
        """How it is now: faults and warnings, queues, drift."""
        return {
            "alive": self._health.alive,
            "ready": self._health.ready,
            "faults": self._health.faults(),
            "warnings": self._health.warnings(),
            "queues": {str(station): waiting for station, waiting in self._intake.depths().items()},
            "drift": self._drift.moved(),
        }

    @staticmethod
    def ping() -> dict[str, Any]:
        """That it is there, and its time."""
        return {"at": contract.timestamp(datetime.now(UTC))}
