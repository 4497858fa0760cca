"""The exact interval: against scipy's beta distribution, and by what it is for, its coverage."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from inspector.review.intervals import CONFIDENCE, beta_cdf, lower, rate, upper

TAIL = (1 - CONFIDENCE) / 2


@given(of=st.integers(1, 2_000_000), share=st.floats(0, 1))
def test_the_interval_is_that_of_the_beta_distribution(of: int, share: float) -> None:
    count = round(share * of)
    if count:
        assert lower(count, of) == pytest.approx(beta.ppf(TAIL, count, of - count + 1), rel=1e-6)
    if count < of:
        assert upper(count, of) == pytest.approx(beta.ppf(1 - TAIL, count + 1, of - count), rel=1e-6)


@given(x=st.floats(0, 1), a=st.floats(0.5, 1e5), b=st.floats(0.5, 1e5))
def test_the_incomplete_beta_function_is_scipys(x: float, a: float, b: float) -> None:
    assert beta_cdf(x, a, b) == pytest.approx(beta.cdf(x, a, b), rel=1e-6, abs=1e-12)


def test_nothing_seen_says_nothing() -> None:
    assert (rate(0, 0).low, rate(0, 0).high, rate(0, 0).value) == (0.0, 1.0, None)


def test_none_of_n_has_the_well_known_bound() -> None:
    assert rate(0, 100).low == 0.0
    assert rate(0, 100).high == pytest.approx(1 - TAIL ** (1 / 100))
    assert rate(100, 100).high == 1.0
    assert rate(100, 100).low == pytest.approx(TAIL ** (1 / 100))


@pytest.mark.parametrize("true", [0.001, 0.004, 0.02, 0.3])
@pytest.mark.parametrize("of", [50, 400])
def test_it_covers_the_true_rate_at_least_as_often_as_it_says(true: float, of: int) -> None:
    covered = sum(
        float(binom.pmf(count, of, true)) for count in range(of + 1) if lower(count, of) <= true <= upper(count, of)
    )
    assert covered >= CONFIDENCE - 1e-9


@pytest.mark.parametrize(("count", "of"), [(-1, 5), (6, 5)])
def test_a_count_that_cannot_be_is_refused(count: int, of: int) -> None:
    with pytest.raises(ValueError, match=f"got {count} of {of}"):
        rate(count, of)


def test_more_frames_narrow_it() -> None:
    widths = [rate(n // 100, n).high - rate(n // 100, n).low for n in (100, 1_000, 10_000, 100_000)]
    assert widths == sorted(widths, reverse=True)
    assert all(map(math.isfinite, widths))
