"""What Prometheus sees. One process, its own registry, every series at zero from the start.

Labels are bounded by the configuration (stations, banks) and by the reasons in inspector.errors.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from inspector import __version__
from inspector.errors import UnknownStationError, frame_error_reasons
from inspector.line.collectors import Certificates, Disk, Drift, Queues
from inspector.line.outcome import Outcome
from inspector.line.settlement import Settled
from inspector.types import BankRef, Decision, Drop, Expected, Inspection

UNKNOWN_STATION = "_unknown"
_REJECT_REASONS = tuple(reason for reason in frame_error_reasons() if reason != UnknownStationError.reason)
REVIEW_OUTCOMES = ("defect", "escape", "false_alarm", "undone", "unsure")
DECISIONS = (Decision.OK, Decision.NG, Decision.UNCERTAIN)
CHECK_RESULTS = ("passed", "failed")

BANK_OUTCOMES = ("taken_over", "refused")

_LATENCY_BUCKETS = (0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
_STAGE_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 1)
_RATIO_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.05, 1.1, 1.25, 1.5, 2, 3, 5, 10)

_Series = TypeVar("_Series", bound=MetricWrapperBase)


class Metrics:
    """All series of the daemon."""

    def __init__(self, stations: Sequence[str], stages: Sequence[str]) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._infos: dict[tuple[Gauge, str], tuple[str, str, str]] = {}
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)

        everywhere = (*stations, UNKNOWN_STATION)
        self.received = self._counter("frames_received", "Frames that arrived.", station=everywhere)
        self.dropped = self._counter("frames_dropped", "Frames left undecided.", station=stations, reason=tuple(Drop))
        self.rejected = self._counter(
            "frames_rejected", "Frames that could not be inspected.", station=stations, reason=_REJECT_REASONS
        )
        self.rejected.labels(UNKNOWN_STATION, UnknownStationError.reason)
        self.verdicts = self._counter("verdicts", "Frames decided.", station=stations, decision=DECISIONS)
        self.checks = self._counter(
            "checks",
            "Check parts, by what they are known to be and whether the station told it.",
            station=stations,
            expected=tuple(Expected),
            result=CHECK_RESULTS,
        )
        self.last_check = self._gauge(
            "check_timestamp_seconds",
            "When the last check part was decided, by whether the station told what it is; 0: none since the start.",
            station=stations,
            result=CHECK_RESULTS,
        )
        self.explained = self._counter(
            "drift_explained",
            "Frames that are uncertain instead of ng, as drift alone explains their score.",
            station=stations,
        )
        self.gaps = self._counter("sequence_gaps", "Frames missing between sequence numbers.", station=stations)
        self.repeated = self._counter(
            "frames_repeated", "Frames whose picture is that of the frame before, to the byte.", station=stations
        )
        self.future = self._counter("frames_from_future", "Frames captured after they arrived.", station=stations)
        self.latency = self._histogram(
            "frame_latency_seconds",
            "From the arrival of a frame to its durable outcome.",
            _LATENCY_BUCKETS,
            station=stations,
        )
        self.score_ratio = self._histogram(
            "score_ratio",
            "Image score over the ng threshold; of production, not of check parts.",
            _RATIO_BUCKETS,
            station=stations,
        )
        self.stage_duration = self._histogram(
            "stage_duration_seconds", "Time spent in a stage of the pipeline.", _STAGE_BUCKETS, stage=stages
        )
        self.last_frame = self._gauge(
            "last_frame_timestamp_seconds", "When the last frame of its camera arrived.", station=stations
        )
        self.clock_skew = self._gauge(
            "clock_skew_seconds",
            "Capture time minus arrival time of the last frame that says when it was captured.",
            station=stations,
        )
        self.queue_capacity = self._gauge("queue_capacity", "Frames that may wait.", station=stations)
        self.broker_connected = self._gauge("broker_connected", "1 while all connections to the broker are up.")
        self.outbox_depth = self._gauge("outbox_depth", "Messages the broker has not confirmed.")
        self.outbox_held = self._gauge("outbox_held", "Messages of the outbox that are larger than the broker takes.")
        self.quarantine_bytes = self._gauge("quarantine_bytes", "Bytes kept in quarantine.")
        self.archive_bytes = self._gauge("archive_bytes", "Bytes of pictures kept for review.")
        self.archive_limit = self._gauge("archive_limit_bytes", "Bytes of pictures above which none is kept.")
        self.archive_failures = self._counter(
            "archive_failures", "Frames for review whose picture could not be kept.", station=stations
        )
        self.backlog = self._gauge("review_backlog", "Frames that wait for an operator.", station=stations)
        self.reviews = self._counter(
            "reviews", "What operators said about frames.", station=stations, outcome=REVIEW_OUTCOMES
        )
        self.retained = self._counter("retention_removed", "What retention removed.", kind=("records", "pictures"))
        self.store_failures = self._counter("store_failures", "Commits that failed and were tried again.")
        self.bank_changes = self._counter(
            "bank_changes",
            "Banks that were found in place of the running one.",
            station=stations,
            outcome=BANK_OUTCOMES,
        )
        self.bank_refused = self._gauge(
            "bank_refused",
            "1 while what lies in place of the station's bank, if anything, cannot be used.",
            station=stations,
        )
        self.bank_info = Gauge(
            "inspector_bank_info",
            "The bank that a station runs.",
            ["station", "bank", "digest"],
            registry=self.registry,
        )
        self.station_info = Gauge(
            "inspector_station_info",
            "The recipe of a station, and what happens when its queue is full.",
            ["station", "recipe", "policy"],
            registry=self.registry,
        )
        build = Gauge("inspector_build_info", "The version that runs.", ["version"], registry=self.registry)
        build.labels(__version__).set(1)

    def station_runs(self, station: str, bank: BankRef, *, recipe: str, policy: str) -> None:
        """Tells which bank and recipe a station runs, and by which policy frames wait for it.

        Called again when another bank has taken over: the series of the former one ends.
        """
        for gauge, labels in (
            (self.bank_info, (station, bank.id, bank.digest)),
            (self.station_info, (station, recipe, policy)),
        ):
            if (former := self._infos.get((gauge, station))) is not None:
                gauge.remove(*former)
            self._infos[gauge, station] = labels
            gauge.labels(*labels).set(1)

    def count(self, settled: Settled) -> None:
        """One delivery is settled: exactly one of verdict, error or drop."""
        outcome = settled.outcome
        station = str(outcome.delivery.station)
        if settled.duplicate:
            self.dropped.labels(station, Drop.DUPLICATE).inc()
        elif settled.error is not None:
            self.rejected.labels(station, settled.error.reason).inc()
            self._check(station, Decision.ERROR, outcome)
        elif outcome.inspection is not None:
            self.verdicts.labels(station, outcome.inspection.decision).inc()
            if outcome.inspection.explained:
                self.explained.labels(station).inc()
            self._observe(station, outcome.inspection, outcome)
            self._check(station, outcome.inspection.decision, outcome)
        else:
            self.dropped.labels(station, outcome.dropped).inc()

    def _check(self, station: str, decision: Decision, outcome: Outcome) -> None:
        expected = outcome.delivery.raw.expected
        if expected is not None:
            result = "passed" if expected.met_by(decision) else "failed"
            self.checks.labels(station, expected, result).inc()
            self.last_check.labels(station, result).set(outcome.decided_at.timestamp())

    def _observe(self, station: str, inspection: Inspection, outcome: Outcome) -> None:
        self.latency.labels(station).observe(time.perf_counter() - outcome.delivery.clock)
        known = outcome.delivery.raw.expected is not None  # what the line makes alone has a distribution of scores
        if not known and outcome.post is not None and (ng := outcome.post.thresholds.ng) > 0:
            self.score_ratio.labels(station).observe(inspection.score / ng)
        self.stage_duration.labels("queue").observe(outcome.queue_ms / 1e3)
        for stage, duration_ms in inspection.stage_ms.items():
            self.stage_duration.labels(stage).observe(duration_ms / 1e3)

    def observe_queues(self, depths: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        """Reads (waiting, not yet decided) frames by station whenever Prometheus asks."""
        self.registry.register(Queues(depths))

    def observe_drift(self, figures: Callable[[], Mapping[str, Mapping[str, tuple[float, int]]]]) -> None:
        """Reads (average over limit, number of the state) by station and signal whenever Prometheus asks."""
        self.registry.register(Drift(figures))

    def observe_disk(self, folder: Path) -> None:
        """Reads the size and the free space of a folder's disk whenever Prometheus asks; nothing where it is gone."""
        self.registry.register(Disk(folder))

    def observe_certificates(self, until: Callable[[], Mapping[str, float]]) -> None:
        """Reads until when each certificate is valid, seconds since 1970, whenever Prometheus asks."""
        self.registry.register(Certificates(until))

    def _counter(self, name: str, text: str, **labels: Sequence[str]) -> Counter:
        return _at_zero(Counter(f"inspector_{name}", text, tuple(labels), registry=self.registry), labels)

    def _gauge(self, name: str, text: str, **labels: Sequence[str]) -> Gauge:
        return _at_zero(Gauge(f"inspector_{name}", text, tuple(labels), registry=self.registry), labels)

    def _histogram(self, name: str, text: str, buckets: Sequence[float], **labels: Sequence[str]) -> Histogram:
        series = Histogram(f"inspector_{name}", text, tuple(labels), buckets=buckets, registry=self.registry)
        return _at_zero(series, labels)


def _at_zero(series: _Series, labels: Mapping[str, Sequence[str]]) -> _Series:
    """Each combination of labels is there before anything is counted; without labels it is from the start."""
    if labels:
        for values in product(*labels.values()):
            series.labels(*values)
    return series
