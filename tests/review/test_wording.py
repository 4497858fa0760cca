"""Numbers as pages in any language show them."""

import pytest

from inspector.review.wording import grouped, pace


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0"), (999, "999"), (3583, "3\u202f583"), (1_234_567, "1\u202f234\u202f567")]
)
def test_no_comma_is_taken_for_a_decimal_point(number: int, said: str) -> None:
    assert grouped(number) == said


@pytest.mark.parametrize(
    ("rate", "said"), [(0.4567, "0.457"), (59.96, "60"), (99.94, "99.9"), (123.4, "123"), (1371.0, "1\u202f371")]
)
def test_a_fast_line_has_a_pace_that_is_read_at_a_glance(rate: float, said: str) -> None:
    assert pace(rate) == said
