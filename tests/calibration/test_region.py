"""Banks with a region of interest: what lies outside counts for nothing, what lies inside is found as ever."""

import json
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from safetensors.numpy import load_file

from calibration.calibrate import Options, calibrate
from calibration.caveats import region_in_doubt
from calibration.evaluation.evaluate import evaluate
from calibration.report import write_contact_sheet, write_evaluation
from inspector.bank import Bank, digests
from inspector.cli import main
from inspector.errors import RecipeError, SamplesError
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.types import Decision

LEFT = Roi.model_validate({"frame_wh": (96, 96), "include": [[[0, 0], [47, 0], [47, 95], [0, 95]]]})
RECIPE = Recipe(size_wh=(64, 64), vectors=64, roi=LEFT)


def part(seed: int, *boxes: tuple[int, int, int, int]) -> bytes:
    """A drawn part with black boxes x, y, width, height."""
    pixels = cv2.imdecode(np.frombuffer(drawn_part(seed), np.uint8), cv2.IMREAD_COLOR)
    for x, y, width, height in boxes:
        pixels[y : y + height, x : x + width] = 0
    return bytes(cv2.imencode(".png", pixels)[1])


INSIDE, OUTSIDE, NEXT_TO_IT = (20, 40, 10, 10), (70, 40, 20, 20), (48, 0, 48, 96)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_good(tmp_path_factory.mktemp("region") / "good", 12)


@pytest.fixture(scope="module")
def left(good: Path) -> Path:
    calibrate(good, good.parent / "left", Options(recipe=RECIPE, folds=3))
    return good.parent / "left"


def test_a_defect_outside_is_ignored_to_the_last_bit(left: Path) -> None:
    pipeline = Pipeline.open(left)
    for seed in range(100, 104):
        plain = pipeline.inspect(part(seed))
        for boxes in ([OUTSIDE], [NEXT_TO_IT]):
            spoilt = pipeline.inspect(part(seed, *boxes))
            assert (spoilt.score, spoilt.p_value, spoilt.decision) == (plain.score, plain.p_value, plain.decision)
            np.testing.assert_array_equal(spoilt.anomaly_map, plain.anomaly_map)


def test_surroundings_that_are_seen_reach_the_border_of_the_region_alone(good: Path, tmp_path: Path) -> None:
    """What is next to the region can change patches at its border; it is scored nowhere, and told nowhere."""
    corners = [[0, 0], [53, 0], [53, 95], [0, 95]]
    region = Roi.model_validate({"frame_wh": (96, 96), "include": [corners], "surroundings": "seen"})
    calibrate(good, tmp_path / "seen", Options(recipe=RECIPE.model_copy(update={"roi": region}), folds=3))
    pipeline = Pipeline.open(tmp_path / "seen")
    plain, beside, defect = (pipeline.inspect(part(100, *boxes)) for boxes in ([], [(56, 0, 40, 96)], [INSIDE]))
    assert beside.score > plain.score
    assert not beside.anomaly_map[:, 36:].any()
    assert beside.regions
    assert all(one.x + one.width <= 54 for one in beside.regions)
    assert plain.decision is Decision.OK
    assert defect.decision is Decision.NG
    assert "surroundings seen" in str(pipeline.bank.recipe.roi)


def mask(middle: int, rim: int) -> bytes:
    """A picture of a frame's size with a disc of one grey level, as the part is, on another."""
    pixels = np.full((96, 96), rim, np.uint8)
    cv2.circle(pixels, (48, 48), 40, middle, -1)
    return bytes(cv2.imencode(".png", pixels)[1])


def test_a_mask_with_black_for_white_is_told(good: Path, tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_bytes(mask(0, 255))
    recipe = Recipe(size_wh=(64, 64), vectors=64, roi=Roi.read_mask(tmp_path / "mask.png"))
    done = calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=3))
    assert sum("not at its middle: is that meant?" in said for said in done.caveats) == 1


RIGHT_WAY = mask(255, 0)


@pytest.mark.parametrize(
    ("region", "said"),
    [
        ({"include": [{"png": b64encode(RIGHT_WAY).decode()}]}, None),
        ({"include": LEFT.include}, None),
        ({"exclude": [[[44, 44], [52, 44], [52, 52], [44, 52]]]}, None),
        ({"exclude": [[[0, 30], [96, 30], [96, 66], [0, 66]]]}, None),
        ({"exclude": [[[20, 20], [76, 20], [76, 76], [20, 76]]]}, "not at its middle"),
        ({"include": [[[20, 20], [32, 20], [32, 32], [20, 32]]]}, "leaves 1.8% of the picture"),
    ],
)
def test_a_region_that_leaves_what_nobody_means_is_told(region: dict[str, Any], said: str | None) -> None:
    recipe = Recipe(size_wh=(96, 96), roi=Roi.model_validate({"frame_wh": (96, 96), **region}))
    told = region_in_doubt(recipe)
    assert (told is None) == (said is None)
    assert said is None or said in str(told)
    assert region_in_doubt(Recipe()) is None


