"""How sure a comparison is: intervals cover as often as they say, and equals are seldom told apart."""

import numpy as np
import pytest
from scipy.stats import norm

from calibration.comparison.intervals import CONFIDENCE, Scores, behind, interval, passes_fewer


def area(scores: Scores) -> float:
    return float((scores.defect[:, None] > scores.good).mean())


def drawn(rng: np.random.Generator, n: int, m: int, aurocs: list[float], spread: float = 1.0) -> list[Scores]:
    """Candidates with these true AUROCs, whose scores of a frame go together. spread: of defects, over that of good."""
    good, defect = (
        np.sqrt(0.7) * rng.normal(size=size) + np.sqrt(0.3) * rng.normal(size=(len(aurocs), size)) for size in (n, m)
    )
    above = norm.ppf(aurocs)[:, None] * np.sqrt(1 + spread**2)
    return [Scores(*each) for each in zip(np.float32(good), np.float32(above + spread * defect), strict=True)]


@pytest.mark.parametrize("spread", [1.0, 3.0])
@pytest.mark.parametrize("auroc", [0.99, 0.95, 0.85])
@pytest.mark.parametrize(("good", "defect"), [(20, 5), (20, 10), (50, 20)])
def test_an_interval_covers_as_often_as_it_says(good: int, defect: int, auroc: float, spread: float) -> None:
    """Also where the scores of defects spread wider than those of good frames, as real ones do."""
    rng = np.random.default_rng(0)
    found = [area(drawn(rng, good, defect, [auroc], spread)[0]) for _ in range(400)]
    covered = [low <= auroc <= high for low, high in (interval(value, good, defect) for value in found)]
    assert np.mean(covered) >= CONFIDENCE - 0.03


def test_few_frames_in_perfect_order_do_not_show_perfection() -> None:
    assert interval(1.0, 20, 5) == (pytest.approx(0.649, abs=0.001), pytest.approx(1))
    assert interval(0.0, 5, 20) == (pytest.approx(0), pytest.approx(0.351, abs=0.001))
    assert interval(0.5, 10, 10)[0] == pytest.approx(1 - interval(0.5, 10, 10)[1])
    widths = [high - low for low, high in (interval(step / 100, 100, 5) for step in range(101))]
    assert min(widths) > 0.3


EQUALS = [(20, 10, 4, 0.95), (60, 30, 2, 0.95), (60, 30, 4, 0.95), (200, 3, 4, 0.85), (200, 5, 4, 0.85),
          (3, 100, 2, 0.85), (200, 2, 4, 0.85), (60, 30, 8, 0.7)]  # fmt: skip


@pytest.mark.parametrize(("good", "defect", "count", "auroc"), EQUALS)
def test_equals_are_seldom_told_apart_however_many_there_are(good: int, defect: int, count: int, auroc: float) -> None:
    """Also with few frames of a kind, which hardly tell how much they vary."""
    rng, apart = np.random.default_rng(0), 0
    for _ in range(200):
        scored = drawn(rng, good, defect, [auroc] * count)
        best, *others = sorted(scored, key=area, reverse=True)
        apart += any(behind(best, other, len(others))[0] > 0 for other in others)
    assert apart / 200 <= 1 - CONFIDENCE + 0.03


def test_a_difference_on_the_same_frames_is_told_where_intervals_overlap() -> None:
    rng, apart = np.random.default_rng(0), 0
    for _ in range(100):
        best, other = drawn(rng, 60, 30, [0.97, 0.87])
        low, high = behind(best, other, 1)
        apart += low > 0
        assert low <= area(best) - area(other) <= high
        mixed = behind(best, Scores(rng.permutation(other.good), rng.permutation(other.defect)), 1)
        assert mixed[0] + mixed[1] == pytest.approx(low + high)
    assert apart > 80
    assert interval(0.97, 60, 30)[0] < interval(0.87, 60, 30)[1]


def test_the_same_scores_are_not_apart_and_two_frames_tell_nothing() -> None:
    one = Scores(np.float32([1, 2, 3]), np.float32([2, 3, 4]))
    assert behind(one, one, 3) == (0.0, 0.0)
    for count in (1, 2):
        less, other = (Scores(one.good, frames[:count]) for frames in (one.defect, one.good))
        assert behind(less, other, 1) == (-1.0, 1.0)


def test_one_defect_of_sixty_is_not_fewer_that_pass_and_equals_seldom_pass_fewer() -> None:
    best = [True] * 3 + [False] * 57
    assert not passes_fewer([True] * 2 + [False] * 58, best, 1)
    assert not passes_fewer(best, best, 1)
    assert passes_fewer([False] * 60, [True] * 5 + [False] * 55, 1)
    assert not passes_fewer([False] * 60, [True] * 5 + [False] * 55, 3)
    rng = np.random.default_rng(0)
    said = [passes_fewer(*(rng.random((2, 60)) < 0.2).tolist(), 1) for _ in range(400)]
    assert np.mean(said) <= (1 - CONFIDENCE) / 2
