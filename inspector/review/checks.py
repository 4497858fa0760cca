"""Check parts: known parts that a station was shown, and whether it told them for what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from inspector.types import Decision, Expected

RUN = timedelta(minutes=10)
"""Check parts that came within so long before the newest one belong to the same run of checks."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check part. at: when its frame arrived. decision: `error` where that could not be inspected. reason: of an
    error. score, ng, bank_id, bank_digest: None of an error. ng: the threshold.
    """

    at: datetime
    station: str
    frame_id: str
    part_id: str | None
    lot: str | None
    expected: Expected
    decision: Decision
    reason: str | None = None
    score: float | None = None
    ng: float | None = None
    bank_id: str | None = None
    bank_digest: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the station told it for what it is."""
        return self.expected.met_by(self.decision)

    @property
    def part(self) -> str:
        """What it is called: its part, or where it has none its frame."""
        return self.part_id or self.frame_id


@dataclass(frozen=True, slots=True)
class Run:
    """The check parts of one time at one station, newest first; at least one."""

    checks: Sequence[Check]

    @property
    def at(self) -> datetime:
        """When the newest came."""
        return self.checks[0].at

    @property
    def passed(self) -> int:
        """How many were told for what they are."""
        return sum(one.passed for one in self.checks)

    @property
    def failed(self) -> Check | None:
        """The newest that was not."""
        return next((one for one in self.checks if not one.passed), None)


def newest_run(checks: Sequence[Check]) -> Run | None:
    """Out of the checks of one station, newest first; None without any."""
    return Run([one for one in checks if checks[0].at - one.at <= RUN]) if checks else None
