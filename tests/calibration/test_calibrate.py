"""Calibration as a whole: what it promises of the bank, and that no sample is ever scored against itself."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import pytest
from banks import write_good
from line import changed, drawn_part
from safetensors.numpy import load_file

from calibration import bench as benching
from calibration import calibrate as calibrating
from calibration import fit as fitting
from calibration import samples as reading
from calibration.calibrate import Options, assign_folds, calibrate
from calibration.pool import Patches
from inspector import frame
from inspector.bank import Bank, digests
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError, BankError, SamplesError, UsageError
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours
from inspector.types import Decision, Float32Array, UInt8Image

T = TypeVar("T")

RECIPE = Recipe(size_wh=(64, 64), vectors=64)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write_good(tmp_path / "good", 8)


@pytest.mark.parametrize(("count", "folds"), [(10, 5), (11, 4), (4, 50), (100, 7)])
@pytest.mark.parametrize("blocks", [False, True])
def test_folds_are_as_even_as_can_be(count: int, folds: int, blocks: bool) -> None:
    fold = assign_folds(count, Options(folds=folds, blocks=blocks))
    sizes = np.bincount(fold)
    assert fold.dtype == np.int32
    assert len(fold) == count
    assert len(sizes) == min(folds, count)
    assert sizes.max() - sizes.min() <= 1


def test_blocks_keep_neighbours_together_and_shuffling_does_not() -> None:
    assert (np.diff(assign_folds(40, Options(blocks=True))) >= 0).all()
    shuffled = assign_folds(40, Options())
    assert (np.diff(shuffled) < 0).any()
    np.testing.assert_array_equal(shuffled, assign_folds(40, Options()))
    assert (shuffled != assign_folds(40, Options(seed=1))).any()


def test_no_sample_is_scored_against_a_bank_that_holds_it(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every bank that scores carry: whose patches are in it, and whom it scores."""
    banks: list[set[int]] = []
    scored: list[list[int]] = []
    select, embed = fitting.select, fitting.Bench.embed

    def selecting(patches: Patches, *rest: Any) -> Any:
        selected, radius = select(patches, *rest)
        banks.append(set(selected.source.tolist()))
        scored.append([])
        return selected, radius

    def embedding_one(bench: Any, picture: Any, index: int) -> Any:
        if scored:
            scored[-1].append(index)
        return embed(bench, picture, index)

    monkeypatch.setattr(fitting, "select", selecting)
    monkeypatch.setattr(fitting.Bench, "embed", embedding_one)
    calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=4))
    assert len(banks) == 4
    assert sorted(index for group in scored for index in group) == list(range(8))
    assert all(not held & set(group) for held, group in zip(banks, scored, strict=True))


def test_a_sample_unlike_all_others_gets_a_high_score_and_is_in_the_bank_all_the_same(
    good: Path, tmp_path: Path
) -> None:
    (good / "zz.png").write_bytes(drawn_part(99, scratched=True))
    calibrate(good, tmp_path / "bank", Options(recipe=RECIPE.model_copy(update={"vectors": 600}), folds=3))
    scores = load_file(tmp_path / "bank" / "calibration.safetensors")["scores"]
    assert scores.argmax() == 8
    assert scores[8] > 2 * np.delete(scores, 8).max()
    again = Pipeline.open(tmp_path / "bank").inspect((good / "zz.png").read_bytes())
    assert again.score < scores[8] / 2


def test_stored_scores_are_those_that_the_line_would_give(good: Path, tmp_path: Path) -> None:
    """Calibration and line are one path: a bank of the other folds, scored by the line's own code, gives the score."""
    plain = RECIPE.model_copy(
        update={"whitening": 0.0}
    )  # the metric is learnt of all samples: half of them give another
    calibrate(good, tmp_path / "bank", Options(recipe=plain, folds=2, blocks=True))
    stored = load_file(tmp_path / "bank" / "calibration.safetensors")
    assert stored["fold"].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    others = tmp_path / "others"
    others.mkdir()
    for name in ("004.png", "005.png", "006.png", "007.png"):
        os.link(good / name, others / name)
    calibrate(others, tmp_path / "half", Options(recipe=plain, folds=2))
    pipeline = Pipeline.open(tmp_path / "half")
    for number in range(4):
        inspection = pipeline.inspect((good / f"{number:03d}.png").read_bytes())
        assert inspection.score == pytest.approx(float(stored["scores"][number]), rel=0.1)