def test_a_defect_inside_is_found_with_the_same_score_whatever_is_outside(left: Path) -> None:
    pipeline = Pipeline.open(left)
    for seed in range(100, 104):
        found, both = pipeline.inspect(part(seed, INSIDE)), pipeline.inspect(part(seed, INSIDE, NEXT_TO_IT))
        assert found.decision is Decision.NG
        assert (both.score, both.regions) == (found.score, found.regions)
        region = found.regions[0]
        assert region.x <= 25 <= region.x + region.width
        assert region.y <= 45 <= region.y + region.height
        assert all(r.x + r.width <= 48 for r in found.regions)


def test_the_map_covers_the_frame_and_is_zero_outside(left: Path) -> None:
    heat = Pipeline.open(left).inspect(part(100, INSIDE)).anomaly_map
    assert heat.shape == (64, 64)
    assert (heat[:, 32:] == 0).all()
    assert (heat[:, :32] > 0).all()


def test_what_explains_a_frame_lies_in_the_window(left: Path) -> None:
    told = Pipeline.open(left).explain(part(100, INSIDE, OUTSIDE))
    assert (told.view.x, told.view.y, told.view.width, told.view.height) == (0, 0, 48, 96)
    assert told.anomaly_map.shape == (64, 32)
    assert told.grid_hw == (8, 4)
    assert (told.patches[0].row, told.patches[0].column) in {(3, 1), (3, 2), (4, 1), (4, 2)}


def test_patches_outside_are_not_banked_and_half_of_the_picture_falls_away(left: Path) -> None:
    bank = Bank.load(left)
    assert bank.manifest.grid_hw == (8, 4)
    assert bank.position[:, 1].max() == 3
    assert bank.recipe.roi == LEFT


def test_a_bank_of_a_box_is_the_bank_of_that_crop(good: Path, left: Path, tmp_path: Path) -> None:
    """On the grid a region is nothing but a crop: same vectors, same scores, same thresholds, to the last bit."""
    crop = {"x": 0, "y": 0, "width": 48, "height": 96}
    recipe = Recipe.model_validate({"size_wh": (32, 64), "vectors": 64, "crop": crop})
    calibrate(good, tmp_path / "crop", Options(recipe=recipe, folds=3))
    for name in ("memory.safetensors", "graph.xml", "graph.bin"):
        one, other = (left / name).read_bytes(), (tmp_path / "crop" / name).read_bytes()
        if name == "memory.safetensors":
            np.testing.assert_array_equal(
                load_file(left / name)["vectors"], load_file(tmp_path / "crop" / name)["vectors"]
            )
        else:
            assert one == other
    cropped, region = Pipeline.open(tmp_path / "crop"), Pipeline.open(left)
    for seed in range(100, 104):
        expected, got = cropped.inspect(part(seed, INSIDE)).score, region.inspect(part(seed, INSIDE)).score
        assert got == pytest.approx(expected, rel=1e-6)


ROUND = {
    "frame_wh": (96, 96),
    "include": [[[20, 10], [80, 20], [70, 80], [16, 70]]],
    "exclude": [[[40, 40], [50, 40], [50, 50], [40, 50]]],
}


def test_offline_and_online_scores_are_the_same_to_the_last_bit(good: Path, tmp_path: Path) -> None:
    """Cross-fitted with a bank of the other half, as the line would score with that half's bank."""
    recipe = Recipe.model_validate({"size_wh": (64, 64), "vectors": 2000, "roi": ROUND})
    calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=2, blocks=True))
    stored = load_file(tmp_path / "bank" / "calibration.safetensors")
    halves = [write_good(tmp_path / f"half{half}", 6, first_seed=6 * half) for half in (0, 1)]
    for half, other in ((0, 1), (1, 0)):
        calibrate(halves[other], tmp_path / f"bank{other}", Options(recipe=recipe, folds=2, blocks=True))
        pipeline = Pipeline.open(tmp_path / f"bank{other}")
        for number in np.flatnonzero(stored["fold"] == half):
            inspection = pipeline.inspect((good / f"{number:03d}.png").read_bytes())
            assert inspection.score == stored["scores"][number]
            assert inspection.anomaly_map.max() == stored["peaks"][number]


def test_same_samples_same_region_same_bytes(good: Path, left: Path, tmp_path: Path) -> None:
    calibrate(good, tmp_path / "again", Options(recipe=RECIPE, folds=3))
    assert digests(tmp_path / "again") == digests(left)


