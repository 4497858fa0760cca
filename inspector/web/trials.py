"""What the page of thresholds stands on: the bank in use and the recorded frames, kept for a short while so that a
drag over the chart asks the database once.
"""

import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from inspector.bank import Bank
from inspector.errors import BankError
from inspector.manifest import Promise
from inspector.review.preview import Scores, ScoresSeen, ascending
from inspector.review.shifts import spans
from inspector.settings import ReviewSettings, Settings, StationSettings
from inspector.store import Recorded, RecordedScores
from inspector.types import BankRef, Thresholds
from inspector.web.bank_readings import BankReadings

NEWEST = 20_000
"""Of so many ok frames of each station at most the scores are looked at."""

BACK = timedelta(days=31)

_LASTS_S = 20.0


@dataclass(frozen=True, slots=True)
class InUse:
    """The bank in a station's folder, as far as thresholds are concerned."""

    ref: BankRef
    name: str
    thresholds: Thresholds
    promise: Promise
    normals: Scores


@dataclass(frozen=True, slots=True)
class Trial:
    """sharing: how many stations have the bank; seen, begin and elsewhere are of all of them, as other thresholds are
    for all. begin: of the recorded frames, None without any. elsewhere: known defects that other banks scored.
    """

    station: str
    sharing: int
    bank: InUse
    seen: ScoresSeen
    begin: datetime | None
    elsewhere: int


class Trials:
    """Reads banks and ledger. Threads may share it."""

    def __init__(self, settings: Settings, scores: RecordedScores) -> None:
        self._settings = settings
        self._scores = scores
        self._kept: dict[str, tuple[float, Trial]] = {}
        self._banks = BankReadings(_read)

    def trial(self, station: str) -> Trial:
        """Of a configured station; at most some seconds old, and of the bank that is in use now.

        Raises:
            UsageError: the settings do not know the station.
            BankError: its bank cannot be read.
            StoreError: the database cannot be read.
        """
        bank = self._in_use(self._settings.station(station))
        known = self._kept.get(station)
        if known is not None and known[1].bank.ref == bank.ref and time.monotonic() - known[0] < _LASTS_S:
            return known[1]
        trial = self._look(station, bank)
        self._kept[station] = time.monotonic(), trial
        return trial

    def _in_use(self, station: StationSettings) -> InUse:
        found = self._banks.of(station.bank)
        if found is None:
            raise BankError(f"bank {station.bank}: is not there; expected the bank of {station.id}")
        return found

    def _look(self, station: str, bank: InUse) -> Trial:
        now = datetime.now(UTC)
        sharing = self._settings.stations_at(self._settings.station(station).bank)
        recorded = [self._scores.of(one, bank.ref.id, since=now - BACK, most=NEWEST) for one in sharing]
        seen = ScoresSeen(
            bank.normals,
            _together(one.ok for one in recorded),
            _together(one.false_alarm for one in recorded),
            _together(one.waiting for one in recorded),
            _together(one.defect for one in recorded),
            sum(_shifts(one, now, self._settings.review) for one in recorded),
        )
        begin = min((one.begin for one in recorded if one.begin is not None), default=None)
        return Trial(station, len(sharing), bank, seen, begin, sum(one.elsewhere for one in recorded))


def _shifts(seen: Recorded, now: datetime, review: ReviewSettings) -> float:
    """How many shifts there were in which such frames arrived; one that is not over counts in part."""
    if seen.begin is None:
        return 0.0
    between = spans(seen.begin, max(now, seen.begin + timedelta(seconds=1)), review.shifts, review.zone)
    return sum(
        one.whole for one in between if bisect_left(seen.arrived, one.begin) < bisect_left(seen.arrived, one.end)
    )


def _together(scores: Iterable[Scores]) -> Scores:
    return ascending(np.concatenate(list(scores)))


def _read(path: Path) -> InUse:
    bank = Bank.load(path)
    return InUse(
        bank.ref,
        bank.recipe.name,
        bank.thresholds,
        bank.manifest.calibration.promise,
        ascending(bank.normal_scores),
    )