def test_the_bank_is_bounded_by_its_vectors_not_by_its_samples(tmp_path: Path) -> None:
    for count in (4, 12):
        done = calibrate(write_good(tmp_path / f"g{count}", count), tmp_path / f"b{count}", Options(recipe=RECIPE))
        assert done.vectors == 64
        assert done.samples == count
        assert Bank.load(tmp_path / f"b{count}").vectors.shape[0] == 64


def test_a_small_pool_still_makes_a_bank(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = RECIPE.model_copy(update={"whitening": 0.0})  # two banks are compared: by one measure
    roomy = calibrate(good, tmp_path / "roomy", Options(recipe=plain, folds=2))
    monkeypatch.setattr(fitting, "MAX_BYTES", 2 * 150 * roomy.dim * 4)
    tight = calibrate(good, tmp_path / "tight", Options(recipe=plain, folds=2))
    assert tight.vectors == 64
    assert tight.thresholds.ok < 3 * roomy.thresholds.ok
    neighbours = NearestNeighbours(Bank.load(tmp_path / "tight").vectors)
    assert neighbours.search(Bank.load(tmp_path / "roomy").vectors)[0].max() < 3 * roomy.radius


@pytest.mark.parametrize(
    "how",
    [
        {"light": 0.3, "whitening": 0},
        {"crop": {"x": 20, "y": 16, "width": 60, "height": 60}},
        {"crop": {"x": 20, "y": 16, "width": 60, "height": 60}, "shift": 0.1},
    ],
    ids=["light", "crop", "shift"],
)
def test_pictures_that_are_kept_make_the_bank_that_decoding_again_makes(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: dict[str, Any]
) -> None:
    options = Options(recipe=Recipe.model_validate({**RECIPE.model_dump(), **how}), folds=2)
    calibrate(good, tmp_path / "kept", options)
    monkeypatch.setattr(reading, "KEPT_BYTES", 0)
    calibrate(good, tmp_path / "again", options)
    assert digests(tmp_path / "kept") == digests(tmp_path / "again")


def test_patches_are_not_put_together_before_they_have_to_be(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may fill a gigabyte, and would be held twice while samples are asked of one another."""

    def joining(parts: list[Patches]) -> Patches:
        raise AssertionError(f"{len(parts)} folds are put together")

    def preparing(*arguments: Any, **told: Any) -> fitting.Prepared:
        with monkeypatch.context() as patched:
            patched.setattr(fitting, "join", joining)
            return fitting.prepare(*arguments, **told)

    monkeypatch.setattr(calibrating, "prepare", preparing)
    calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=2))


def test_samples_that_are_kept_are_not_decoded_again(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large frames take longer to decode than to embed."""

    def decoded(bench: fitting.Bench, index: int) -> None:
        raise AssertionError(f"sample {index} is decoded again")

    monkeypatch.setattr(fitting.Bench, "_frame", decoded)
    calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=2))


