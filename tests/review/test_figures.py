"""Figures from known counts; and whether the intervals hold, by simulating lines of which the truth is known."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from inspector.review.figures import UNTYPED, OutcomeCount, ReviewCount, escapes, false_rejects, figures, pareto
from inspector.review.intervals import CONFIDENCE, lower, upper
from inspector.review.shifts import Span, spans
from inspector.review.wording import so_far

CAM1, CAM2 = "plant/hall1/line1/cam1", "plant/hall1/line1/cam2"
EIGHT = {"early": "06:00", "late": "14:00", "night": "22:00"}
MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


def outcome(word: str, frames: int, *, station: str = CAM1, span: int = 0) -> OutcomeCount:
    return OutcomeCount(station, span, word, frames)


def judged(
    word: str,
    disposition: str | None,
    frames: int,
    *,
    sampled: bool = False,
    defect_type: str | None = None,
    station: str = CAM1,
    span: int = 0,
) -> ReviewCount:
    return ReviewCount(station, span, word, sampled, disposition, defect_type, frames)


def test_pareto_counts_defects_alone_and_runs_up_to_all_of_them() -> None:
    bars = pareto(
        [
            judged("ng", "defect", 5, defect_type="dent"),
            judged("uncertain", "defect", 12, defect_type="scratch"),
            judged("ok", "defect", 1, defect_type="scratch", sampled=True),
            judged("ng", "defect", 2),
            judged("ng", "false_alarm", 99),
            judged("ng", None, 99),
        ]
    )
    assert [(bar.name, bar.frames) for bar in bars] == [("scratch", 13), ("dent", 5), (UNTYPED, 2)]
    assert [bar.share for bar in bars] == [0.65, 0.25, 0.1]
    assert [bar.running for bar in bars] == pytest.approx([0.65, 0.9, 1.0])


def test_pareto_of_many_types_sums_up_the_rare_ones() -> None:
    bars = pareto([judged("ng", "defect", 20 - n, defect_type=f"type {n:02}") for n in range(12)])
    assert [bar.name for bar in bars][-2:] == ["type 07", "4 other types"]
    assert bars[-1].frames == 12 + 11 + 10 + 9
    assert bars[-1].running == pytest.approx(1.0)


def test_false_rejects_are_a_share_of_the_good() -> None:
    seen = [outcome("ok", 980), outcome("uncertain", 5), outcome("ng", 15), outcome("error", 3), outcome("drop", 50)]
    said = [judged("ng", "false_alarm", 4), judged("ng", "defect", 9), judged("ng", None, 2)]
    found = false_rejects(seen, [*said, judged("uncertain", "false_alarm", 5), judged("ok", "defect", 1, sampled=True)])
    assert (found.found, found.waiting) == (4, 2)
    assert (found.rate.count, found.rate.of) == (4, 1000 - 9 - 1 - 2)
    assert found.rate.low == lower(4, 990)
    assert found.rate.high == upper(6, 990)


def test_what_nobody_has_decided_only_widens_the_interval() -> None:
    seen = [outcome("ok", 900), outcome("ng", 100)]
    alone = false_rejects(seen, [judged("ng", "false_alarm", 20), judged("ng", "defect", 80)]).rate
    half = false_rejects(seen, [judged("ng", "false_alarm", 10), judged("ng", "defect", 40), judged("ng", None, 50)])
    assert half.rate.low <= alone.low <= alone.high <= half.rate.high


def test_where_no_rejected_frame_was_decided_there_is_no_rate() -> None:
    seen = [outcome("ok", 900), outcome("ng", 100)]
    waiting = false_rejects(seen, [judged("ng", None, 60), judged("ng", "unsure", 40)])
    assert (waiting.value, waiting.to_json()["rate"], so_far(waiting)) == (None, None, "–")
    assert (waiting.rate.low, waiting.rate.high) == (0.0, upper(100, 1000))
    begun = false_rejects(seen, [judged("ng", None, 97), judged("ng", "defect", 3)])
    assert (begun.value, so_far(begun)) == (0.0, "0 to 12 %")
    all_said = false_rejects(seen, [judged("ng", "false_alarm", 9), judged("ng", "defect", 91)])
    assert (all_said.value, so_far(all_said)) == (9 / 909, "0.99 %")
    assert so_far(false_rejects([outcome("ok", 900)], [])) == "0 %"


def test_uncertain_frames_that_wait_may_all_be_defects() -> None:
    seen = [outcome("ok", 50), outcome("ng", 50), outcome("uncertain", 900)]
    said = [judged("ng", "false_alarm", 10), judged("ng", "defect", 40)]
    waiting = false_rejects(seen, [*said, judged("uncertain", None, 900)]).rate
    defects = false_rejects(seen, [*said, judged("uncertain", "defect", 900)]).rate
    good = false_rejects(seen, [*said, judged("uncertain", "false_alarm", 900)]).rate
    assert defects.value == pytest.approx(10 / 60)
    assert waiting.low <= good.low
    assert waiting.high >= defects.high


def test_escapes_of_a_fully_decided_line() -> None:
    seen = [outcome("ok", 10_000), outcome("ng", 60)]
    said = [
        judged("ok", "false_alarm", 198, sampled=True),
        judged("ok", "defect", 2, sampled=True),
        judged("ok", "defect", 1),
        judged("ng", "defect", 50),
        judged("ng", "false_alarm", 10),
    ]
    found = escapes(seen, said)
    assert (found.passed.count, found.passed.of, found.reported, found.caught) == (2, 200, 1, 50)
    value, low, high = found.estimated
    assert value == pytest.approx(2 + 9_800 * 0.01)
    assert (low, high) == pytest.approx((2 + 9_800 * lower(2, 200), 2 + 9_800 * upper(2, 200)))
    assert found.rate is not None
    assert found.rate.value == pytest.approx(value / (value + 50))
    assert (found.rate.low, found.rate.high) == pytest.approx((low / (low + 50), high / (high + 50)))


def test_without_a_sample_there_is_no_escape_rate() -> None:
    seen = [outcome("ok", 1000), outcome("ng", 10)]
    found = escapes(seen, [judged("ng", "defect", 10), judged("ok", None, 7, sampled=True)])
    assert found.rate is None
    assert found.drawn_waiting == 7
    assert found.passed.value is None


def test_a_sample_of_every_ok_frame_leaves_nothing_to_estimate() -> None:
    seen = [outcome("ok", 500), outcome("ng", 5)]
    said = [judged("ok", "false_alarm", 495, sampled=True), judged("ok", "defect", 5, sampled=True)]
    found = escapes(seen, [*said, judged("ng", "defect", 5)])
    assert found.estimated == (5, 5, 5)
    assert found.rate is not None
    assert (found.rate.low, found.rate.value, found.rate.high) == (0.5, 0.5, 0.5)


def test_the_intervals_hold_on_lines_whose_truth_is_known() -> None:
    """Worst first, and only a part of it decided: the way in which rates that trust the order go wrong."""
    rng = np.random.default_rng(5)
    lines, covered_rejects, covered_escapes = 300, 0, 0
    for _ in range(lines):
        defect = rng.random(4000) < 0.02
        score = rng.normal(np.where(defect, 2.0, 0.0), 1.0)
        ng = score > 2.0
        drawn = ~ng & (rng.random(4000) < 0.05)
        decided = np.zeros(4000, bool)
        flagged = np.flatnonzero(ng)
        decided[flagged[np.argsort(-score[flagged])][: int(0.6 * len(flagged))]] = True
        decided |= drawn
        said = [
            judged(word, what if done else None, int(number), sampled=sampled)
            for word, where, sampled in (("ng", ng, False), ("ok", drawn, True))
            for done in (True, False)
            for what, kind in (("defect", defect), ("false_alarm", ~defect))
            if (number := (where & kind & (decided == done)).sum())
        ]
        seen = [outcome("ok", int((~ng).sum())), outcome("ng", int(ng.sum()))]
        # The true rates are those of the process, not of this sample of it.
        true_rejects = 0.02275
        rejects, passed = false_rejects(seen, said), escapes(seen, said)
        covered_rejects += rejects.rate.low <= true_rejects <= rejects.rate.high
        assert passed.rate is not None
        covered_escapes += passed.rate.low <= float((defect & ~ng).sum() / defect.sum()) <= passed.rate.high
    assert covered_rejects / lines >= CONFIDENCE - 0.03
    assert covered_escapes / lines >= CONFIDENCE - 0.03


def test_stations_and_shifts_are_told_apart() -> None:
    early, late = spans(MONDAY, MONDAY + timedelta(hours=16), EIGHT, UTC)
    found = figures(
        [
            outcome("ok", 90),
            outcome("ng", 10, span=1),
            outcome("ok", 7, station=CAM2, span=1),
            outcome("drop", 3, span=1),
        ],
        [judged("ng", None, 6, span=1), judged("ng", "unsure", 4, span=1)],
        [early, late],
    )
    assert [(s.span.shift, s.frames, s.asked, s.waiting) for s in found.spans] == [
        ("early", 90, 0, 0),
        ("late", 17, 10, 6),
    ]
    assert [(s.station, s.outcomes["ok"], s.waiting) for s in found.stations] == [(CAM1, 90, 6), (CAM2, 7, 0)]
    assert (found.asked, found.waiting, found.outcomes["drop"]) == (10, 6, 3)
    assert found.false_rejects.waiting == 10


def test_figures_of_nothing() -> None:
    found = figures([], [], [])
    assert found.pareto == ()
    assert found.false_rejects.rate.value is None
    assert found.escapes.rate is None
    assert (found.false_alarms.low, found.false_alarms.high) == (0.0, 1.0)
    assert found.spans == ()


def test_a_span_is_frozen_with_its_day() -> None:
    (night,) = spans(MONDAY + timedelta(hours=16), MONDAY + timedelta(hours=24), EIGHT, UTC)
    assert night == Span("night", MONDAY.date(), MONDAY + timedelta(hours=16), MONDAY + timedelta(hours=24), 1.0)


def test_rates_are_of_the_shifts_that_have_all_of_their_frames() -> None:
    day = spans(MONDAY, MONDAY + timedelta(days=1), EIGHT, UTC)
    seen = [outcome(word, frames, span=n) for n in range(3) for word, frames in (("ok", 90), ("uncertain", 5))]
    seen += [outcome("ng", 5, span=n) for n in range(3)]
    said = [judged("ng", "false_alarm", 2, span=n) for n in range(3)]
    said += [judged("ng", "defect", 3, span=n, defect_type="dent") for n in range(3)]
    said += [judged("uncertain", None, 5, span=n) for n in range(3)]

    def found(removed: datetime | None) -> tuple[datetime | None, float, float, float]:
        one = figures(seen, said, day, removed)
        assert (one.outcomes["ok"], one.asked, one.waiting, one.pareto[0].frames) == (270, 30, 15, 9)
        assert one.stations[0].false_rejects == one.false_rejects
        assert one.stations[0].outcomes == one.outcomes
        return one.complete_since, one.false_rejects.rate.of, one.false_alarms.of, one.uncertain.of

    assert found(None) == found(MONDAY - timedelta(seconds=1)) == (None, 3 * 97, 15, 300)
    assert found(MONDAY) == (day[1].begin, 2 * 97, 10, 200)
    assert found(day[1].begin + timedelta(hours=1)) == (day[2].begin, 97, 5, 100)
    assert found(day[2].begin) == (day[2].end, 0, 0, 0)
    assert figures([], [], [], MONDAY).complete_since is None
