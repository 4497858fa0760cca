"""What is read whenever Prometheus asks, instead of counted as it happens."""

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Queues(Collector):
    """How many frames wait at each station, and how many arrived and are not decided."""

    def __init__(self, depths: Callable[[], Mapping[str, tuple[int, int]]]) -> None:
        self._depths = depths

    def collect(self) -> Iterable[Metric]:
        """As in the base class."""
        waiting = GaugeMetricFamily("inspector_queue_depth", "Frames that wait.", labels=["station"])
        undecided = GaugeMetricFamily(
            "inspector_frames_in_flight", "Frames that arrived and have no durable outcome.", labels=["station"]
        )
        for station, (depth, open_frames) in self._depths().items():
            waiting.add_metric([station], depth)
            undecided.add_metric([station], open_frames)
        yield waiting
        yield undecided


class Drift(Collector):
    """How far each signal of the whole picture has moved."""

    def __init__(self, figures: Callable[[], Mapping[str, Mapping[str, tuple[float, int]]]]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """As in the base class."""
        ratio = GaugeMetricFamily(
            "inspector_drift_ratio",
            "Moving average of a signal of the whole picture over its control limit, signed.",
            labels=["station", "signal"],
        )
        state = GaugeMetricFamily("inspector_drift_state", "0 ok, 1 drifting, 2 shifted.", labels=["station", "signal"])
        for station, signals in self._figures().items():
            for signal, (average, number) in signals.items():
                ratio.add_metric([station, signal], average)
                state.add_metric([station, signal], number)
        yield ratio
        yield state


class Certificates(Collector):
    """Until when certificates are valid."""

    def __init__(self, until: Callable[[], Mapping[str, float]]) -> None:
        self._until = until

    def collect(self) -> Iterable[Metric]:
        """As in the base class."""
        ends = GaugeMetricFamily(
            "inspector_certificate_expires_timestamp_seconds",
            "Until when a certificate is valid: of the broker, of the review page, of the daemon as a client.",
            labels=["certificate"],
        )
        for name, until in self._until().items():
            ends.add_metric([name], until)
        yield ends


class Disk(Collector):
    """Size and free space of a folder's disk; nothing where it is gone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterable[Metric]:
        """As in the base class."""
        try:
            usage = shutil.disk_usage(self._folder)
        except OSError:
            return
        yield GaugeMetricFamily("inspector_disk_free_bytes", "Free on the disk of data_dir.", value=usage.free)
        yield GaugeMetricFamily("inspector_disk_size_bytes", "Size of the disk of data_dir.", value=usage.total)
