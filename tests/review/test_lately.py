"""What is said of a station at a moment."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from inspector.review.lately import NewestOutcome, StationNow

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


def station(*words: str, every_s: float = 1.0, hour: dict[str, int] | None = None) -> StationNow:
    """Its last frame came a moment ago."""
    at = [NOW - timedelta(seconds=every_s * n) for n in range(len(words), 0, -1)]
    newest = tuple(NewestOutcome(moment, word) for moment, word in zip(at, words, strict=True))
    return StationNow("a/b/c", newest, Counter(hour or {}), 0)


def test_pace_and_silence() -> None:
    running = station("ok", "ok", "ng", "ok", "ok", every_s=2)
    assert running.silent_s(NOW) is None
    assert running.per_minute(NOW) == pytest.approx(60 * 4 / 10)
    later = NOW + timedelta(minutes=3)
    assert running.silent_s(later) == 182
    assert running.per_minute(later) is None


def test_a_station_without_frames_says_nothing() -> None:
    empty = station()
    assert (empty.last, empty.silent_s(NOW), empty.per_minute(NOW), empty.not_ok) == (None, None, None, [])
    assert station("ok").per_minute(NOW) is None


def test_only_what_there_was_is_said() -> None:
    found = station("ok", "ng", "error", hour={"ok": 95, "ng": 4, "uncertain": 1, "error": 1200})
    assert found.not_ok == [("ng", "4 %"), ("uncertain", "1 %"), ("error", "1\u202f200")]
    assert found.counts == [("ok", 1), ("ng", 1), ("error", 1)]
    assert station("ok", hour={"ok": 7}).not_ok == []
    assert station("error", hour={"error": 2}).not_ok == [("error", "2")]
