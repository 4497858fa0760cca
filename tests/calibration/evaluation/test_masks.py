"""Masks of defects in an evaluation: however they are drawn, however small, and told where they are not there."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from labelled import mask_of_the_scratch, unmasked
from line import drawn_part
from pictures import behind_alpha, with_opencv

from calibration.calibrate import Options, calibrate
from calibration.evaluation.cases import Case
from calibration.evaluation.evaluate import areas_of, evaluate
from calibration.evaluation.masks import levels_of
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.window import window_of


@pytest.fixture(scope="module")
def pipeline(bank: Path) -> Pipeline:
    return Pipeline.open(bank)


def test_frames_without_a_mask_are_told_where_others_have_one(pipeline: Pipeline, labelled: Path) -> None:
    assert evaluate(pipeline, labelled).notes == (unmasked(labelled, "2 of 5"),)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (mask_of_the_scratch(48), "the mask is 48x48, its frame 96x96"),
        (b"x", "the mask does not decode"),
        (b"", "the mask does not decode"),
        (with_opencv(np.zeros((96, 96), np.uint8), ".png"), "no pixel of it is white"),
    ],
    ids=["size", "damaged", "empty", "black"],
)
def test_a_mask_that_does_not_fit_is_noted_and_left_out(
    pipeline: Pipeline, labelled: Path, content: bytes, said: str
) -> None:
    truth = labelled.parent / "ground_truth" / "scratch"
    (truth / "1_mask.png").write_bytes(content)
    figures = evaluate(pipeline, labelled).to_json()
    assert figures["notes"] == [
        unmasked(labelled, "2 of 5"),
        f"scratch/1_mask.png: {said}; left out of the pixel figures",
    ]
    assert figures["pixel_auroc"] is not None
    assert figures["n_defect"] == 5


def test_masks_of_several_files_are_one(pipeline: Pipeline, labelled: Path) -> None:
    """As in MVTec LOCO, where each has a level of its own for its kind of defect."""
    expected = evaluate(pipeline, labelled).to_json()
    truth = labelled.parent / "ground_truth" / "scratch"
    for stem, name in (("0", "0.png"), ("1", "1_mask.png")):
        white = cv2.imread(str(truth / name), cv2.IMREAD_GRAYSCALE)
        (truth / name).unlink()
        (truth / stem).mkdir()
        for number, (part, level) in enumerate(((slice(0, 45), 255), (slice(45, 96), 238))):
            some = np.zeros_like(white)
            some[part] = np.where(white[part], level, 0)
            cv2.imwrite(str(truth / stem / f"{number:03d}.png"), some)
    figures = evaluate(pipeline, labelled).to_json()
    for told in (expected, figures):
        del told["latency_ms"]
    assert figures == expected
    (truth / "1" / "001.png").write_bytes(b"x")
    assert evaluate(pipeline, labelled).notes[-1] == (
        "scratch/1/001.png: the mask does not decode; left out of the pixel figures"
    )


def test_where_masks_tell_which_frames_are_good_that_is_said(pipeline: Pipeline, tmp_path: Path) -> None:
    for number, mask in enumerate([with_opencv(np.zeros((96, 96), np.uint8), ".png"), mask_of_the_scratch()]):
        (tmp_path / f"{number}.png").write_bytes(drawn_part(number, scratched=bool(number)))
        (tmp_path / f"{number}_GT.png").write_bytes(mask)
    found = evaluate(pipeline, tmp_path)
    assert found.notes == ("no folder of good frames: frames whose mask is black count as good: 1",)
    assert [outcome.case.label for outcome in found.outcomes] == ["good", "defect"]
    assert found.aupro is not None


def test_masks_whose_names_are_no_text_are_read(pipeline: Pipeline, labelled: Path) -> None:
    """Cameras and file servers of another encoding name files so."""
    expected = evaluate(pipeline, labelled).pixel_auroc
    old = os.fsdecode("Stück ".encode("latin-1"))
    for folder in (labelled / "scratch", labelled.parent / "ground_truth" / "scratch"):
        for file in list(folder.iterdir()):
            file.rename(folder / (old + file.name))
    assert evaluate(pipeline, labelled).pixel_auroc == expected


@pytest.mark.parametrize(
    "drawn",
    [
        lambda white: white // 255,
        lambda white: white // 255 * 3,
        lambda white: np.where(white, np.arange(96, dtype=np.uint8) % 4 + 1, 0),
        lambda white: cv2.merge([white * 0, white * 0, white]),
        lambda white: cv2.merge([white // 255 * 128, white * 0, white * 0]),
        lambda white: white.astype(np.uint16) * 257,
        lambda white: white.astype(np.uint16),
        lambda white: cv2.merge([white, white, white, white]),
        lambda white: np.where(white, 255, 127).astype(np.uint8),
    ],
    ids=["ones", "threes", "numbers", "red", "dark blue", "16 bits", "8 of 16 bits", "alpha", "grey beside"],
)
def test_masks_are_white_however_they_are_drawn(
    pipeline: Pipeline, labelled: Path, drawn: Callable[[np.ndarray], np.ndarray]
) -> None:
    expected = evaluate(pipeline, labelled).to_json()
    for file in (labelled.parent / "ground_truth" / "scratch").iterdir():
        cv2.imwrite(str(file), np.asarray(drawn(cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))))
    figures = evaluate(pipeline, labelled).to_json()
    for told in (expected, figures):
        del told["latency_ms"]
    assert figures == expected


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_not_white(tmp_path: Path, kind: str) -> None:
    """As where a mask is drawn on a layer of its own."""
    plain = cv2.imdecode(np.frombuffer(mask_of_the_scratch(), np.uint8), cv2.IMREAD_GRAYSCALE)
    (tmp_path / "mask.png").write_bytes(behind_alpha(plain, kind))
    levels = levels_of(tmp_path / "mask.png")
    assert levels is not None
    np.testing.assert_array_equal(levels, plain)


def test_masks_with_black_for_white_are_asked_about_once(pipeline: Pipeline, labelled: Path) -> None:
    for file in (labelled.parent / "ground_truth" / "scratch").iterdir():
        cv2.imwrite(str(file), 255 - cv2.imread(str(file), cv2.IMREAD_GRAYSCALE))
    assert evaluate(pipeline, labelled).notes[1:] == (
        "masks of 3 frames are more than half white, such as that of scratch/0.png: are they inverted? What is white "
        "counts as defective",
    )


@pytest.mark.parametrize(
    ("recipe", "drawn"),
    [
        ({}, 1),
        ({"crop": {"x": 32, "y": 0, "width": 64, "height": 96}, "size_wh": (32, 64)}, 1),
        ({"roi": {"frame_wh": (96, 96), "include": [[[30, 30], [80, 30], [80, 80], [30, 80]]]}}, 1),
        ({"roi": {"frame_wh": (96, 96), "include": [[[60, 30], [80, 30], [80, 80], [60, 80]]]}}, 0),
        ({"crop": {"x": 0, "y": 0, "width": 48, "height": 48}}, 0),
    ],
    ids=["whole", "crop", "region", "outside the region", "outside the crop"],
)
def test_a_defect_of_one_pixel_is_not_lost_by_shrinking_its_mask(
    pipeline: Pipeline, labelled: Path, tmp_path: Path, recipe: dict[str, object], drawn: int
) -> None:
    """Of 96 pixels drawn at 64, nearest neighbours pass over the 50th."""
    mask = np.zeros((96, 96), np.uint8)
    mask[50, 50] = 255
    mask[:6, :6] = 255 * (recipe.keys() == {"roi"})
    cv2.imwrite(str(tmp_path / "one.png"), mask)
    looked = Recipe.model_validate({"size_wh": (64, 64), **recipe})
    inspection = pipeline.inspect((labelled / "scratch" / "0.png").read_bytes())
    heat = np.zeros(looked.size_wh[::-1], np.float32)
    case = Case(labelled / "scratch" / "0.png", "scratch", (tmp_path / "one.png",))
    found, note = areas_of(case, replace(inspection, anomaly_map=heat), looked)
    assert note is None
    assert found is not None
    window = window_of(looked)
    assert found.any_in(window.counts if window else None) == drawn
    assert ((found.defective > 0) & (window.counts if window else True)).sum() == drawn


def test_a_small_area_counts_as_much_as_a_large_one_beside_it(pipeline: Pipeline, labelled: Path) -> None:
    """Nearest neighbours pass over it; the map does not find it, as nothing is to be seen there."""
    before = evaluate(pipeline, labelled).aupro
    for file in (labelled.parent / "ground_truth" / "scratch").iterdir():
        mask = cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)
        mask[89, 5] = 255
        cv2.imwrite(str(file), mask)
    after = evaluate(pipeline, labelled).aupro
    assert before is not None
    assert after is not None
    assert after < 0.75 * before


def test_without_masks_pixel_figures_are_null(pipeline: Pipeline, labelled: Path) -> None:
    shutil.rmtree(labelled.parent / "ground_truth")
    figures = evaluate(pipeline, labelled).to_json()
    assert figures["pixel_auroc"] is figures["aupro"] is None
    assert figures["notes"] == [
        "no masks: pixel AUROC and AUPRO cannot be told; for 0.png, one would lie in "
        f"{labelled.parent / 'ground_truth' / 'odd' / '0_mask.png'}"
    ]
    assert figures["image_auroc"] == 1


def test_a_crop_applies_to_masks_too(labelled: Path, tmp_path: Path) -> None:
    good = tmp_path / "train"
    good.mkdir()
    for seed in range(6):
        (good / f"{seed}.png").write_bytes(drawn_part(100 + seed))
    recipe = Recipe.model_validate(
        {"size_wh": [64, 64], "vectors": 64, "crop": {"x": 20, "y": 16, "width": 60, "height": 60}}
    )
    calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=2))
    figures = evaluate(Pipeline.open(tmp_path / "bank"), labelled)
    assert figures.notes == (unmasked(labelled, "2 of 5"),)
    assert figures.pixel_auroc is not None
    assert figures.pixel_auroc > 0.8
