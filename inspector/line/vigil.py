"""What is looked at twice a second while the daemon runs: what hangs, what drifts, what is away."""

import logging
from collections.abc import Callable, Sequence, Sized

from inspector.errors import StalledError
from inspector.line.control import Control
from inspector.line.drift_watch import DriftWatch
from inspector.line.health import Health
from inspector.line.metrics import Metrics
from inspector.line.recorder import Recorder
from inspector.line.worker import Worker

log = logging.getLogger(__name__)

BROKER = "broker"
"""The condition of the connection to the broker, and how those of the stations begin."""
STALLED_S = 60.0
"""A frame that is inspected for longer is held by a library that hangs; the slowest known take a second or two."""
COMMIT_S = 10.0
"""A commit that takes longer is told: verdicts wait for it, and a disk or a database that hangs raises no error."""

_COMMIT = "commit"
_HANGS = (
    f"what was decided has been on its way to the disk for more than {COMMIT_S:.0f} s, and verdicts wait for it; does "
    "the disk of the data folder, or the database, hang?"
)
_STALLED = "{frame}: inspected for {got:.0f} s, expected at most {most:.0f} s; a supervisor should start it anew"


class Vigil:
    """Tells what nobody raises: silence, slowness and drift become conditions, warnings and metrics.

    stations: their names. inspected: those that have a bank. on_fault: takes what the daemon must not outlive.
    """

    def __init__(
        self,
        worker: Worker,
        recorder: Recorder,
        control: Control,
        drift: DriftWatch,
        health: Health,
        metrics: Metrics,
        *,
        stations: Sequence[str],
        inspected: Sized,
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._worker = worker
        self._recorder = recorder
        self._control = control
        self._drift = drift
        self._health = health
        self._metrics = metrics
        self._stations = stations
        self._inspected = inspected
        self._on_fault = on_fault
        self._told_ready = False

    def look(self) -> None:
        """Once around everything; takes no time."""
        self._tell_drift()
        self._control.tell()
        away = [name for name in self._health.faults() if name.startswith(BROKER)]
        self._metrics.broker_connected.set(not away)
        self._health.set(_COMMIT, _HANGS if self._recorder.writing_s > COMMIT_S else None)
        if (stalled_s := self._worker.inspecting_s) > STALLED_S:
            self._on_fault(StalledError(_STALLED.format(frame=self._worker.in_hand, got=stalled_s, most=STALLED_S)))
        if self._health.ready and not self._told_ready:
            self._told_ready = True
            log.info("ready", extra={"stations": len(self._inspected)})

    def _tell_drift(self) -> None:
        """Drift is a warning, in words."""
        moved = self._drift.moved()
        for name in self._stations:
            told = [f"{signal} {move['state']}" for signal, move in moved.get(name, {}).items()]
            self._health.warn(f"drift {name}", ", ".join(told) or None)
