"""Shifts by the plant's clock, over midnight and over the change of clocks."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspector.review.shifts import shift_at, spans

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


@pytest.mark.parametrize(
    ("moment", "shift"),
    [
        ("2026-03-01T05:59+01:00", "night"),
        ("2026-03-01T06:00+01:00", "early"),
        ("2026-03-01T13:59+01:00", "early"),
        ("2026-03-01T14:00+01:00", "late"),
        ("2026-03-01T23:30+01:00", "night"),
    ],
)
def test_a_moment_belongs_to_the_shift_that_began_last(moment: str, shift: str) -> None:
    assert shift_at(datetime.fromisoformat(moment).astimezone(UTC), EIGHT, BERLIN) == shift


@pytest.mark.parametrize(
    ("moment", "shift"),
    [
        ("2026-10-25T02:15+02:00", "night"),
        ("2026-10-25T02:45+02:00", "early"),
        ("2026-10-25T02:15+01:00", "early"),  # the clock has been there before
        ("2026-03-29T01:45+01:00", "night"),
    ],
)
def test_a_shift_that_begins_in_the_hour_of_the_change_begins_once(moment: str, shift: str) -> None:
    starts = {"early": "02:30", "late": "14:00", "night": "22:00"}
    assert shift_at(datetime.fromisoformat(moment).astimezone(UTC), starts, BERLIN) == shift


@given(
    begin=st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)),
    hours=st.integers(1, 24 * 20),
    at=st.floats(0, 1),
)
def test_they_leave_no_gap_and_each_moment_is_in_its_shift(begin: datetime, hours: int, at: float) -> None:
    until = begin + timedelta(hours=hours)
    found = spans(begin, until, EIGHT, BERLIN)
    assert (found[0].begin, found[-1].end) == (begin, until)
    assert all(a.end == b.begin for a, b in pairwise(found))
    moment = begin + at * (until - begin) * 0.999
    (inside,) = (s for s in found if s.begin <= moment < s.end)
    assert inside.shift == shift_at(moment, EIGHT, BERLIN)