def test_each_sample_is_embedded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no light or place changes it; and it makes the bank that embedding it again makes."""
    good, recipe = write_good(tmp_path / "good", 20), RECIPE.model_copy(update={"whitening": 0.0})
    embedded, embed = [], OpenVinoEngine.embed

    def counted(engine: OpenVinoEngine, images: UInt8Image) -> Float32Array:
        embedded.append(images.tobytes())
        return embed(engine, images)

    monkeypatch.setattr(OpenVinoEngine, "embed", counted)
    calibrate(good, tmp_path / "once", Options(recipe=recipe, folds=2))
    assert len(embedded) == len(set(embedded)) == 20
    monkeypatch.setattr(benching, "EMBEDDED_BYTES", 0)
    calibrate(good, tmp_path / "again", Options(recipe=recipe, folds=2))
    assert len(embedded) == 20 + 3 * 20
    assert digests(tmp_path / "once") == digests(tmp_path / "again")


def test_a_bank_rejects_defects_and_passes_good_parts(bank: Path) -> None:
    pipeline = Pipeline.open(bank)
    assert all(pipeline.inspect(drawn_part(s, scratched=True)).decision is Decision.NG for s in range(5))
    assert not any(pipeline.inspect(drawn_part(s)).decision is Decision.NG for s in range(20))


def test_where_ng_is_an_estimate_a_frame_below_it_has_regions(good: Path, tmp_path: Path) -> None:
    """Regions are what a person looks at first, and frames between ok and ng are those that a person is to look at."""
    done = calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=4))
    peaks = load_file(tmp_path / "bank" / "calibration.safetensors")["peaks"]
    assert done.promise.estimated
    assert done.thresholds.pixel == peaks.max()
    pipeline = Pipeline.open(tmp_path / "bank")
    inspected = [pipeline.inspect(changed(seed, noise=noise)) for seed in range(40) for noise in (0.5, 1, 1.5)]
    uncertain = [told for told in inspected if told.decision is Decision.UNCERTAIN and told.reason is None]
    assert len(uncertain) > 5
    assert all(told.regions for told in uncertain)


def test_what_is_told_is_what_is_written(good: Path, tmp_path: Path) -> None:
    (good / "bad.png").write_bytes(b"x")
    done = calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, max_false_reject=0.2, folds=4, seed=3))
    bank = Bank.load(tmp_path / "bank")
    manifest = bank.manifest
    assert (done.path, done.bank_id) == (tmp_path / "bank", manifest.id)
    assert (done.vectors, done.dim, done.radius) == (manifest.vectors, manifest.dim, manifest.covering_radius)
    assert done.thresholds == bank.thresholds
    assert done.promise == manifest.calibration.promise
    assert (done.promise.estimated, done.promise.samples_needed, done.promise.samples) == (False, 4, 8)
    assert (manifest.calibration.folds, manifest.calibration.fold_by, manifest.seed) == (4, "image", 3)
    assert [item.path.name for item in done.skipped] == ["bad.png"]
    assert [sample.path for sample in manifest.samples] == [f"{number:03d}.png" for number in range(8)]
    assert manifest.recipe.layers == manifest.backbone.layers == ("stride8", "stride16")


def test_each_step_that_takes_time_is_shown(tmp_path: Path) -> None:
    seen: list[str] = []

    def track(items: Sequence[T], label: str) -> Sequence[T]:
        seen.append(label)
        return items

    # enough of them to learn the metric from
    calibrate(write_good(tmp_path / "good", 30), tmp_path / "bank", Options(recipe=RECIPE), track=track)
    assert seen == [
        "reading samples",
        "planting defects",
        "trying plain distances",
        "trying the metric",
        "embedding patches",
        "grouping samples",
        "asking other samples",
        "cross-fitting thresholds",
        "selecting the bank",
        "writing small pictures",
    ]


def test_thumbnails_show_what_the_backbone_saw(bank: Path) -> None:
    for sample in Bank.load(bank).manifest.samples:
        pixels = frame.decode((bank / "samples" / sample.thumbnail).read_bytes()).pixels
        assert max(pixels.shape[:2]) == 160
        small = cv2.resize(pixels, (96, 96))
        drawn = frame.decode(drawn_part(1000 + int(sample.path.split(".")[0]))).pixels
        assert np.abs(small.astype(int) - drawn).mean() < 8


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_false_reject": 0}, "max false reject: got 0"),
        ({"max_false_reject": 1.5}, "max false reject: got 1.5"),
        ({"max_false_reject": float("nan")}, "max false reject: got nan"),
        ({"folds": 1}, "folds: got 1, expected 2 to 50"),
        ({"folds": 51}, "folds: got 51"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Options(**options)


@pytest.mark.parametrize("name", ["nosuch", "", "timm:", "torch:resnet18"])
def test_a_backbone_that_does_not_exist_leaves_nothing(good: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(BackboneError, match="expected builtin, timm:NAME or timm:NAME@FILE"):
        calibrate(good, tmp_path / "banks" / "bank", Options(recipe=RECIPE, backbone=name))
    assert list((tmp_path / "banks").iterdir()) == []


def test_no_samples_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(SamplesError):
        calibrate(tmp_path / "empty", tmp_path / "banks" / "bank", Options(recipe=RECIPE))
    assert list((tmp_path / "banks").iterdir()) == []


def test_a_bank_in_the_way_is_met_before_any_work(good: Path, tmp_path: Path) -> None:
    (tmp_path / "bank").mkdir()
    seen = []
    with pytest.raises(BankError, match="exists already"):
        calibrate(
            good, tmp_path / "bank", Options(recipe=RECIPE), track=lambda items, label: seen.append(label) or items
        )
    assert seen == []


def test_an_engine_that_gives_no_numbers_makes_no_bank(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(calibrating.OpenVinoEngine):
        def embed(self, images: np.ndarray) -> np.ndarray:
            return super().embed(images) * np.float32("nan")

    monkeypatch.setattr(calibrating, "OpenVinoEngine", Broken)
    with pytest.raises(BackboneError, match=r"embeds 000\.png as NaN or infinity"):
        calibrate(good, tmp_path / "bank", Options(recipe=RECIPE))
    assert not (tmp_path / "bank").exists()
