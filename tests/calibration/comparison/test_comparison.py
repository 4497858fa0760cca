"""Backbones and recipes side by side: figures as `evaluate` has them, intervals, the front, and what cannot be told."""

import json
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import changed, drawn_part

from calibration import separation as separating
from calibration.calibrate import Options, calibrate
from calibration.comparison.candidate import Candidate, candidates
from calibration.comparison.compare import compare
from calibration.comparison.outcome import Comparison, Judged, conclusion
from calibration.evaluation.evaluate import evaluate
from calibration.report import write_comparison
from calibration.report.front import front
from calibration.separation import FOLDS, SAMPLES, Trial, plant, room, trial_samples
from inspector import frame as decoder
from inspector.bank import Bank
from inspector.cli import main
from inspector.errors import SamplesError, UsageError
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.types import Decision
from inspector.window import window_of

SMALL, TINY = Recipe(size_wh=(64, 64), vectors=64, whitening=1), Recipe(size_wh=(32, 32), vectors=16, whitening=1)
RECIPES = {"small": SMALL, "tiny": TINY}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve good samples; four good and four scratched frames with masks."""
    root = tmp_path_factory.mktemp("compared")
    write_good(root / "train", 12)
    for name in ("test/good", "test/scratch", "ground_truth/scratch"):
        (root / name).mkdir(parents=True)
    mask = np.zeros((96, 96), np.uint8)
    cv2.line(mask, (30, 30), (66, 60), 255, 4)
    for seed in range(4):
        (root / "test/good" / f"{seed}.png").write_bytes(drawn_part(500 + seed))
        (root / "test/scratch" / f"{seed}.png").write_bytes(drawn_part(600 + seed, scratched=True))
        cv2.imwrite(str(root / "ground_truth/scratch" / f"{seed}_mask.png"), mask)
    return root


@pytest.fixture(scope="module")
def compared(parts: Path) -> Comparison:
    listed = candidates(["builtin"], RECIPES)
    return compare(parts / "train", parts / "test", listed, parts / "banks", Options(folds=2))


def test_each_backbone_meets_each_recipe_under_a_name_that_tells_them_apart() -> None:
    assert [c.name for c in candidates(["builtin"], RECIPES)] == ["small", "tiny"]
    assert [c.name for c in candidates(["builtin", "timm:resnet18@x.safetensors"], {"default": SMALL})] == [
        "builtin", "resnet18"
    ]  # fmt: skip
    assert [c.name for c in candidates(["timm:a@1", "timm:a@2"], RECIPES)] == [
        "a@1 · small", "a@1 · tiny", "a@2 · small", "a@2 · tiny"
    ]  # fmt: skip
    both = candidates(["builtin"], {"default": SMALL}, finetune=True)
    assert [(c.name, c.finetune) for c in both] == [("builtin", False), ("builtin · fine-tuned", True)]
    with pytest.raises(UsageError, match="expected each one once"):
        candidates(["builtin", "builtin"], RECIPES)


def test_figures_are_those_of_evaluate_on_the_bank_that_was_built(compared: Comparison, parts: Path) -> None:
    assert (compared.synthetic, compared.n_good, compared.n_defect, compared.failed) == (False, 4, 4, ())
    for item in compared.judged:
        place = parts / "banks" / ("01" if item.candidate.name == "small" else "02")
        figures = evaluate(Pipeline.open(place), parts / "test").to_json()
        assert item.image_auroc == figures["image_auroc"]
        assert (item.pixel_auroc, item.aupro) == (figures["pixel_auroc"], figures["aupro"])
        assert (item.false_reject_rate, item.escape_rate) == (figures["false_reject_rate"], figures["escape_rate"])
        assert item.bank == figures["bank"]
        assert 0 < item.ms_p50 <= item.ms_p95
        assert item.seconds > 0


def test_the_best_comes_first_and_the_object_is_complete(compared: Comparison) -> None:
    told = json.loads(json.dumps(compared.to_json(), allow_nan=False))
    assert told["judged_by"] == "labelled frames"
    aurocs = [item["image_auroc"] for item in told["candidates"]]
    assert aurocs == sorted(aurocs, reverse=True)
    assert told["candidates"][0]["behind_best"] == [0, 0]
    assert any(item["pareto_front"] for item in told["candidates"])
    assert told["conclusion"]
    assert told["candidates"][0].keys() == {
        "name", "backbone", "recipe", "finetune", "image_auroc", "image_auroc_interval", "behind_best",
        "worse_than_best", "pixel_auroc", "aupro", "false_reject_rate", "escape_rate", "uncertain_rate", "latency_ms",
        "bank", "calibration_seconds", "pareto_front",
    }  # fmt: skip


def judged(name: str, auroc: float | None, ms: float, behind: tuple[float, float] | None = None) -> Judged:
    return Judged(
        Candidate(name, "builtin", SMALL), auroc, None, None, 0.0, 0.0, 0.0, ms, ms * 2, {"bytes": 1_000_000}, 1.0,
        interval=(auroc - 0.02, min(1.0, auroc + 0.02)) if auroc else None, behind=behind,
    )  # fmt: skip


def test_the_front_is_what_nothing_beats_at_both() -> None:
    slow, fast, bad, same = judged("a", 0.95, 50), judged("b", 0.90, 10), judged("c", 0.89, 12), judged("d", 0.95, 60)
    every = [slow, fast, bad, same]
    assert [not any(other.beats(one) for other in every) for one in every] == [True, True, False, False]


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ([judged("a", 0.95, 50, (0, 0)), judged("b", 0.94, 10, (-0.01, 0.03))], "b cannot be told from it"),
        ([judged("a", 0.95, 10, (0, 0)), judged("b", 0.94, 50, (-0.01, 0.03))], "1 other cannot be told from it"),
        ([judged("a", 0.95, 50, (0, 0)), judged("b", 0.80, 10, (0.05, 0.2))], "All others separate less"),
        ([judged("a", 0.95, 50, (0, 0))], "nothing to compare it with"),
        ([judged("a", None, 50), judged("b", None, 10)], "Accuracy cannot be told"),
    ],
)
def test_the_conclusion_says_no_more_than_the_frames_do(listed: list[Judged], said: str) -> None:
    assert said in " ".join(conclusion(Comparison(tuple(listed), (), False, 10, 10, ())))


def test_the_conclusion_tells_who_lets_fewer_defects_pass_and_what_it_rejects_for_that() -> None:
    best, other = judged("a", 0.95, 50, (0, 0)), judged("b", 0.94, 60, (-0.01, 0.03))
    best = replace(best, escape_rate=0.5, false_reject_rate=0.005)
    fewer = replace(other, escape_rate=0.25, false_reject_rate=0.04, passes_fewer=True)

    def said(*listed: Judged) -> str:
        return " ".join(conclusion(Comparison(listed, (), False, 10, 10, ())))

    told = "At the banks' thresholds b lets fewer defects pass: 25.0% against 50.0%."
    assert f"{told} Of the good frames it rejects 4.0%, against 0.5%." in said(best, fewer)
    assert said(*(replace(item, false_reject_rate=None) for item in (best, fewer))).endswith(told)
    assert "fewer defects" not in said(best, replace(fewer, passes_fewer=False))
    assert "fewer defects" not in said(best, replace(fewer, behind=(0.01, 0.2)))


def test_a_candidate_that_fails_is_told_and_the_others_go_on(parts: Path, tmp_path: Path) -> None:
    listed = candidates(["builtin"], {"small": SMALL, "odd": SMALL.model_copy(update={"layers": ("layer9",)})})
    done = compare(parts / "train", parts / "test", listed, tmp_path, Options(folds=2))
    assert [item.candidate.name for item in done.judged] == ["small"]
    assert [(candidate.name, "no layer 'layer9'" in error) for candidate, error in done.failed] == [("odd", True)]
    page = write_comparison(done, parts / "train", parts / "test", tmp_path).read_text("utf-8")
    assert "Not compared" in page
    assert "no layer 'layer9'" in page


def test_a_test_folder_without_defects_says_what_cannot_be_told(parts: Path, tmp_path: Path) -> None:
    write_good(tmp_path / "test" / "good", 3, first_seed=700)
    listed = candidates(["builtin"], RECIPES)
    done = compare(parts / "train", tmp_path / "test", listed, tmp_path / "b", Options(folds=2))
    told = done.to_json()
    assert {item["image_auroc"] for item in told["candidates"]} == {None}
    assert told["notes"] == [
        "no defective frames: AUROC, F1 and escape rate cannot be told",
        "calibrated without the metric of its recipe: too few patches to learn it",
    ]
    assert told["conclusion"] == ["Accuracy cannot be told from these frames; time and size can."]
    page = write_comparison(done, parts / "train", tmp_path / "test", tmp_path).read_text("utf-8")
    assert "Accuracy against time" not in page


def test_samples_among_the_frames_are_in_no_figure_of_a_comparison(parts: Path, tmp_path: Path) -> None:
    """Whose bank has more of them would be ahead."""
    shutil.copytree(parts / "test", tmp_path / "test")
    for number in range(3):
        shutil.copy(parts / "train" / f"{number:03d}.png", tmp_path / "test" / "good" / f"sample{number}.png")
    listed = candidates(["builtin"], {"tiny": TINY})
    done = compare(parts / "train", tmp_path / "test", listed, tmp_path / "b", Options(folds=2))
    assert (done.n_good, done.n_defect) == (4, 4)
    (note,) = (note for note in done.notes if "samples of this bank" in note)
    assert note.startswith("3 of these 11 frames are samples")
    assert note.endswith("left out, but for pixel figures")
    assert not any("could inspect" in note for note in done.notes)


def test_a_candidate_does_not_win_by_looking_away_from_defects(parts: Path, tmp_path: Path) -> None:
    """Half of the masks lie in a corner that one candidate does not look at, one where neither looks."""
    for folder in ("test", "ground_truth"):
        shutil.copytree(parts / folder, tmp_path / folder)
    for seed, (left, right) in {7: (4, 16), 8: (4, 16), 9: (4, 16), 10: (4, 16), 11: (80, 92)}.items():
        part, mask = cv2.imdecode(np.frombuffer(drawn_part(600 + seed), np.uint8), 1), np.zeros((96, 96), np.uint8)
        for pixels, colour in ((part, (0, 0, 0)), (mask, 255)):
            cv2.line(pixels, (left, 80), (right, 92), colour, 3)
        cv2.imwrite(str(tmp_path / "test/scratch" / f"{seed}.png"), part)
        cv2.imwrite(str(tmp_path / "ground_truth/scratch" / f"{seed}_mask.png"), mask)
    (tmp_path / "test/scratch/broken.png").write_bytes(b"x")
    middle, most = (
        SMALL.model_copy(update={"roi": Roi(frame_wh=(96, 96), include=([[x, x], [74, x], [74, y], [x, y]],))})
        for x, y in ((20, 76), (0, 96))
    )
    listed = candidates(["builtin"], {"middle": middle, "most": most})
    done = compare(parts / "train", tmp_path / "test", listed, tmp_path / "banks", Options(folds=2))
    best, other = done.judged
    assert (best.candidate.name, other.candidate.name, done.n_defect) == ("most", "middle", 8)
    assert (best.escape_rate, other.escape_rate) == (0, 0.5)
    assert best.image_auroc == 1
    assert other.image_auroc is not None
    assert other.interval is not None
    assert other.interval[0] < other.image_auroc < 0.9
    *others, blind, left_out = done.notes
    assert any(note.startswith("scratch/broken.png: frame: ") for note in others)
    assert blind.startswith("middle: does not look where 4 defects can be seen: counted all the same")
    assert left_out == "left out: 1 frame with a defect where no candidate looks"


def test_all_are_judged_by_the_frames_that_all_could_inspect(parts: Path, tmp_path: Path) -> None:
    shutil.copytree(parts / "test", tmp_path / "test")
    for label in ("good", "scratch"):
        path = tmp_path / "test" / label / "0.png"
        cv2.imwrite(str(path), cv2.imread(str(path))[:80, :80])
    cropped = Recipe.model_validate({**SMALL.model_dump(), "crop": {"x": 0, "y": 0, "width": 90, "height": 90}})
    listed = candidates(["builtin"], {"whole": SMALL, "cropped": cropped})
    done = compare(parts / "train", tmp_path / "test", listed, tmp_path / "banks", Options(folds=2))
    assert (done.n_good, done.n_defect) == (3, 3)
    assert done.notes[-1] == "judged by the 6 frames that all could inspect; 2 are left out"
    assert [note.split(": ")[:2] for note in done.notes[:-1] if "crops" in note] == [
        ["cropped", "good/0.png"], ["cropped", "scratch/0.png"]
    ]  # fmt: skip
    assert {(item.false_reject_rate or 0) * 3 % 1 for item in done.judged} == {0}


def test_frames_that_candidates_are_timed_with_are_not_all_held_at_once(parts: Path, tmp_path: Path) -> None:
    """Forty frames of twelve megapixels may be a gigabyte and a half, for each candidate."""
    (tmp_path / "test/good").mkdir(parents=True)
    for seed in range(12):
        noise = np.random.default_rng(seed).integers(0, 255, (1000, 1000, 3), np.uint8)
        cv2.imwrite(str(tmp_path / "test/good" / f"{seed}.bmp"), noise)
    tracemalloc.start()
    try:
        listed = candidates(["builtin"], RECIPES)
        compare(parts / "train", tmp_path / "test", listed, tmp_path / "banks", Options(folds=2))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 12 * 3_000_000


def test_without_test_folder_synthetic_defects_judge_and_it_says_so(parts: Path, tmp_path: Path) -> None:
    done = compare(parts / "train", None, candidates(["builtin"], RECIPES), tmp_path / "b", Options(folds=2))
    assert (done.synthetic, done.n_good, done.n_defect) == (True, 12, 12)
    for item in done.judged:
        assert item.image_auroc is not None
        assert item.pixel_auroc is not None
        assert item.false_reject_rate is None
    assert done.judged[0].image_auroc > 0.6  # type: ignore[operator]
    page = write_comparison(done, parts / "train", None, tmp_path).read_text("utf-8")
    assert "not how many real defects a line will catch" in page
    assert "false rejects" not in page


def test_planted_defects_are_seen_and_the_same_for_every_recipe(parts: Path) -> None:
    frame = decoder.decode(drawn_part(1))
    corner = Roi.model_validate({"frame_wh": (96, 96), "include": [[[30, 30], [66, 30], [66, 66], [30, 66]]]})
    region = SMALL.model_copy(update={"roi": corner})
    for seed in range(10):
        one = plant(frame, (SMALL, region), np.random.default_rng(seed))
        again = plant(frame, (SMALL, region), np.random.default_rng(seed))
        np.testing.assert_array_equal(one.frame.pixels, again.frame.pixels)
        changed = (one.frame.pixels != frame.pixels).any(2)
        assert not (changed & ~one.mask).any()
        window = window_of(region)
        assert window is not None
        small = cv2.resize(one.mask.astype(np.uint8), (64, 64), interpolation=cv2.INTER_NEAREST) > 0
        assert (small & window.counts).any()


def test_separation_is_cross_fitted_and_repeats(parts: Path) -> None:
    paths = sorted((parts / "train").iterdir())
    one, again = (Trial(paths, SMALL, "builtin").separation(1.0) for _ in range(2))
    np.testing.assert_array_equal(one.normal, again.normal)
    np.testing.assert_array_equal(one.defect, again.defect)
    assert (one.normal > 0).all()
    assert (one.defect[0] >= 0.9 * one.normal).mean() > 0.8


def test_samples_are_taken_evenly() -> None:
    paths = [Path(str(number)) for number in range(1000)]
    taken = trial_samples(paths)
    assert len(taken) == SAMPLES
    assert (taken[0], taken[-1]) == (paths[0], paths[-1])
    assert trial_samples(paths[:7]) == paths[:7]


def test_no_labelled_frames_are_met_before_any_work(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="no such folder"):
        compare(parts / "train", tmp_path / "none", candidates(["builtin"], RECIPES), tmp_path, Options())
    assert list(tmp_path.iterdir()) == []


def test_synthetic_defects_do_not_judge_what_has_learnt_them(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="so they cannot judge it; give a TEST_DIR"):
        compare(parts / "train", None, candidates(["builtin"], RECIPES, finetune=True), tmp_path, Options())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("count", [1, 2, 7])
def test_any_candidates_make_a_chart(count: int) -> None:
    listed = [replace(judged(f"c{number}", 0.9, 10), front=number == 0) for number in range(count)]
    drawn = front(listed)
    assert drawn.count("<circle") == count
    assert "nan" not in drawn
    baselines = {line.split('y="')[1].split('"')[0] for line in drawn.split("<text")[1:] if ">c" in line}
    assert len(baselines) == count


def test_the_command_line(parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in RECIPES:
        side, vectors = RECIPES[name].size_wh[0], RECIPES[name].vectors
        (tmp_path / f"{name}.yaml").write_text(f"{{size_wh: [{side}, {side}], vectors: {vectors}}}")
    arguments = ["compare", parts / "train", parts / "test", "--recipe", tmp_path / "small.yaml"]
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in [*arguments, "--recipe", tmp_path / "tiny.yaml", "--report", tmp_path]])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "ms/frame" in out
    assert "Judged by 4 good and 4 defective frames." in out
    assert (tmp_path / "comparison.html").is_file()
    (tmp_path / "full" / "comparison.html").mkdir(parents=True)
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in [*arguments, "--report", tmp_path / "full", "--json"]])
    assert left.value.code == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out)["n_good"] == 4
    assert captured.err.endswith("; choose another folder\n")
    assert "error: the comparison is above, but the report could not be written: report " in captured.err
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in [*arguments, "--backbone", "nosuch", "--json"]])
    assert left.value.code == 1
    assert "expected builtin, timm:NAME" in capsys.readouterr().err
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in [*arguments, "--backbone", "nosuch", "--backbone", "builtin", "--json"]])
    assert left.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert [item["name"] for item in told["failed"]] == ["nosuch"]
    assert [item["name"] for item in told["candidates"]] == ["builtin"]


def test_a_name_fakes_no_line_of_what_compare_says(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipes = [tmp_path / f"{name}.yaml" for name in ("tiny", "a\n* b  1.000\u202e")]
    for file in recipes:
        file.write_text("{size_wh: [32, 32], vectors: 16}")
    arguments = ["--recipe", recipes[0], "--recipe", recipes[1], "--report", tmp_path / "c\nnote: fine"]
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in ["compare", parts / "train", parts / "test", *arguments]])
    assert left.value.code == 0
    head, *rows, report = capsys.readouterr().out.splitlines()
    assert [row[2:22] for row in rows[:2] if "\\n" in row] == ["a\\n* b  1.000\\u202e "]
    assert len({len(row) for row in (head, *rows[:2])}) == 1
    assert (rows[2], report) == ("", f"report: {tmp_path}/c\\nnote: fine/comparison.html")


def test_banks_of_another_comparison_are_told_before_the_work(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "banks" / "01").mkdir(parents=True)
    with pytest.raises(SystemExit) as left:
        main(["compare", str(parts / "train"), str(parts / "test"), "-o", str(tmp_path / "banks")])
    assert left.value.code == 2
    told = f"error: compare: {tmp_path / 'banks' / '01'} exists already; choose another folder for the banks, or move"
    assert capsys.readouterr().err.startswith(told)


def test_a_file_has_the_same_defects_in_every_trial_whatever_fits(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = sorted((parts / "train").iterdir())
    whole = Trial(paths, SMALL, "builtin")
    monkeypatch.setattr(separating, "MAX_BYTES", 5 * (separating.MAX_BYTES // room(SMALL, "builtin")))
    part = Trial(paths, SMALL, "builtin")
    assert [paths.index(path) for path in part.paths] == [0, 2, 4, 7, 9]
    for number, path in enumerate(part.paths):
        np.testing.assert_array_equal(part._planted[0][number][1], whole._planted[0][paths.index(path)][1])


def test_all_candidates_are_judged_by_what_the_largest_has_room_for(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separating, "MAX_BYTES", 8 * (separating.MAX_BYTES // room(SMALL, "builtin")))
    assert room(TINY, "builtin") > 12
    done = compare(parts / "train", None, candidates(["builtin"], RECIPES), tmp_path, Options(folds=2))
    assert (done.n_good, done.n_defect, done.failed) == (8, 8, ())
    assert done.notes[0] == "judged by 8 of 12 samples: the largest candidate has room for no more"
    assert all(item.interval is not None for item in done.judged)


def test_a_defect_that_lies_where_a_candidate_does_not_look_judges_none_of_them(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(separating, "TRIES", 1)
    left, above, below = (
        Recipe.model_validate({**SMALL.model_dump(), "crop": {"x": x, "y": y, "width": 30, "height": height}})
        for x, y, height in ((15, 20, 50), (0, 0, 30), (66, 66, 30))
    )
    paths = sorted((parts / "train").iterdir())
    frames = [decoder.decode(path.read_bytes()) for path in paths]
    planted = [plant(f, (SMALL, left), np.random.default_rng([0, i, 0])) for i, f in enumerate(frames)]
    count = sum(one.looked_at for one in planted)
    assert 0 < count < 12
    recipes = {"whole": SMALL, "left": left}
    done = compare(parts / "train", None, candidates(["builtin"], recipes), tmp_path / "some", Options(folds=2))
    assert (done.n_good, done.n_defect, done.failed) == (12, count, ())
    thresholds = Bank.load(tmp_path / "some" / "02").thresholds
    trial = Trial(paths, left, "builtin", beside=[SMALL])
    scores = trial.separation(left.power).defect[trial.looked_at]
    passed = [thresholds.decide(float(score)) for score in scores].count(Decision.OK)
    (judged,) = (item for item in done.judged if item.candidate.name == "left")
    assert judged.escape_rate == passed / count
    apart = {"above": above, "below": below}
    with pytest.raises(SamplesError, match="above: got 12 synthetic defects, none where all candidates look; compare"):
        compare(parts / "train", None, candidates(["builtin"], apart), tmp_path / "none", Options(folds=2))


def test_candidates_are_judged_by_the_samples_that_all_of_them_have(tmp_path: Path) -> None:
    """Half of the frames are smaller than one candidate's crop: its bank has the other half alone."""
    good = write_good(tmp_path / "good", 12)
    for path in sorted(good.iterdir())[::2]:
        pixels = cv2.imread(str(path))
        cv2.imwrite(str(path), pixels[:80, :80])
    crop = {"x": 0, "y": 0, "width": 90, "height": 90}
    recipes = {"whole": SMALL, "cropped": Recipe.model_validate({**SMALL.model_dump(), "crop": crop})}
    done = compare(good, None, candidates(["builtin"], recipes), tmp_path / "b", Options(folds=2))
    assert (done.failed, done.n_good, done.n_defect) == ((), 6, 6)
    assert done.notes == ("calibrated without the metric of its recipe: too few patches to learn it",)


