"""Defects that several good samples have are left out of the bank, and what they cost comes back."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part

from calibration.augmentation import count
from calibration.backbones.backbone import open_backbone
from calibration.bench import Bench
from calibration.calibrate import HIGHEST, Options, assign_folds, calibrate
from calibration.doubt import DOUBTFUL, doubt, undoubted
from calibration.evaluation.metrics import image_auroc
from calibration.finetuning import head as heads
from calibration.finetuning import planting
from calibration.finetuning.finetune import fold_heads
from calibration.finetuning.planting import gather
from calibration.fit import Prepared, prepare
from calibration.pool import join
from calibration.report import write_contact_sheet
from calibration.samples import read_samples
from inspector.bank import Bank
from inspector.engines.openvino import OpenVinoEngine
from inspector.pipeline import Pipeline
from inspector.progress import silent
from inspector.recipe import Crop, Recipe
from inspector.roi import Roi
from inspector.scoring import NearestNeighbours

RECIPE = Recipe(size_wh=(64, 64), vectors=256, whitening=0)
COUNT = 40


def bench_of(folder: Path, recipe: Recipe = RECIPE) -> Bench:
    samples = read_samples(folder, recipe)
    engine = OpenVinoEngine(open_backbone("builtin", recipe).graph())
    return Bench(samples, recipe, engine, assign_folds(len(samples.files), Options(folds=4)), 0, silent)


def casting(seed: int, *, pitted: bool) -> bytes:
    """A rough one, 160x160 pixels, that is larger than the crop."""
    rough = np.random.default_rng(7).normal(0, 1, (160, 160)).astype(np.float32)
    levels = 130 + 160 * cv2.GaussianBlur(rough, (0, 0), 5)
    if pitted:
        cv2.circle(levels, (80, 70), 4, 0, -1)
    noisy = levels + np.random.default_rng(seed).normal(0, 3, levels.shape)
    return cv2.imencode(".png", np.clip(noisy, 0, 255).astype(np.uint8))[1].tobytes()


def mixed(folder: Path, good: int, bad: int) -> Path:
    """Good parts, and scratched ones whose names come last."""
    write_good(folder, good)
    for seed in range(bad):
        (folder / f"bad{seed:02d}.png").write_bytes(drawn_part(700 + seed, scratched=True))
    return folder


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    """Heads learn a third as long, from half as many planted defects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planting, "PLANTED", 300)
        patch.setattr(heads, "STEPS", 200)
        yield


@pytest.fixture(scope="module")
def scratched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Prepared, list[heads.Head]]:
    """So many parts with one and the same scratch that almost every group of samples knows it; and a head a fold."""
    bench = bench_of(mixed(tmp_path_factory.mktemp("doubt") / "good", COUNT, 20))
    return bench, prepare(bench, tune=False), fold_heads(gather(bench), bench)


def test_a_defect_that_many_samples_have_is_doubtful_though_they_vouch_for_one_another(
    scratched: tuple[Bench, Prepared, list[heads.Head]],
) -> None:
    bench, prepared, trained = scratched
    doubts = doubt(bench, prepared.support, trained)
    highest = np.array([each.max() for each in doubts])
    by_doubt = image_auroc(highest[:COUNT], highest[COUNT:])
    by_support = image_auroc(prepared.worst[:COUNT], prepared.worst[COUNT:])
    assert by_doubt is not None
    assert by_support is not None
    assert by_doubt > 0.85 > by_support
    patches = join(list(prepared.folds))
    left = patches.take(undoubted(patches, doubts))
    assert 1 - len(left.vectors) / len(patches.vectors) < DOUBTFUL / 2
    lost = [(patches.source == index).sum() - (left.source == index).sum() for index in range(len(bench))]
    assert np.mean(lost[COUNT:]) > 5 * np.mean(lost[:COUNT])


def test_calm_heads_do_not_acquit_what_no_other_sample_shows(
    scratched: tuple[Bench, Prepared, list[heads.Head]],
) -> None:
    bench, prepared, trained = scratched
    calmest = np.unravel_index(
        trained[bench.fold[0]].logits(bench.embed(bench.picture(0), 0)).argmin(), prepared.support[0].shape
    )
    support = [each.copy() for each in prepared.support]
    support[0][calmest] = 1.5 * max(each.max() for each in support)
    doubts = doubt(bench, support, trained)
    assert np.unravel_index(doubts.argmax(), doubts.shape) == (0, *calmest)


