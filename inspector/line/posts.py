"""What runs at each station, and the change from one bank to the next while the line goes on."""

import logging
from collections.abc import Callable
from pathlib import Path

from inspector.line.bank_watch import UNUSABLE, BankWatch, why_unusable
from inspector.line.drift_watch import DriftWatch
from inspector.line.health import Health
from inspector.line.metrics import Metrics
from inspector.line.outcome import Post
from inspector.manifest import is_bank_there
from inspector.pipeline import Pipeline
from inspector.settings import Settings, StationSettings
from inspector.types import StationId

log = logging.getLogger(__name__)


class Posts:
    """The post of each station that has a bank.

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

        A station whose bank cannot be used waits for one that can, and the others go on.

        Raises:
            BankError, EngineError: there are banks, and none of them can be used.
        """
        pipelines: dict[Path, Pipeline] = {}
        faults: dict[Path, Exception] = {}
        for folder in dict.fromkeys(station.bank for station in self._settings.stations):
            try:
                pipelines[folder] = self._pipeline(folder)
            except UNUSABLE as error:
                faults[folder] = error
        if not pipelines and (there := [fault for folder, fault in faults.items() if is_bank_there(folder)]):
            raise there[0]
        for station in self._settings.stations:
            self._metrics.queue_capacity.labels(str(station.id)).set(station.queue.capacity)
            if station.bank in pipelines:
                self._begin(station, pipelines[station.bank])
            else:
                self._health.set(_condition(station), why_unusable(faults[station.bank]))
        return BankWatch(
            {folder: pipeline.bank.ref.digest for folder, pipeline in pipelines.items()} | dict.fromkeys(faults, ""),
            open_bank=self._pipeline,
            hand_over=self._hand_over,
            refuse=self._refuse,
            on_fault=on_fault,
        )

    def told(self) -> list[dict[str, str | None]]:
        """What each station runs, as `/info` has it; None where it has no bank."""
        posts = [(str(station.id), self.running.get(station.id)) for station in self._settings.stations]
        return [
            {
                "id": name,
                "recipe": None if post is None else post.recipe,
                "bank": None if post is None else post.bank.id,
                "digest": None if post is None else post.bank.digest,
            }
            for name, post in posts
        ]

    def _pipeline(self, folder: Path) -> Pipeline:
        return Pipeline.open(folder, max_pixels=self._settings.max_pixels, engine=self._settings.engine)

    def _begin(self, station: StationSettings, pipeline: Pipeline) -> None:
        """From the next frame on, the station is inspected by this bank."""
        bank = pipeline.bank
        post = Post(pipeline, bank.ref, bank.thresholds, bank.recipe.name, heatmap=station.heatmap, drift=bank.drift)
        self.running[station.id] = post
        self._drift.begin(station.id, post)
        self._metrics.station_runs(str(station.id), bank.ref, recipe=bank.recipe.name, policy=station.queue.policy)
        self._health.set(_condition(station), None)

    def _hand_over(self, folder: Path, pipeline: Pipeline) -> None:
        """Another bank lies in the folder, and works."""
        for station in self._of(folder):
            before = self.running.get(station.id)
            self._begin(station, pipeline)
            self._metrics.bank_changes.labels(str(station.id), "taken_over").inc()
            after = pipeline.bank.ref
            log.info(
                "bank taken over",
                extra={
                    "station": str(station.id),
                    "bank": after.id,
                    "digest": after.digest,
                    "before": None if before is None else before.bank.digest,
                },
            )

    def _refuse(self, folder: Path, fault: str | None) -> None:
        """What lies in the folder is not taken, and the bank that runs, if one does, goes on; or all is well again."""
        for station in self._of(folder):
            name = str(station.id)
            if station.id in self.running:
                self._health.warn(_condition(station), None if fault is None else f"not taken over: {fault}")
            else:
                self._health.set(_condition(station), fault)
            self._metrics.bank_refused.labels(name).set(fault is not None)
            if fault is not None:
                self._metrics.bank_changes.labels(name, "refused").inc()

    def _of(self, folder: Path) -> list[StationSettings]:
        return [station for station in self._settings.stations if station.bank == folder]


def _condition(station: StationSettings) -> str:
    return f"bank {station.id}"
