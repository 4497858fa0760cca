"""What a station does now: its newest outcomes, the last hour, what waits. For whoever stands at the line."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from inspector.review.figures import WORDS, inspected
from inspector.review.wording import grouped, share

SHOWN = 60
"""Newest outcomes of a station that are shown."""

SILENT_S = 60.0
"""A station without a frame for so long is said to be silent."""

AHEAD = timedelta(minutes=1)
"""What says that it arrived later than so from now was recorded by a clock that was wrong then, and is not the newest;
the clocks of two machines may differ by less.
"""


@dataclass(frozen=True, slots=True)
class NewestOutcome:
    """What became of one frame. word: ok, uncertain, ng, error or drop. reason: of an error or a drop, else None."""

    at: datetime
    word: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class StationNow:
    """newest: at most SHOWN outcomes, oldest first. hour: frames of the last hour by word. waiting: flagged frames that
    nobody has decided.
    """

    name: str
    newest: tuple[NewestOutcome, ...]
    hour: Counter[str]
    waiting: int

    @property
    def last(self) -> NewestOutcome | None:
        """The newest outcome; None where the ledger has no frame of this station."""
        return self.newest[-1] if self.newest else None

    def silent_s(self, now: datetime) -> float | None:
        """Seconds since the last frame where that is longer than SILENT_S, else None; None without any frame."""
        if self.last is None:
            return None
        since = (now - self.last.at).total_seconds()
        return since if since > SILENT_S else None

    def per_minute(self, now: datetime) -> float | None:
        """Frames a minute, over the newest ones; None where the station is silent or too few have come."""
        if len(self.newest) < 2 or self.silent_s(now) is not None:
            return None
        took = (now - self.newest[0].at).total_seconds()
        return 60 * (len(self.newest) - 1) / took if took > 0 else None

    @property
    def counts(self) -> list[tuple[str, int]]:
        """How many of the newest outcomes are which word, for who cannot see their picture."""
        found = Counter(one.word for one in self.newest)
        return [(word, found[word]) for word in WORDS if found[word]]

    @property
    def not_ok(self) -> list[tuple[str, str]]:
        """What of the last hour was not ok: the word, and its share of the verdicts; of errors and drops the number."""
        verdicts = inspected(self.hour)
        shares = [(word, share(self.hour[word] / verdicts)) for word in ("ng", "uncertain") if self.hour[word]]
        return shares + [(word, grouped(self.hour[word])) for word in ("error", "drop") if self.hour[word]]