def test_where_nothing_can_be_learnt_support_alone_decides(
    scratched: tuple[Bench, Prepared, list[heads.Head]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too few samples; and a region of interest so small that no defect is planted into it."""
    few = bench_of(write_good(tmp_path / "few", planting.FEWEST - 1))
    support = prepare(few, tune=False).support
    order = np.argsort(np.stack(doubt(few, support)), axis=None)
    np.testing.assert_array_equal(order, np.argsort(np.log(np.maximum(np.stack(support), 1e-6)), axis=None))
    bench, prepared, _ = scratched
    monkeypatch.setattr(planting, "PLANTED", 40)
    monkeypatch.setattr(planting, "COVERED", 8.0)
    alone = np.stack(doubt(bench, prepared.support))
    np.testing.assert_array_equal(np.argmax(alone), np.argmax(np.stack(prepared.support)))


def test_patches_outside_a_region_of_interest_are_never_doubtful(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planting, "PLANTED", 60)
    monkeypatch.setattr(heads, "STEPS", 50)
    region = Roi.model_validate({"frame_wh": (96, 96), "include": [[[0, 0], [60, 0], [96, 60], [96, 96], [0, 96]]]})
    bench = bench_of(mixed(tmp_path / "good", 12, 0), RECIPE.model_copy(update={"roi": region}))
    prepared = prepare(bench, tune=False)
    doubts = np.stack(doubt(bench, prepared.support))
    inside = bench.grid.inside
    assert inside is not None
    assert not inside.all()
    assert np.ptp(doubts[:, inside].max(1)) > 0
    assert (doubts[:, ~inside] == doubts.min()).all()
    assert len(prepared.without_doubtful(bench).folds) == 4


def test_heads_that_see_the_same_everywhere_doubt_no_patch_more_along_the_border_of_a_region(tmp_path: Path) -> None:
    region = Roi.model_validate({"frame_wh": (96, 96), "include": [[[0, 0], [60, 0], [96, 60], [96, 96], [0, 96]]]})
    bench = bench_of(write_good(tmp_path / "good", 8), RECIPE.model_copy(update={"roi": region}))
    support, inside, dim = prepare(bench, tune=False).support, bench.grid.counted, bench.engine.grid[2]
    weights = np.zeros((dim, heads.HIDDEN), np.float32), np.zeros(heads.HIDDEN, np.float32)
    level = heads.Head(*weights, weights[1], np.array([-5], np.float32), np.ones(1, np.float32))
    alone, with_heads = doubt(bench, support), doubt(bench, support, [level] * 4)  # too few samples to train heads
    np.testing.assert_allclose(with_heads[:, inside], np.logaddexp(alone[:, inside], 0), atol=1e-2)


def test_a_doubtful_place_is_left_out_wherever_it_is_banked(tmp_path: Path) -> None:
    """A pit of one of the samples lies elsewhere in each picture of it that is moved."""
    for seed in range(8):
        (tmp_path / f"{seed}.png").write_bytes(casting(seed, pitted=seed == 7))
    recipe = Recipe(size_wh=(96, 96), vectors=256, whitening=0, shift=0.2, crop=Crop(x=32, y=32, width=96, height=96))
    bench = bench_of(tmp_path, recipe)
    patches = join(list(prepare(bench, tune=False).folds))
    doubts = np.zeros((8, *bench.grid.hw), np.float32)
    doubts[7, 3:7, 4:8] = 1  # the pit, and the patches that see it beside them
    left = patches.take(undoubted(patches, doubts))
    others = NearestNeighbours(patches.vectors[patches.source != 7])
    before, after = (others.distances(of.vectors[of.source == 7])[:, 0] for of in (patches, left))
    assert len(before) - len(after) == 16 * count(recipe)
    assert after.max() < 0.7 * before.max()


def test_scratches_among_the_good_samples_are_found_and_what_they_cost_comes_back(tmp_path: Path) -> None:
    good = mixed(tmp_path / "good", COUNT, 4)
    options = Options(recipe=RECIPE, folds=4)
    before = calibrate(good, tmp_path / "mixed", options)
    assert {f"bad{seed:02d}.png" for seed in range(4)} <= {item.name for item in before.suspects}
    after = calibrate(good, tmp_path / "clean", replace(options, exclude_suspects=True, max_false_reject=0.05))
    assert 0 < after.trimmed < DOUBTFUL / 2
    found = {item.name: {each.kind for each in item.doubts} for item in after.suspects}
    assert all({"outlying", "doubtful"} <= found[f"bad{seed:02d}.png"] for seed in range(4))
    assert not any(each.kind == "doubtful" for item in before.suspects for each in item.doubts), "nobody asked"
    one, other = Pipeline.open(before.path), Pipeline.open(after.path)
    for seed in range(5):
        part = drawn_part(800 + seed, scratched=True)
        assert other.inspect(part).score > after.thresholds.ng
        assert other.inspect(part).score > 1.2 * one.inspect(part).score


def test_defects_that_stay_among_the_samples_are_those_that_score_highest(tmp_path: Path) -> None:
    """So many that few of them are suspicious: the report shows them all the same, as the thresholds rest on them."""
    good = mixed(tmp_path / "good", COUNT, 12)
    made = calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=4, exclude_suspects=True))
    left = {item.name for item in made.suspects}
    assert len([name for name in left if name.startswith("bad")]) < 12 - HIGHEST // 2
    assert [item.score for item in made.highest] == sorted(Bank.load(made.path).normal_scores, reverse=True)[:HIGHEST]
    assert [item.name.startswith("bad") for item in made.highest[:4]] == [True] * 4
    page = write_contact_sheet(made, good, tmp_path / "report").read_text("utf-8")
    assert page.index("The highest scores") < page.index(made.highest[0].name, page.index("The highest scores"))
