"""Shifts by the plant's clock, over midnight and over the change of clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from inspector.review.shifts import spans
from inspector.settings import ReviewSettings

BERLIN = ZoneInfo("Europe/Berlin")
EIGHT = {"early": "06:00", "late": "14:00", "night": "22:00"}


def local(*moment: int) -> datetime:
    return datetime(*moment, tzinfo=BERLIN)  # type: ignore[arg-type, misc]


def test_a_day_from_midnight_on_has_four_spans_of_which_two_are_cut() -> None:
    found = spans(local(2026, 3, 2), local(2026, 3, 3), EIGHT, BERLIN)
    assert [(s.shift, s.day.day, s.whole) for s in found] == [
        ("night", 1, 0.75),
        ("early", 2, 1.0),
        ("late", 2, 1.0),
        ("night", 2, 0.25),
    ]
    assert found[0].begin == local(2026, 3, 2)
    assert found[-1].end == local(2026, 3, 3)


def test_the_night_in_which_clocks_change_is_an_hour_shorter_or_longer() -> None:
    (spring,) = spans(local(2026, 3, 28, 22), local(2026, 3, 29, 6), EIGHT, BERLIN)
    (autumn,) = spans(local(2026, 10, 24, 22), local(2026, 10, 25, 6), EIGHT, BERLIN)
    hours = [(s.end.astimezone(UTC) - s.begin.astimezone(UTC)) / timedelta(hours=1) for s in (spring, autumn)]
    assert hours == [7, 9]


def test_one_shift_alone() -> None:
    found = spans(local(2026, 3, 2), local(2026, 3, 5), EIGHT, BERLIN, only="late")
    assert [(s.shift, s.day) for s in found] == [("late", date(2026, 3, day)) for day in (2, 3, 4)]
    assert spans(local(2026, 3, 2), local(2026, 3, 5), EIGHT, BERLIN, only="lunch") == ()


def test_one_shift_that_lasts_all_day() -> None:
    found = spans(local(2026, 3, 2, 7), local(2026, 3, 4, 7), {"day": "07:00"}, BERLIN)
    assert [(s.day.day, s.whole) for s in found] == [(2, 1.0), (3, 1.0)]


@given(
    begin=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    hours=st.integers(1, 24 * 20),
    at=st.floats(0, 1),
)
def test_they_leave_no_gap_and_agree_with_the_settings(begin: datetime, hours: int, at: float) -> None:
    until = begin + timedelta(hours=hours)
    found = spans(begin, until, EIGHT, BERLIN)
    assert (found[0].begin, found[-1].end) == (begin, until)
    assert all(a.end == b.begin for a, b in pairwise(found))
    moment = begin + at * (until - begin) * 0.999
    (inside,) = (s for s in found if s.begin <= moment < s.end)
    assert inside.shift == ReviewSettings(time_zone="Europe/Berlin").shift_of(moment)
