"""How long frames wait."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inspector.review.waiting import waiting


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_quantiles_and_steps(seconds: list[float]) -> None:
    found = waiting(seconds)
    assert found.median_s == np.quantile(seconds, 0.5, method="inverted_cdf")
    assert found.p90_s == np.quantile(seconds, 0.9, method="inverted_cdf")
    assert sum(number for _, number in found.steps) == found.frames == len(seconds)


def test_each_step_begins_with_its_bound() -> None:
    found = dict(waiting([0, 59.9, 60, 299, 300, 86_400]).steps)
    assert {name: number for name, number in found.items() if number} == {
        "under 1 min": 2,
        "1 to 5 min": 2,
        "5 to 15 min": 1,
        "over 24 h": 1,
    }


def test_nothing_decided_has_no_median() -> None:
    assert (waiting([]).median_s, waiting([]).p90_s, waiting([]).frames) == (None, None, 0)
