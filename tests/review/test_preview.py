"""The preview of thresholds: counted by hand, against brute force, and against calibration's own promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from calibration.thresholds import limits
from inspector.review.intervals import lower, upper
from inspector.review.preview import KINDS, ScoresSeen, ascending, axis, histogram, preview
from inspector.review.trial import said

SCORES = arrays(np.float64, st.integers(0, 40), elements=st.floats(0, 10).map(lambda x: round(x, 1))).map(np.sort)
SEEN = st.builds(
    ScoresSeen, normals=SCORES, ok=SCORES, false_alarm=SCORES, waiting=SCORES, defect=SCORES, shifts=st.floats(0.1, 30)
)


def some(*scores: float) -> np.ndarray:
    return ascending(np.array(scores))


def test_what_the_page_says_counted_by_hand() -> None:
    seen = ScoresSeen(
        normals=some(*range(1, 100)),
        ok=some(*[10] * 900, *[60] * 60),
        false_alarm=some(*[75] * 28, 90, 91),
        waiting=some(80, 95),
        defect=some(40, 65, *[99] * 35),
        shifts=2.0,
    )
    said = preview(seen, 50.0, 85.0)
    assert (said.rejected, said.waiting_rejected) == (2, 1)
    assert said.false_rejects is not None
    assert said.false_rejects.value == 1.0
    assert said.false_rejects.low == pytest.approx(lower(2, 990) * 990 / 2)
    assert said.false_rejects.high == pytest.approx(upper(2, 990) * 990 / 2)
    assert said.to_review is not None
    assert (said.uncertain, said.to_review.value) == (60 + 28 + 1, 44.5)
    assert (said.missed, said.doubted, said.caught) == (1, 1, 35)
    assert (said.normals, said.normals_above, said.normal_rate) == (99, 14, 0.15)
    assert said.normal_high == upper(14, 99, 0.90)


@given(SEEN, st.floats(0, 10), st.floats(0, 10))
def test_every_frame_is_somewhere(seen: ScoresSeen, a: float, b: float) -> None:
    ok, ng = min(a, b), max(a, b)
    said = preview(seen, ok, ng)
    assert said.missed + said.doubted + said.caught == len(seen.defect)
    good = np.concatenate([seen.ok, seen.false_alarm])
    everything = np.concatenate([good, seen.waiting])
    assert said.rejected == int((good > ng).sum())
    assert said.waiting_rejected == int((seen.waiting > ng).sum())
    assert said.uncertain == int(((everything > ok) & (everything <= ng)).sum())
    if said.false_rejects is not None:
        assert said.false_rejects.low <= said.false_rejects.value <= said.false_rejects.high


@given(SEEN, st.floats(0, 10), st.floats(0, 10))
def test_the_histogram_loses_no_frame_inside_or_outside_of_its_axis(seen: ScoresSeen, ok: float, ng: float) -> None:
    low, high = axis(seen, min(ok, ng), max(ok, ng))
    assert low <= min(ok, ng) <= max(ok, ng) < high
    drawn = histogram(seen, low, high, 40)
    assert {kind: int(counts.sum()) for kind, counts in drawn.items()} == {kind: len(seen.of(kind)) for kind in KINDS}


def test_a_higher_ng_never_rejects_more() -> None:
    rng = np.random.default_rng(1)
    seen = ScoresSeen(normals=ascending(rng.normal(5, 1, 100)), ok=ascending(rng.normal(5, 1, 500)), shifts=3)
    rejected = [preview(seen, 3.0, ng).rejected for ng in np.linspace(3, 9, 30)]
    assert rejected == sorted(rejected, reverse=True)


@pytest.mark.parametrize("budget", [0.01, 0.05])
def test_the_normals_say_what_calibration_promised(budget: float) -> None:
    scores = np.random.default_rng(2).gamma(9, 1, 400).astype(np.float32)
    set_by = limits(scores, budget)
    said = preview(ScoresSeen(normals=ascending(scores)), set_by.ok, set_by.ng)
    assert said.normal_rate == pytest.approx(set_by.promise.expected_false_reject)
    assert said.normal_rate <= budget
    assert said.normal_high == pytest.approx(set_by.promise.interval[1], rel=1e-6)


def test_none_of_few_normals_is_no_zero() -> None:
    said = preview(ScoresSeen(normals=some(1, 2, 3)), 5.0, 5.0)
    assert said.normals_above == 0
    assert said.normal_rate == 0.25
    assert said.normal_high > 0.6


def test_without_frames_nothing_is_said_of_a_shift() -> None:
    said = preview(ScoresSeen(normals=some(1, 2, 3)), 1.0, 2.0)
    assert (said.false_rejects, said.to_review) == (None, None)
    assert (said.missed, said.caught) == (0, 0)


def test_thresholds_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(ValueError, match="expected ok <= ng"):
        preview(ScoresSeen(normals=some(1)), 2.0, 1.0)


@pytest.mark.parametrize("scores", [[2.0, 1.0], [1.0, float("nan")]])
def test_scores_that_cannot_be_are_refused(scores: list[float]) -> None:
    with pytest.raises(ValueError, match="not finite or not ascending"):
        ScoresSeen(normals=np.array(scores))


@pytest.mark.parametrize(("shifts", "rejects", "review"), [(0.01, "so far", "so far"), (1.0, "per shift", "per shift")])
def test_before_a_whole_shift_there_is_a_count_and_no_rate(shifts: float, rejects: str, review: str) -> None:
    one = ScoresSeen(normals=some(1, 2), ok=some(*[1] * 9, 5), waiting=some(4), shifts=shifts)
    trial = preview(one, 3.0, 4.5)
    told = {item.key: item for item in said(one, trial, trial, 0)}
    assert told["false_rejects"].meaning == f"false rejects {rejects}"
    assert told["false_rejects"].value == told["to_review"].value == "1"
    assert review in told["to_review"].meaning
    assert not any("1 frames" in item.detail for item in told.values())
