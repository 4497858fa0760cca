"""Control charts: soon when something moved, silent when nothing did, and no flicker between."""

import numpy as np
import pytest
from pictures import baseline_of

from inspector.chart import Chart, Limits, State, wander
from inspector.drift import SIGNALS

NONE = np.zeros(len(SIGNALS))


def limits(samples: int = 200) -> Limits:
    chance = np.full(len(SIGNALS), 4 * np.sqrt(0.05 / 1.95 + 1 / samples))
    return Limits(chance, np.full(len(SIGNALS), 2.5))


def moved(signal: str, spreads: float) -> np.ndarray:
    deviations = NONE.copy()
    deviations[SIGNALS.index(signal)] = spreads
    return deviations


def frames_until(chart: Chart, deviations: np.ndarray, state: State, most: int = 1000) -> int:
    for count in range(1, most):
        chart.take(deviations)
        if state in chart.states.values():
            return count
    raise AssertionError(f"not {state} after {most} frames")


@pytest.mark.parametrize(("spreads", "drifting"), [(1.0, 24), (2.0, 9), (4.0, 4), (40.0, 4)])
def test_a_step_is_seen_the_sooner_the_larger_it_is(spreads: float, drifting: int) -> None:
    assert frames_until(Chart(limits()), moved("focus", spreads), State.DRIFTING) == drifting


def test_a_large_step_is_shifted_after_twenty_frames_and_a_small_one_never() -> None:
    assert frames_until(Chart(limits()), moved("focus", -5), State.SHIFTED) == 20
    chart = Chart(limits())
    for _ in range(1000):
        chart.take(moved("focus", 2.0))
    assert chart.states["focus"] is State.DRIFTING


def test_normal_frames_raise_no_alarm() -> None:
    rng = np.random.default_rng(0)
    chart = Chart(limits())
    assert sum(chart.take(rng.normal(0, 1, len(SIGNALS))) for _ in range(20_000)) == 0


def test_odd_frames_by_themselves_are_no_trend() -> None:
    chart = Chart(limits())
    for _ in range(3):
        chart.take(moved("brightness", -100))
        assert set(chart.states.values()) == {State.OK}


def test_less_clipping_than_ever_is_no_fault() -> None:
    chart = Chart(limits())
    for _ in range(100):
        chart.take(moved("clipped", -3))
    assert chart.states["clipped"] is State.OK
    assert chart.ratios["clipped"] == 0


def test_a_state_holds_until_the_average_has_come_back_clearly() -> None:
    chart = Chart(limits())
    limit = limits().drifting[0]
    frames_until(chart, moved("brightness", 2), State.DRIFTING)
    for _ in range(500):
        chart.take(moved("brightness", 0.9 * limit))
    assert chart.states["brightness"] is State.DRIFTING
    for _ in range(500):
        chart.take(moved("brightness", 0.7 * limit))
    assert chart.states["brightness"] is State.OK


def test_the_ratio_is_signed_and_one_at_the_limit() -> None:
    chart = Chart(limits())
    for _ in range(2000):
        chart.take(moved("red", -limits().drifting[0]))
    assert chart.ratios["red"] == pytest.approx(-1)


def test_the_level_is_told_in_full_where_the_chart_counts_with_bounds() -> None:
    chart = Chart(limits())
    for _ in range(2000):
        chart.take(moved("red", 40))
    assert chart.levels["red"] == pytest.approx(40)
    assert chart.ratios["red"] == pytest.approx(4 / limits().drifting[0])


def test_normals_that_wandered_widen_the_limits_and_shuffled_they_do_not() -> None:
    rng = np.random.default_rng(0)
    slow = np.repeat(rng.normal(0, 1, (20, 1)), 20, axis=0) + rng.normal(0, 1, (400, len(SIGNALS)))
    assert wander(slow).mean() == pytest.approx(1, abs=0.4)
    assert wander(rng.permutation(slow)).max() < 0.15
    assert (wander(slow[:10]) == 0).all()
    wide, narrow = (Limits.of(baseline_of(some)).drifting for some in (slow, rng.permutation(slow)))
    assert (wide > 2 * narrow).all()
