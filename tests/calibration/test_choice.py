"""What suits the part is tried on its good samples alone, and taken only where it helps beyond doubt."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good

from calibration import separation as separating
from calibration.calibrate import Options, calibrate
from calibration.choice import FEWEST, LEAST_GAIN, SIZES, TURNS, Tried, _held_against, _looks, choose
from calibration.evaluation.metrics import image_auroc
from calibration.samples import evenly
from calibration.separation import Separation, Trial, room
from inspector.cli import main
from inspector.errors import RecipeError
from inspector.manifest import read_manifest
from inspector.recipe import Recipe, load
from inspector.roi import Roi

RECIPE = Recipe(size_wh=(64, 64), vectors=64)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So many that the metric can be learnt from two of three parts of them at 64x64."""
    return write_good(tmp_path_factory.mktemp("choice") / "good", 30)


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_the_recipe_says_is_not_tried(good: Path) -> None:
    for whitening in (0.0, 0.5, 1.0):
        said = RECIPE.model_copy(update={"whitening": whitening})
        found = choose(files(good), said, "builtin")
        assert (found.recipe, found.tried) == (said, ())


def test_too_few_samples_get_plain_distances(good: Path) -> None:
    few = files(good)[: FEWEST - 1]
    found = choose(few, RECIPE.model_copy(update={"auto": True}), "builtin")
    assert (found.recipe, found.tried) == (RECIPE.model_copy(update={"whitening": 0.0}), ())
    assert found.unseen == "nothing was tried for the recipe: 19 samples, expected 20 at least"
    assert choose(few, RECIPE, "builtin").unseen is None  # nobody asked for it


def test_the_metric_is_tried_and_the_choice_repeats(good: Path) -> None:
    one, again = (choose(files(good), RECIPE, "builtin") for _ in range(2))
    assert one == again
    assert [item.recipe.power for item in one.tried] == [0, 1]
    assert one.recipe == [item.recipe for item in one.tried if item.taken][-1]
    assert one.recipe.model_copy(update={"whitening": "auto"}) == RECIPE


def test_a_metric_that_too_few_patches_cannot_tell_is_not_tried(good: Path) -> None:
    """Beside a third of 24 samples there are 16 of 8 x 8 patches, fewer than ten for each of 128 directions."""
    few, auto = files(good)[:24], RECIPE.model_copy(update={"auto": True})
    found = choose(few, auto, "builtin")
    assert [(item.recipe.size_wh[0], item.recipe.power) for item in found.tried][:3] == [(64, 0), (80, 0), (80, 1)]
    trial = Trial(few, RECIPE, "builtin")
    assert not trial.measurable
    assert np.array_equal(trial.separation(1.0).defect, trial.separation(0.0).defect)
    asked = choose(few, auto.model_copy(update={"whitening": 1.0}), "builtin")
    assert [item.recipe.power for item in asked.tried] == [0, 1, 1]
    assert asked.recipe.whitening == 1


def test_a_bank_of_too_few_patches_for_the_metric_says_that_it_has_none(good: Path, tmp_path: Path) -> None:
    asked = Options(recipe=RECIPE.model_copy(update={"whitening": 1.0}), first=12, folds=4)
    done = calibrate(good, tmp_path / "bank", asked)
    assert read_manifest(tmp_path / "bank").recipe.whitening == 0 == done.choice.recipe.whitening
    (told,) = (said for said in done.caveats if "metric" in said)
    assert "without one fold there are 576 patches, expected 1,280 at least" in told


def test_sizes_are_tried_in_whole_strides(good: Path) -> None:
    wide = RECIPE.model_copy(update={"auto": True, "size_wh": (96, 64), "whitening": 0.0})
    found = choose(files(good), wide, "builtin")
    assert not found.recipe.auto
    assert [item.recipe.size_wh for item in found.tried] == [(96, 64), (128, 80), (144, 96)]
    assert found.recipe.power == 0


def test_no_size_is_tried_that_a_recipe_may_not_have() -> None:
    wide = Recipe(auto=True, size_wh=(3200, 64))
    assert [look.size_wh for look in _looks(wide)] == [(3200, 64), (4000, 80)]


