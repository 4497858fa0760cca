"""Was the false-reject budget kept: broken by chance as seldom as it says, and where frames are not like samples."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import change_manifest, copy_of, write_good
from line import drawn_part

from calibration.evaluation.budget import UNLIKELY, frames_to_tell, held_against
from calibration.evaluation.evaluate import evaluate
from calibration.report import write_evaluation
from calibration.thresholds import limits, promise_of
from inspector.manifest import Promise
from inspector.pipeline import Pipeline
from inspector.review.intervals import upper


def promise(samples: int, budget: float) -> Promise:
    return limits(np.arange(samples, dtype=np.float32), budget).promise


@pytest.mark.parametrize("tail", ["normal", "exponential", "lognormal"])
@pytest.mark.parametrize(
    ("samples", "budget"), [(100, 0.05), (666, 0.005), (250, 0.02), (10, 0.005), (20, 0.005), (50, 0.005)]
)
def test_a_promise_that_holds_is_refuted_as_seldom_as_it_says(samples: int, budget: float, tail: str) -> None:
    """Also where samples are too few for the budget, so that ng is an estimate, whatever the tail of the scores."""
    rng = np.random.default_rng(0)
    draw = {"normal": rng.normal, "exponential": rng.exponential, "lognormal": rng.lognormal}[tail]
    words: Counter[str] = Counter()
    rejects = Counter(
        int((draw(size=200) > limits(draw(size=samples).astype(np.float32), budget).ng).sum()) for _ in range(1000)
    )
    for rejected, times in rejects.items():
        words[held_against(promise(samples, budget), rejected, 200).word] += times
    assert words["broken"] / words.total() <= UNLIKELY + 0.015
    assert (words["kept"] + words["too few"]) / words.total() > 0.25


@pytest.mark.parametrize(
    ("rejected", "among", "word", "verdict", "takes"),
    [
        (0, 100, "kept", "kept", None),
        (5, 300, "kept", "kept", None),
        (5, 100, "too few", "not refuted", 211),
        (0, 59, "too few", "not refuted", 60),
        (7, 100, "by chance", "not refuted", None),
        (30, 100, "broken", "broken", None),
        (4, 4, "broken", "broken", None),
        (0, 0, "unknown", "unknown", None),
    ],
)
def test_the_word_follows_the_number(rejected: int, among: int, word: str, verdict: str, takes: int | None) -> None:
    kept = held_against(promise(100, 0.05), rejected, among)
    assert (kept.word, kept.rejected, kept.among) == (word, rejected, among)
    assert kept.verdict == verdict
    assert kept.takes == takes


@pytest.mark.parametrize("above", [1.5, 2, 3])
def test_a_rate_above_the_budget_is_seldom_called_kept(above: float) -> None:
    """At twice the budget up to three of 600 frames are rejected in one case of seven: that does not show it kept."""
    rejects = Counter(np.random.default_rng(0).binomial(600, 0.005 * above, 2000).tolist())
    words = Counter[str]()
    for rejected, times in rejects.items():
        words[held_against(promise(666, 0.005), rejected, 600).word] += times
    assert words["kept"] / words.total() < 0.05


@pytest.mark.parametrize("rejected", [0, 1, 2, 5, 20])
def test_kept_is_what_the_exact_interval_says_too(rejected: int) -> None:
    """Of Clopper and Pearson (1934), whose upper end at 90 % leaves 5 % above it; a few frames more are asked for."""
    takes = frames_to_tell(0.02, rejected, rejected)
    assert takes is not None
    assert upper(rejected, takes, 0.9) <= 0.02 < upper(rejected, round(0.98 * takes), 0.9)


def test_none_rejected_is_certain_and_more_is_less_likely() -> None:
    chances = [held_against(promise(100, 0.05), rejected, 100).chance for rejected in range(20)]
    assert chances[0] == pytest.approx(1)
    assert chances == sorted(chances, reverse=True)


def test_of_too_few_samples_is_believed_what_they_vouch_for() -> None:
    """That a new frame scores above all n of them with a chance of 1 in n + 1, not more rarely."""
    estimate = promise(20, 0.005)
    assert estimate.estimated
    assert held_against(estimate, 1, 1).chance == pytest.approx(1 / 21)
    assert held_against(estimate, 20, 200).word == "by chance"
    assert held_against(estimate, 40, 200).word == "broken"


def test_thresholds_that_were_set_by_hand_are_held_against_what_they_promise() -> None:
    """That is more than the budget: chance does not explain it, nor are the frames unlike the samples."""
    rng = np.random.default_rng(0)
    words = []
    for _ in range(300):
        scores = rng.normal(size=200).astype(np.float32)
        ng = float(np.quantile(scores, 0.9))  # 10 % instead of a budget of 1 %
        words.append(held_against(promise_of(scores, ng, 0.01), int((rng.normal(size=100) > ng).sum()), 100).word)
    assert words.count("broken") / len(words) < 0.1
    assert words.count("exceeded") / len(words) > 0.9


def test_the_page_says_where_the_thresholds_themselves_exceed_the_budget(bank: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.open(bank)
    test = write_good(tmp_path / "test" / "good", 3).parent
    (test / "good" / "scratched.png").write_bytes(drawn_part(9, scratched=True))
    by_hand = promise_of(pipeline.bank.normal_scores, float(np.median(pipeline.bank.normal_scores)), 0.005)
    evaluation = replace(evaluate(pipeline, test), promise=by_hand)
    assert evaluation.to_json()["promise"]["word"] == "exceeded"
    told = page(evaluation, pipeline, test, tmp_path)
    assert f"as its thresholds foresee: they stand for {by_hand.expected_false_reject:.2%}" in told
    assert "Exceeded" in told


def test_the_page_and_the_object_say_whether_it_was_kept(bank: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.open(bank)
    test = write_good(tmp_path / "test" / "good", 4).parent
    evaluation = evaluate(pipeline, test)
    told = evaluation.to_json()["promise"]
    assert told.keys() == {"max_false_reject", "rejected", "among", "chance", "word"}
    assert (told["word"], told["among"]) == ("too few", 4)
    told = page(evaluation, pipeline, test, tmp_path)
    assert "No more good frames were rejected than the budget allows." in told
    assert "So few frames cannot tell: that takes about 600." in told
    for seed in range(4):
        (test / "good" / f"{seed:03d}.png").write_bytes(drawn_part(seed, scratched=True))
    evaluation = evaluate(pipeline, test)
    assert evaluation.to_json()["promise"]["word"] == "broken"
    assert "these frames are not like the samples" in page(evaluation, pipeline, test, tmp_path)


@pytest.mark.parametrize(("budget", "frames"), [(0.05, 60), (0.01, 300), (0.005, 600)])
def test_so_many_frames_without_a_reject_tell(budget: float, frames: int) -> None:
    """Fewer would have no reject in more than one of twenty cases where the rate is the budget's."""
    assert frames_to_tell(budget, 0, frames - 1) == frames
    assert frames_to_tell(budget, 0, frames) is None
    assert (1 - budget) ** frames < 0.05
    assert (1 - budget) ** (frames * 0.98) > 0.045


