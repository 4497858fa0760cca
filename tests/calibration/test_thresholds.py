"""Thresholds keep what they promise: checked by drawing samples over and over."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from calibration.thresholds import CONFIDENCE, limits, promise_of
from inspector.samples.enough import samples_needed


def draws(count: int, size: int, seed: int) -> np.ndarray:
    """float32 (count, size) of a skewed distribution, as scores are."""
    return np.random.default_rng(seed).gamma(3.0, size=(count, size)).astype(np.float32)


@pytest.mark.parametrize(
    ("samples", "budget"), [(199, 0.005), (250, 0.01), (99, 0.05), (60, 0.1), (19, 0.05), (7, 0.3)]
)
def test_a_new_normal_sample_is_rejected_no_more_often_than_budgeted(samples: int, budget: float) -> None:
    rejected = total = 0
    for scores in draws(800, samples + 20, seed=samples):
        ng = limits(scores[:samples], budget).ng
        rejected += int((scores[samples:] > ng).sum())
        total += 20
    # Draws of one threshold are not independent, so the bound is wider than binomial: one in 800 thresholds.
    promised = limits(draws(1, samples, 0)[0], budget).promise
    assert not promised.estimated
    assert promised.expected_false_reject <= budget + 1e-9
    spread = 4 * math.sqrt(2 * promised.expected_false_reject / samples / 800 + promised.expected_false_reject / total)
    assert rejected / total == pytest.approx(promised.expected_false_reject, abs=spread)


@pytest.mark.parametrize(("samples", "budget"), [(199, 0.005), (400, 0.02), (50, 0.1)])
def test_the_interval_holds_the_true_rate_as_often_as_it_says(samples: int, budget: float) -> None:
    """The true rate of each threshold is known from the distribution that the scores were drawn of."""
    inside = 0
    uniform = np.random.default_rng(samples).random((600, samples)).astype(np.float32)
    for scores in uniform:
        found = limits(scores, budget)
        low, high = found.promise.interval
        inside += low <= 1 - found.ng <= high
    assert binomtest(inside, 600, CONFIDENCE).pvalue > 0.001


def test_the_upper_bound_of_too_few_holds_as_often_as_it_says() -> None:
    inside = 0
    for scores in np.random.default_rng(0).random((600, 30)).astype(np.float32):
        found = limits(scores, 0.005)
        low, high = found.promise.interval
        assert low == 0
        inside += 1 - found.ok <= high
    assert binomtest(inside, 600, CONFIDENCE).pvalue > 0.001


@given(st.floats(0.001, 0.9), st.integers(4, 300), st.integers(0, 100))
def test_the_threshold_is_the_conformal_order_statistic(budget: float, samples: int, seed: int) -> None:
    scores = np.random.default_rng(seed).random(samples).astype(np.float32)
    found = limits(scores, budget)
    promise = found.promise
    assert promise.estimated == (samples < promise.samples_needed)
    assert (promise.samples, promise.max_false_reject) == (samples, budget)
    assert found.ok <= found.ng
    above = int((scores > found.ok).sum())
    if promise.estimated:
        assert above == 0
    else:
        assert found.ng == found.ok
        assert (above + 1) / (samples + 1) <= budget + 1e-6
        # and not more careful than needed: one sample more above would break the promise
        assert (above + 2) / (samples + 1) > budget - 1e-6


@pytest.mark.parametrize(
    ("budget", "needed"), [(0.005, 199), (0.01, 99), (0.1, 9), (0.5, 1), (0.001, 999), (0.03, 33), (1 / 3, 2)]
)
def test_how_many_samples_a_budget_needs(budget: float, needed: int) -> None:
    assert samples_needed(budget) == needed
    scores = draws(1, max(4, needed), 1)[0]
    assert not limits(scores, budget).promise.estimated
    if needed > 4:
        assert limits(scores[: needed - 1], budget).promise.estimated


def test_too_few_samples_are_said_to_be_too_few() -> None:
    found = limits(draws(1, 50, 2)[0], 0.005)
    assert found.promise.estimated
    assert found.promise.samples_needed == 199
    assert found.ok == draws(1, 50, 2)[0].max()
    assert found.ng > found.ok
    assert found.promise.interval[1] == pytest.approx(1 - 0.1 ** (1 / 50))


def test_the_estimate_of_an_exponential_tail_is_about_right() -> None:
    budget = 0.01
    rates = [
        math.exp(-limits(scores.astype(np.float32), budget).ng)
        for scores in np.random.default_rng(0).exponential(size=(400, 60))
    ]
    assert np.median(rates) == pytest.approx(budget, rel=0.6)


@pytest.mark.parametrize("budget", [0.001, 0.3])
def test_scores_that_are_all_alike(budget: float) -> None:
    found = limits(np.full(20, 2.5, np.float32), budget)
    assert found.ok == found.ng == 2.5


def test_order_does_not_matter() -> None:
    scores = draws(1, 80, 3)[0]
    assert limits(scores, 0.05) == limits(scores[::-1].copy(), 0.05)


def test_what_a_given_threshold_promises_is_what_limits_promise_of_theirs() -> None:
    scores = np.random.default_rng(5).normal(5, 1, 400).astype(np.float32)
    found = limits(scores, 0.01)
    given = promise_of(scores, found.ng, 0.01)
    assert given.expected_false_reject == pytest.approx(found.promise.expected_false_reject)
    assert given.interval == pytest.approx(found.promise.interval)
    assert not given.estimated


def test_a_given_threshold_beyond_all_samples_or_below_them() -> None:
    scores = np.arange(50, dtype=np.float32)
    beyond = promise_of(scores, 1e6, 0.005)
    assert beyond.estimated
    assert beyond.expected_false_reject == pytest.approx(1 / 51)
    assert beyond.interval[0] == 0
    assert 0.04 < beyond.interval[1] < 0.05
    assert promise_of(scores, -1.0, 0.005).interval[1] == 1.0


def test_a_given_threshold_is_estimated_only_where_samples_are_too_few_and_none_lies_above() -> None:
    scores = np.arange(50, dtype=np.float32)
    some_above = promise_of(scores, 40.5, 0.005)
    assert not some_above.estimated
    assert some_above.expected_false_reject == pytest.approx(10 / 51)
    assert 0.05 < some_above.interval[0] < 10 / 51 < some_above.interval[1]
    assert not promise_of(scores, 1e6, 0.1).estimated
