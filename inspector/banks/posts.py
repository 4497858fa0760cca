"""What runs at each station, and the change from one bank to the next while the line goes on."""

import logging
from collections.abc import Callable
from pathlib import Path

from inspector.banks.watch import BankWatch
from inspector.drift_watch import DriftWatch
from inspector.health import Health
from inspector.metrics import Metrics
from inspector.pipeline import Pipeline
from inspector.settings import Settings, StationSettings
from inspector.types import StationId
from inspector.worker import Post

log = logging.getLogger(__name__)


class Posts:
    """The post of each station.

    running: by station; the worker reads it for each frame, so a bank that takes over counts from the next one on.
    """

    def __init__(self, settings: Settings, metrics: Metrics, health: Health, drift: DriftWatch) -> None:
        self.running: dict[StationId, Post] = {}
        self._settings = settings
        self._metrics = metrics
        self._health = health
        self._drift = drift

    def open(self, on_fault: Callable[[BaseException], None]) -> BankWatch:
        """Opens the banks, each once. Returns what sees that another lies there; it is to be entered.

        Raises:
            BankError, EngineError: a bank cannot be used.
        """
        pipelines: dict[Path, Pipeline] = {}
        for station in self._settings.stations:
            if station.bank not in pipelines:
                pipelines[station.bank] = self._pipeline(station.bank)
            self._begin(station, pipelines[station.bank])
        return BankWatch(
            {folder: pipeline.bank.ref.digest for folder, pipeline in pipelines.items()},
            open_bank=self._pipeline,
            hand_over=self._hand_over,
            refuse=self._refuse,
            on_fault=on_fault,
        )

    def _pipeline(self, folder: Path) -> Pipeline:
        return Pipeline.open(folder, max_pixels=self._settings.max_pixels, engine=self._settings.engine)

    def _begin(self, station: StationSettings, pipeline: Pipeline) -> None:
        """From the next frame on, the station is inspected by this bank."""
        bank = pipeline.bank
        post = Post(pipeline, bank.ref, bank.thresholds, bank.recipe.name, heatmap=station.heatmap, drift=bank.drift)
        self.running[station.id] = post
        self._drift.begin(station.id, post)
        self._metrics.station_runs(
            str(station.id),
            bank.ref,
            capacity=station.queue.capacity,
            recipe=bank.recipe.name,
            policy=station.queue.policy,
        )

    def _hand_over(self, folder: Path, pipeline: Pipeline) -> None:
        """Another bank lies in the folder, and works."""
        for station in self._of(folder):
            before = self.running[station.id].bank
            self._begin(station, pipeline)
            self._metrics.bank_changes.labels(str(station.id), "taken_over").inc()
            after = pipeline.bank.ref
            log.info(
                "bank taken over",
                extra={"station": str(station.id), "bank": after.id, "digest": after.digest, "before": before.digest},
            )

    def _refuse(self, folder: Path, fault: str | None) -> None:
        """What lies in the folder is not taken, and the bank that runs goes on; or all is well again."""
        for station in self._of(folder):
            name = str(station.id)
            self._health.warn(f"bank {name}", None if fault is None else f"not taken over: {fault}")
            self._metrics.bank_refused.labels(name).set(fault is not None)
            if fault is not None:
                self._metrics.bank_changes.labels(name, "refused").inc()

    def _of(self, folder: Path) -> list[StationSettings]:
        return [station for station in self._settings.stations if station.bank == folder]