def test_a_pattern_that_the_picture_cannot_resolve_asks_for_a_larger_one(tmp_path: Path) -> None:
    """A weave whose threads fall between the pixels of a 64 pixel picture."""
    folder = tmp_path / "weave"
    folder.mkdir()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = np.arange(192) + rng.uniform(0, 12)
        weave = 128 + 60 * np.sin(2 * np.pi * x / 12)[None] * np.cos(2 * np.pi * x / 12)[:, None]
        noisy = np.clip(weave + rng.normal(0, 4, weave.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{seed:02d}.png"), noisy)
    plain = Recipe(auto=True, size_wh=(64, 64), vectors=512, whitening=0)
    found = choose(files(folder), plain, "builtin")
    assert found.recipe.size_wh > (64, 64)


def separation(shift: float, count: int = 60) -> Separation:
    rng = np.random.default_rng(1)
    normal, defect = rng.normal(0, 1, count), rng.normal(shift, 1, (2, count))
    return Separation(normal.astype(np.float32), defect.astype(np.float32), np.ones(defect.shape, bool))


def test_only_a_gain_beyond_doubt_is_taken() -> None:
    held = separation(1.0)
    first = _held_against(RECIPE, held, None)
    assert first.taken
    assert first.gain is None
    assert first.area == pytest.approx(image_auroc(held.normal, held.defect.ravel()))
    same = _held_against(RECIPE, held, held)
    assert (same.gain, same.error, same.taken) == (0.0, 0.0, False)
    better = _held_against(RECIPE, separation(2.0), held)
    assert better.taken
    assert better.area - first.area == pytest.approx(better.gain)
    assert not _held_against(RECIPE, held, separation(2.0)).taken
    assert not Tried(RECIPE, 0.9, LEAST_GAIN / 2, 0.0).taken
    assert not Tried(RECIPE, 0.9, 0.05, 0.03).taken


def test_defects_that_no_recipe_looks_at_judge_none() -> None:
    """Wherever they score: by the others alone one recipe is as much better as without them."""
    rng = np.random.default_rng(2)
    seen = rng.random((2, 60)) < 0.6
    held, better = (
        Separation(each.normal, np.where(seen, each.defect, other).astype(np.float32), seen)
        for each, other in ((separation(1.0), 9), (separation(2.0), -9))
    )
    found = _held_against(RECIPE, better, held)
    assert found.area == pytest.approx(image_auroc(better.normal, better.defect[seen]))
    assert found.area - (found.gain or 0) == pytest.approx(image_auroc(held.normal, held.defect[seen]))
    assert found.taken
    other = _held_against(RECIPE, replace(better, defect=np.where(seen, better.defect, 0).astype(np.float32)), held)
    assert other == found


def test_a_recipe_is_tried_by_the_defects_in_its_region(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(separating, "TRIES", 1)
    most = Roi(frame_wh=(96, 96), include=([(0, 0), (95, 0), (95, 64), (0, 64)],))
    recipe = RECIPE.model_copy(update={"roi": most, "size_wh": (96, 96)})
    found = choose(files(good), recipe, "builtin")
    trial = Trial(files(good), recipe, "builtin", turns=TURNS)
    assert np.count_nonzero(trial.looked_at.any(0)) >= FEWEST
    assert not trial.looked_at.all()
    for tried in found.tried:
        parts = trial.separation(tried.recipe.power)
        assert tried.area == pytest.approx(image_auroc(parts.normal, parts.defect[trial.looked_at]))
    assert (len(found.tried), found.unseen) == (2, None)
    assert Trial(files(good), RECIPE, "builtin", turns=TURNS).looked_at.all()


def test_a_region_in_which_hardly_a_defect_lies_has_nothing_tried_and_it_is_told(good: Path, tmp_path: Path) -> None:
    corner = Roi(frame_wh=(96, 96), include=([(0, 0), (95, 0), (95, 7), (0, 7)],))
    done = calibrate(good, tmp_path / "bank", Options(recipe=RECIPE.model_copy(update={"roi": corner}), folds=2))
    assert (done.choice.tried, done.choice.recipe.whitening) == ((), 0)
    [told] = [said for said in done.caveats if "nothing was tried for the recipe" in said]
    assert told == done.choice.unseen
    assert f"of 30 samples lie where it looks, expected {FEWEST} at least" in told


def bytes_for(samples: int, recipe: Recipe) -> int:
    """What so many samples of a trial of the recipe take."""
    return samples * (separating.MAX_BYTES // room(recipe, "builtin", TURNS))


def test_room_is_for_a_sample_in_each_light_and_each_of_its_defects() -> None:
    """The built-in net gives 128 single-precision values for each 8 x 8 pixels."""
    assert room(Recipe(size_wh=(720, 720)), "builtin", turns=2) == (1 << 30) // (3 * 90 * 90 * 128 * 4)
    assert room(Recipe(size_wh=(720, 720), light=0.3), "builtin", turns=2) == (1 << 30) // (7 * 90 * 90 * 128 * 4)


def test_all_sizes_are_tried_on_as_many_samples_as_the_largest_has_room_for(
    good: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = RECIPE.model_copy(update={"auto": True})
    largest = _looks(auto)[-1]
    monkeypatch.setattr(separating, "MAX_BYTES", bytes_for(FEWEST + 1, largest))
    assert [room(look, "builtin", TURNS) for look in _looks(auto)] == [47, 30, FEWEST + 1]
    found = choose(files(good), auto, "builtin")
    assert [item.recipe.size_wh for item in found.tried] == [(64, 64)] + [(80, 80)] * 2 + [(96, 96)] * 2
    few = choose(evenly(files(good), FEWEST + 1), auto, "builtin")
    assert found == few


@pytest.mark.parametrize("auto", [False, True])
def test_fewer_samples_than_tell_recipes_apart_fit(good: Path, monkeypatch: pytest.MonkeyPatch, auto: bool) -> None:
    recipe = RECIPE.model_copy(update={"auto": auto})
    monkeypatch.setattr(separating, "MAX_BYTES", bytes_for(FEWEST - 1, recipe))
    found = choose(files(good), recipe, "builtin")
    assert (found.recipe, found.tried) == (RECIPE.model_copy(update={"whitening": 0.0}), ())
    told = "nothing was tried for the recipe: 19 samples fit into memory as embeddings, expected 20 at least"
    assert found.unseen == (told if auto else None)


def test_a_size_of_which_too_few_samples_fit_is_not_tried(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = RECIPE.model_copy(update={"auto": True})
    monkeypatch.setattr(separating, "MAX_BYTES", bytes_for(FEWEST - 1, _looks(auto)[-1]))
    found = choose(files(good), auto, "builtin")
    assert [item.recipe.size_wh for item in found.tried] == [(64, 64)] + [(80, 80)] * 2


def test_the_bank_says_what_was_chosen(good: Path, tmp_path: Path) -> None:
    recipe = RECIPE.model_copy(update={"auto": True})
    done = calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=2))
    kept = read_manifest(tmp_path / "bank").recipe
    assert not kept.auto
    assert (kept.size_wh, kept.power) == (done.choice.recipe.size_wh, done.choice.recipe.power)
    assert len(done.choice.tried) == 2 * (1 + len(SIZES))


def test_the_command_tells_what_it_tried(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "small.yaml").write_text("{size_wh: [64, 64], vectors: 64, whitening: auto}")
    (tmp_path / "auto.yaml").write_text("{size_wh: [64, 64], vectors: 64, auto: true}")
    options = [str(good), "--folds", "2", "--recipe"]
    with pytest.raises(SystemExit) as left:
        main(["calibrate", *options, str(tmp_path / "small.yaml"), "-o", str(tmp_path / "one")])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert "recipe     tried on held-back samples" in out
    assert "64x64 with the metric" in out
    with pytest.raises(SystemExit) as left:
        main(["calibrate", *options, str(tmp_path / "auto.yaml"), "-o", str(tmp_path / "two"), "--json"])
    assert left.value.code == 0
    told = json.loads(capsys.readouterr().out)
    assert [item["size_wh"] for item in told["tried"]] == [[64, 64]] * 2 + [[80, 80]] * 2 + [[96, 96]] * 2
    assert told["recipe"]["whitening"] in (0, 1)


def test_auto_needs_no_file(good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for path in files(good)[:12]:
        (few / path.name).write_bytes(path.read_bytes())
    with pytest.raises(SystemExit) as left:
        main(["calibrate", str(few), "--recipe", "auto", "--folds", "2", "-o", str(tmp_path / "bank"), "--json"])
    assert left.value.code == 0
    assert json.loads(capsys.readouterr().out)["tried"] == []


def test_a_recipe_that_is_still_open_has_no_power(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="got auto, expected 0 to 1"):
        _ = Recipe().power
    (tmp_path / "odd.yaml").write_text("whitening: perhaps")
    with pytest.raises(RecipeError, match="whitening"):
        load(tmp_path / "odd.yaml")