def test_the_region_is_in_the_bank_and_its_digest_covers_it(good: Path, tmp_path: Path) -> None:
    mask = np.zeros((96, 96), np.uint8)
    cv2.circle(mask, (48, 48), 30, 255, -1)
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    recipe = Recipe(size_wh=(64, 64), vectors=64, roi=Roi.read_mask(tmp_path / "mask.png"))
    (tmp_path / "mask.png").unlink()
    calibrate(good, tmp_path / "bank", Options(recipe=recipe, folds=2))
    bank = Bank.load(tmp_path / "bank")
    assert bank.recipe.roi is not None
    np.testing.assert_array_equal(bank.recipe.roi.inside(), mask > 0)
    digest = bank.ref.digest
    manifest = json.loads((tmp_path / "bank" / "manifest.json").read_text())
    manifest["recipe"]["roi"]["exclude"] = [[[0, 0], [9, 0], [9, 9]]]
    (tmp_path / "bank" / "manifest.json").write_text(json.dumps(manifest))
    assert Bank.load(tmp_path / "bank").ref.digest != digest


def test_a_bank_from_before_there_were_regions_still_loads(bank: Path, tmp_path: Path) -> None:
    from banks import change_manifest, copy_of

    old = copy_of(bank, tmp_path)
    change_manifest(old, lambda manifest: manifest["recipe"].pop("roi"))
    before, after = Pipeline.open(bank).inspect(part(1)), Pipeline.open(old).inspect(part(1))
    assert before.score == after.score


def test_a_region_of_frames_of_another_size(good: Path, tmp_path: Path) -> None:
    roi = Roi.model_validate({"frame_wh": (96, 80), "exclude": [[[0, 0], [9, 0], [9, 9]]]})
    with pytest.raises(SamplesError, match=r"none of 12 can be used: .*got 96x96 pixels.*of frames of 96x80"):
        calibrate(good, tmp_path / "bank", Options(recipe=Recipe(size_wh=(64, 64), roi=roi)))


