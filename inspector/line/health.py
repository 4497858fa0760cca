"""Liveness and readiness, as named conditions."""

import logging
import threading

log = logging.getLogger(__name__)


class Health:
    """Named conditions; ready when none has a fault, alive until `fail`. Safe from any thread.

    Warnings are what a person should see to while frames are inspected and verdicts get out all the same.
    """

    def __init__(self, *conditions: str) -> None:
        self._lock = threading.Lock()
        self._faults: dict[str, str | None] = dict.fromkeys(conditions, "starting")
        self._warnings: dict[str, str] = {}
        self._failed: str | None = None

    def set(self, condition: str, fault: str | None) -> None:
        """A condition holds (None) or has a fault, in words."""
        with self._lock:
            before = self._faults.get(condition)
            self._faults[condition] = fault
        if fault != before:
            level = logging.INFO if fault is None or before == "starting" else logging.WARNING
            log.log(level, "condition", extra={"condition": condition, "fault": fault})

    def warn(self, about: str, warning: str | None) -> None:
        """A warning, in words; None when all is well again."""
        with self._lock:
            before = self._warnings.pop(about, None)
            if warning is not None:
                self._warnings[about] = warning
        if warning != before:
            level = logging.INFO if warning is None else logging.WARNING
            log.log(level, "warning", extra={"about": about, "warning": warning})

    def fail(self, fault: str) -> None:
        """The process cannot go on; a supervisor should start it anew."""
        with self._lock:
            self._failed = fault

    @property
    def alive(self) -> bool:
        """Whether the process can go on."""
        return self._failed is None

    @property
    def ready(self) -> bool:
        """Whether frames are inspected and verdicts get out."""
        return self.alive and not self.faults()

    def warnings(self) -> dict[str, str]:
        """The warnings, by what they are about."""
        with self._lock:
            return dict(sorted(self._warnings.items()))

    def faults(self) -> dict[str, str]:
        """What is wrong, by condition."""
        with self._lock:
            wrong = {name: fault for name, fault in self._faults.items() if fault is not None}
            return wrong if self._failed is None else {**wrong, "process": self._failed}
