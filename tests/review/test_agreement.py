"""Agreement of first and second opinions, against scikit-learn's kappa."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from inspector.review.agreement import ENOUGH, LABELS, Opinion, agreement


def pair(frame: int, first: str, second: str) -> list[Opinion]:
    return [Opinion(frame, "ann", first, "dispose"), Opinion(frame, "bob", second, "dispose")]


def test_kappa_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    firsts = rng.choice(LABELS, 200, p=[0.6, 0.3, 0.1])
    seconds = np.where(rng.random(200) < 0.7, firsts, rng.choice(LABELS, 200))
    found = agreement([o for n in range(200) for o in pair(n, str(firsts[n]), str(seconds[n]))])
    assert found.kappa is not None
    kappa, low, high = found.kappa
    assert kappa == pytest.approx(cohen_kappa_score(firsts, seconds))
    assert low < kappa < high
    assert (found.frames, found.same.count) == (200, int((firsts == seconds).sum()))
    assert sum(found.table.values()) == 200


def test_kappa_of_people_who_always_agreed_has_an_interval_too() -> None:
    always = agreement([o for n in range(20) for o in pair(n, LABELS[n % 2], LABELS[n % 2])])
    assert always.kappa == pytest.approx((1.0, 1 - 2 * (1 - 0.025 ** (1 / 20)), 1.0))  # of 20 of 20, and half is chance
    seldom = agreement([o for n in range(100) for o in pair(n, LABELS[n == 0], LABELS[n == 0])])
    assert seldom.kappa is not None
    assert seldom.kappa == pytest.approx((1.0, 1 - (1 - 0.025 ** (1 / 100)) / 0.0198, 1.0))


def test_too_few_frames_have_no_kappa_but_are_counted() -> None:
    found = agreement([o for n in range(ENOUGH - 1) for o in pair(n, LABELS[n % 2], LABELS[n % 2])])
    assert (found.frames, found.kappa) == (ENOUGH - 1, None)
    assert found.same.value == 1.0


def test_where_everybody_says_the_same_of_everything_chance_would_too() -> None:
    found = agreement([o for n in range(ENOUGH) for o in pair(n, "defect", "defect")])
    assert (found.same.value, found.kappa) == (1.0, None)


def test_nothing_is_no_agreement() -> None:
    found = agreement([])
    assert (found.frames, found.same.value, found.kappa) == (0, None, None)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("ann:defect", None),
        ("ann:defect ann:false_alarm", None),
        ("ann:defect ann:false_alarm bob:defect", ("false_alarm", "defect")),
        ("ann:defect ann:undo bob:defect", None),
        ("ann:defect bob:unsure bob:undo", None),
        ("ann:defect bob:unsure bob:undo bob:defect", ("defect", "defect")),
        ("ann:defect bob:unsure bob:false_alarm", ("defect", "false_alarm")),
        ("ann:defect bob:false_alarm ann:false_alarm", ("defect", "false_alarm")),
        ("ann:defect bob:false_alarm cid:unsure", ("defect", "false_alarm")),
    ],
)
def test_whose_word_counts(said: str, expected: tuple[str, str] | None) -> None:
    opinions = []
    for word in said.split():
        reviewer, what = word.split(":")
        opinions.append(Opinion(7, reviewer, None if what == "undo" else what, "undo" if what == "undo" else "dispose"))
    assert list(agreement(opinions).table) == ([] if expected is None else [expected])