def test_the_samples_themselves_tell_nothing(bank: Path, tmp_path: Path) -> None:
    test = tmp_path / "test"
    shutil.copytree(bank.parent / "good", test / "good")
    evaluation = evaluate(Pipeline.open(bank), test)
    assert evaluation.to_json()["promise"]["word"] == "unknown"
    assert evaluation.to_json()["false_reject_rate"] is None
    assert evaluation.notes[1].startswith("10 of these 10 frames are samples of this bank")
    told = page(evaluation, Pipeline.open(bank), test, tmp_path)
    assert "All good frames are samples of the bank: how many others it rejects cannot be told." in told
    assert "the true rate" not in told


def test_samples_among_the_good_frames_do_not_narrow_what_is_said_of_the_others(bank: Path, tmp_path: Path) -> None:
    """Ten samples, one part that passes and one that does not."""
    test, pipeline = tmp_path / "test", Pipeline.open(bank)
    shutil.copytree(bank.parent / "good", test / "good")
    (test / "good" / "new.png").write_bytes(drawn_part(700))
    (test / "good" / "scratched.png").write_bytes(drawn_part(701, scratched=True))
    evaluation = evaluate(pipeline, test)
    figures = evaluation.to_json()
    assert (figures["promise"]["among"], figures["n_good"], figures["n_good_samples"]) == (2, 12, 10)
    assert figures["false_reject_rate"] == 0.5
    assert "false rejects are counted among the others" in figures["notes"][1]
    told = page(evaluation, pipeline, test, tmp_path)
    assert "1 of 2 good frames (50.0%) rejected." in told
    assert "From 2 frames that are no samples, the true rate is 2.5% to 97.5% (90% confidence)." in told


@pytest.mark.parametrize(("recorded", "known"), [(True, "10 of these 10"), (False, "9 of these 10")])
def test_a_sample_that_was_stored_anew_is_still_one(bank: Path, tmp_path: Path, recorded: bool, known: str) -> None:
    """By its pixels; of a bank from before these were recorded, by its bytes alone."""
    copied = copy_of(bank, tmp_path)
    if not recorded:
        change_manifest(copied, lambda manifest: [sample.pop("pixels_sha256") for sample in manifest["samples"]])
    test = tmp_path / "test"
    shutil.copytree(bank.parent / "good", test / "good")
    first = min((test / "good").iterdir())
    cv2.imwrite(str(first.with_suffix(".bmp")), cv2.imread(str(first)))
    first.unlink()
    evaluation = evaluate(Pipeline.open(copied), test)
    assert evaluation.notes[1].startswith(f"{known} frames are samples of this bank")


def page(evaluation, pipeline, test, folder):  # type: ignore[no-untyped-def]
    return write_evaluation(evaluation, pipeline, test, folder).read_text("utf-8")
