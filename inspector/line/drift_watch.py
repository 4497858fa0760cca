"""Watches the pictures of all stations for drift: one chart each, told to metrics, broker and health."""

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from inspector import contract
from inspector.chart import STATES, Chart, Limits, State
from inspector.drift import SIGNALS, Baseline
from inspector.line.outcome import Outcome, Post
from inspector.types import BankRef, StationId

REMIND_FRAMES = 100
"""While a station is not well, its figures are told again after so many frames."""

SURE_FRAMES = 20
"""So many the average needs to reach the limit of `shifted`. The broker may have kept that state from before a start,
which fewer frames do not refute."""


@dataclass(slots=True)
class _Watched:
    """A station, since its present bank took over. exchanged: from another one, since the start."""

    bank: BankRef | None = None
    baseline: Baseline | None = None
    chart: Chart | None = None
    frames: int = 0
    exchanged: bool = False
    changed_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def begin(self, post: Post, now: datetime) -> None:
        self.exchanged = self.bank not in (None, post.bank)
        self.bank, self.baseline, self.frames, self.changed_at = post.bank, post.drift, 0, now
        self.chart = None if post.drift is None else Chart(Limits.of(post.drift))

    @property
    def sure(self) -> bool:
        """Whether there is something to tell: `ok` rests on frames, or is the first word about another bank."""
        if self.bank is None:
            return False
        return self.chart is None or self.exchanged or self.frames >= SURE_FRAMES or not self.chart.well


class DriftWatch:
    """Takes what was inspected, in the order in which it was recorded. Safe from any thread."""

    def __init__(self, stations: Iterable[StationId]) -> None:
        self._lock = threading.Lock()
        self._watched = {station: _Watched() for station in stations}

    def begin(self, station: StationId, post: Post) -> None:
        """A bank takes over at a station; its charts begin anew."""
        with self._lock:
            self._watched[station].begin(post, datetime.now(UTC))

    def take(self, outcome: Outcome) -> None:
        """One frame. What was inspected by a bank that has left meanwhile does not count, nor does a check part."""
        inspection, post = outcome.inspection, outcome.post
        if inspection is None or post is None or inspection.reading is None:
            return
        if outcome.delivery.raw.expected is not None:
            return
        with self._lock:
            watched = self._watched[outcome.delivery.station]
            if watched.chart is None or watched.bank != post.bank:
                return
            watched.frames += 1
            if watched.chart.take(inspection.reading.deviations):
                watched.changed_at = outcome.decided_at

    def figures(self) -> dict[str, dict[str, tuple[float, int]]]:
        """By station and signal: the average over its limit, signed, and the number of the state (0 ok, 1 drifting,
        2 shifted). Stations whose bank has no baseline are at 0.
        """
        with self._lock:
            return {str(station): _figures(watched.chart) for station, watched in self._watched.items()}

    def moved(self) -> dict[str, dict[str, dict[str, object]]]:
        """By station, where one has moved, and signal: state, and in words by how much."""
        with self._lock:
            told = {str(station): _told(watched) for station, watched in self._watched.items()}
        return {station: signals for station, signals in told.items() if signals}

    def documents(self, told: Mapping[str, object]) -> dict[str, tuple[object, bytes]]:
        """By topic, where something is new: a value that changes with what there is to tell, and what `/drift` carries
        now. After a start a station that is well is left out for SURE_FRAMES. told: the values that were told.
        """
        documents: dict[str, tuple[object, bytes]] = {}
        with self._lock:
            for station, watched in self._watched.items():
                topic, news = contract.station_topic(station, "drift"), _news(watched)
                if watched.sure and told.get(topic) != news:
                    documents[topic] = news, _document(station, watched)
        return documents


def _figures(chart: Chart | None) -> dict[str, tuple[float, int]]:
    if chart is None:
        return dict.fromkeys(SIGNALS, (0.0, 0))
    ratios, states = chart.ratios, chart.states
    return {signal: (ratios[signal], STATES.index(states[signal])) for signal in SIGNALS}


def _news(watched: _Watched) -> object:
    if watched.chart is None:
        return watched.bank
    states = tuple(watched.chart.states.values())
    return watched.bank, states, 0 if watched.chart.well else watched.frames // REMIND_FRAMES


def _told(watched: _Watched) -> dict[str, dict[str, object]]:
    if watched.chart is None or watched.baseline is None:
        return {}
    levels = watched.chart.levels
    return {
        signal: {"state": str(state), "change": watched.baseline.change(signal, levels[signal])}
        for signal, state in watched.chart.states.items()
        if state is not State.OK
    }


def _document(station: StationId, watched: _Watched) -> bytes:
    signals: Mapping[str, Mapping[str, object]] = {}
    worst = "unknown"
    if watched.chart is not None and watched.baseline is not None:
        states, ratios, levels = watched.chart.states, watched.chart.ratios, watched.chart.levels
        worst = str(max(states.values(), key=STATES.index))
        signals = {
            signal: {
                "state": str(states[signal]),
                "ratio": round(ratios[signal], 3),
                "change": round(watched.baseline.amount(signal, levels[signal]), 4),
            }
            for signal in SIGNALS
        }
    return contract.drift_json(
        station, state=worst, since=watched.changed_at, frames=watched.frames, bank=watched.bank, signals=signals
    )