def test_a_region_thinner_than_a_patch_is_met_before_any_bank(good: Path, tmp_path: Path) -> None:
    roi = Roi.model_validate({"frame_wh": (96, 96), "include": [[[0, 10], [95, 10], [95, 11], [0, 11]]]})
    with pytest.raises(RecipeError, match="thinner than any patch"):
        calibrate(good, tmp_path / "bank", Options(recipe=Recipe(size_wh=(64, 64), roi=roi)))
    assert not (tmp_path / "bank").exists()


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Good; a defect inside, with a second one outside; a defect outside alone."""
    for label, boxes in (("good", []), ("hole", [INSIDE, OUTSIDE]), ("beside", [OUTSIDE])):
        (tmp_path / "test" / label).mkdir(parents=True)
        (tmp_path / "ground_truth" / label).mkdir(parents=True)
        for seed in range(3):
            (tmp_path / "test" / label / f"{seed}.png").write_bytes(part(200 + seed, *boxes))
            mask = np.zeros((96, 96), np.uint8)
            for x, y, width, height in boxes:
                mask[y : y + height, x : x + width] = 255
            if label != "good":
                cv2.imwrite(str(tmp_path / "ground_truth" / label / f"{seed}_mask.png"), mask)
    return tmp_path / "test"


def test_evaluation_counts_only_what_lies_inside_and_says_so(left: Path, labelled: Path, tmp_path: Path) -> None:
    pipeline = Pipeline.open(left)
    evaluation = evaluate(pipeline, labelled)
    figures = evaluation.to_json()
    assert (figures["n_good"], figures["n_defect"], figures["n_outside"]) == (3, 3, 3)
    assert set(figures["per_defect"]) == {"hole"}
    assert figures["image_auroc"] == 1
    assert figures["pixel_auroc"] > 0.9
    assert figures["notes"] == [
        "only what lies inside the region of interest counts (3 frames left out, with a defect that lies outside "
        "altogether)"
    ]
    page = write_evaluation(evaluation, pipeline, labelled, tmp_path).read_text("utf-8")
    assert "Region of interest" in page
    assert "50% of the picture" in page


def test_a_defect_outside_a_crop_is_left_out_as_outside_a_region(good: Path, labelled: Path, tmp_path: Path) -> None:
    crop = {"x": 0, "y": 0, "width": 48, "height": 96}
    recipe = Recipe.model_validate({"size_wh": (32, 64), "vectors": 64, "crop": crop})
    calibrate(good, tmp_path / "crop", Options(recipe=recipe, folds=3))
    figures = evaluate(Pipeline.open(tmp_path / "crop"), labelled).to_json()
    assert (figures["n_good"], figures["n_defect"], figures["n_outside"]) == (3, 3, 3)
    assert set(figures["per_defect"]) == {"hole"}
    assert figures["image_auroc"] == 1
    assert figures["notes"] == [
        "only what lies inside the crop counts (3 frames left out, with a defect that lies outside altogether)"
    ]


def test_the_command_line_takes_a_mask_and_shows_it(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask = np.zeros((96, 96), np.uint8)
    mask[:, :48] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    (tmp_path / "r.yaml").write_text("{size_wh: [64, 64], vectors: 64}")

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    arguments = ("calibrate", good, "-o", tmp_path / "b", "--recipe", tmp_path / "r.yaml", "--mask")
    code, out, _ = call(*arguments, tmp_path / "mask.png", "--json", "--report", tmp_path)
    assert code == 0
    assert json.loads(out)["roi"] == {"share": 0.5, "patches": 32, "of": 64, "picture_wh": [32, 64]}
    assert "Region of interest" in (tmp_path / "calibration.html").read_text("utf-8")
    assert "region      50.0% of the picture, 32 of 64 patches; cut to 32x64" in call("bank", "show", tmp_path / "b")[1]
    (tmp_path / "part.png").write_bytes(part(300, INSIDE))
    assert call("inspect", tmp_path / "b", tmp_path / "part.png", "--heatmaps", tmp_path / "maps")[0] == 0
    shown = cv2.imread(str(next((tmp_path / "maps").iterdir())))
    plain = cv2.imread(str(tmp_path / "part.png"))
    assert shown[:, 52:].mean() < 0.5 * plain[:, 52:].mean()
    (tmp_path / "r.yaml").write_text("{roi: {frame_wh: [96, 96], exclude: [[[0, 0], [9, 0], [9, 9]]]}}")
    code, _, err = call(*arguments, tmp_path / "mask.png", "--replace")
    assert code == 2
    assert "has a roi already" in err
    code, _, err = call(*arguments, tmp_path / "none.png", "--replace")
    assert (code, err.count("\n")) == (2, 1)


def test_the_contact_sheet_shows_the_region(good: Path, tmp_path: Path) -> None:
    done = calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=3))
    page = write_contact_sheet(done, good, tmp_path).read_text("utf-8")
    assert "32 of 64 patches are compared" in page


def test_the_contact_sheet_is_written_also_where_samples_were_moved_away(good: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(good, tmp_path / "good"))
    done = calibrate(moved, tmp_path / "bank", Options(recipe=RECIPE, folds=3))
    first, second, *others = sorted(moved.iterdir())
    second.write_bytes(b"no picture")
    for path in (first, *others):
        path.unlink()
    page = write_contact_sheet(done, moved, tmp_path).read_text("utf-8")
    assert "<img" not in page
    assert "32 of 64 patches are compared" in page
    assert all(item.name in page for item in done.highest)
    assert page.count("The picture cannot be shown: ") == page.count("<figcaption") > len(done.highest)
    assert "The picture cannot be shown: cannot be read (No such file or directory)" in page


def test_a_mask_is_the_region_that_a_recipe_of_its_own_lacks(
    good: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the two say together is what is to be sound; where it is not, that is one line."""
    for side, corner in ((96, 30), (60, 10), (6, 0)):
        white = np.zeros((side, side), np.uint8)
        white[corner : corner + 40, corner : corner + 40] = 255
        cv2.imwrite(str(tmp_path / f"{side}.png"), white)

    def calibrated(recipe: str, mask: int) -> tuple[int, str]:
        (tmp_path / "r.yaml").write_text(f"size_wh: [64, 64]\nvectors: 64\nwhitening: 0\n{recipe}\n")
        told = ("--recipe", tmp_path / "r.yaml", "--mask", tmp_path / f"{mask}.png")
        with pytest.raises(SystemExit) as left:
            main([str(each) for each in ("calibrate", good, "-o", tmp_path / "bank", "--replace", *told)])
        return int(left.value.code or 0), capsys.readouterr().err.splitlines()[-1] if left.value.code else ""

    assert calibrated("shift: 0.05", 96) == (0, "")
    crop, recipe = "crop: {x: 0, y: 0, width: 30, height: 30}", f"error: recipe {tmp_path / 'r.yaml'}: "
    assert calibrated(crop, 96) == (
        2,
        f"{recipe}roi: lies outside the crop, so nothing is left to look at; move one of them",
    )
    code, said = calibrated("crop: {x: 30, y: 30, width: 60, height: 60}", 60)
    assert (code, said.startswith(f"{recipe}crop: got 60x60 at (30, 30), but roi is of frames of 60x60")) == (2, True)
    code, said = calibrated("", 6)
    assert code == 2
    assert f"mask {tmp_path / '6.png'}: frame_wh" in said
    assert "greater than or equal to 8" in said