def test_candidates_without_samples_in_common_cannot_be_compared(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 12)
    for path in sorted(good.iterdir())[::2]:
        pixels = cv2.imread(str(path))
        cv2.imwrite(str(path), pixels[:80, :80])
    regions = [{"frame_wh": (side, side), "exclude": [[[0, 0], [9, 0], [9, 9]]]} for side in (96, 80)]
    recipes = {str(at): Recipe.model_validate({**SMALL.model_dump(), "roi": roi}) for at, roi in enumerate(regions)}
    with pytest.raises(SamplesError, match=r"0 samples in common, expected at least 4.*compare them apart"):
        compare(good, None, candidates(["builtin"], recipes), tmp_path / "b", Options(folds=2))


def test_samples_in_another_light_are_near_where_the_recipe_banks_other_lights(tmp_path: Path) -> None:
    paths = [tmp_path / f"{seed:02d}.png" for seed in range(12)]
    for seed, path in enumerate(paths):
        path.write_bytes(changed(seed, light=0.7 if seed >= 8 else 1.0))
    steady = SMALL.model_copy(update={"vectors": 3000, "whitening": 0})
    varying = steady.model_copy(update={"light": 0.3})
    one, other = (Trial(paths, recipe, "builtin").separation(0.0) for recipe in (steady, varying))
    assert (other.normal <= one.normal * (1 + 1e-5)).all()
    assert (other.normal[8:] < 0.75 * one.normal[8:]).all()
    assert (other.defect[0, 8:] < one.defect[0, 8:]).all()


@pytest.mark.parametrize("light", [0.0, 0.3])
def test_held_back_scores_are_those_that_calibration_gives(parts: Path, tmp_path: Path, light: float) -> None:
    """Metric, lights and search of a comparison are calibration's own: the same patches, the same scores."""
    paths = sorted((parts / "train").iterdir())
    every = SMALL.model_copy(update={"vectors": 3000, "light": light})
    found = Trial(paths, every, "builtin").separation(every.power)
    fold = np.arange(12) * FOLDS // 12
    for held_out in range(FOLDS):
        others = tmp_path / f"others{held_out}"
        others.mkdir()
        for index in np.flatnonzero(fold != held_out):
            (others / paths[index].name).write_bytes(paths[index].read_bytes())
        calibrate(others, tmp_path / f"bank{held_out}", Options(recipe=every, folds=2))
        pipeline = Pipeline.open(tmp_path / f"bank{held_out}")
        for index in np.flatnonzero(fold == held_out):
            score = pipeline.inspect(paths[index].read_bytes()).score
            assert found.normal[index] == pytest.approx(score, rel=1e-4)
