"""Regions of interest: what a recipe may say, what is inside, and one line about what cannot be."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from pictures import behind_alpha, smooth_picture
from pydantic import ValidationError

from inspector import frame
from inspector.errors import RecipeError
from inspector.recipe import Recipe, load
from inspector.roi import CORNERS, Area, Roi

FRAME = (100, 60)
SQUARE = [[10, 10], [40, 10], [40, 40], [10, 40]]


def white(folder: Path, name: str, box: tuple[int, int, int, int], size_wh: tuple[int, int] = FRAME) -> Path:
    """A mask file, white in x0 <= x < x1, y0 <= y < y1."""
    x0, y0, x1, y1 = box
    mask = np.zeros(size_wh[::-1], np.uint8)
    mask[y0:y1, x0:x1] = 255
    cv2.imwrite(str(folder / name), mask)
    return folder / name


def written(folder: Path, roi: object, **more: object) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(yaml.safe_dump({"roi": roi, **more}), encoding="utf-8")
    return file


def test_areas_are_joined_and_taken_away() -> None:
    roi = Roi.model_validate(
        {
            "frame_wh": FRAME,
            "include": [SQUARE, [[60, 10], [89, 10], [89, 40], [60, 40]]],
            "exclude": [[[20, 20], [29, 20], [29, 29], [20, 29]]],
        }
    )
    expected = np.zeros((60, 100), bool)
    expected[10:41, 10:41] = True
    expected[10:41, 60:90] = True
    expected[20:30, 20:30] = False
    np.testing.assert_array_equal(roi.inside(), expected)


def test_without_areas_to_include_all_is_included() -> None:
    inside = Roi.model_validate({"frame_wh": FRAME, "exclude": [SQUARE]}).inside()
    assert not inside[10:41, 10:41].any()
    assert inside.sum() == 60 * 100 - 31 * 31


def test_a_polygon_may_be_closed_by_its_first_corner_and_reach_the_frames_edge() -> None:
    roi = Roi.model_validate({"frame_wh": FRAME, "include": [[[0, 0], [100, 0], [100, 60], [0, 60], [0, 0]]]})
    assert roi.inside().all()


def test_masks_and_polygons_are_read_from_the_recipes_folder(tmp_path: Path) -> None:
    white(tmp_path, "part.png", (5, 6, 70, 50))
    file = written(tmp_path, {"include": ["part.png"], "exclude": [SQUARE]})
    roi = load(file).roi
    assert roi is not None
    assert roi.frame_wh == FRAME
    expected = np.zeros((60, 100), bool)
    expected[6:50, 5:70] = True
    expected[10:41, 10:41] = False
    np.testing.assert_array_equal(roi.inside(), expected)


def test_a_recipe_with_a_mask_survives_being_written_without_its_file(tmp_path: Path) -> None:
    file = white(tmp_path, "part.png", (5, 6, 70, 50))
    recipe = load(written(tmp_path, {"include": ["part.png"], "exclude": [SQUARE]}))
    file.unlink()
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe
    assert load(written(tmp_path, recipe.model_dump(mode="json")["roi"])).roi == recipe.roi


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P"])
def test_what_is_transparent_in_a_mask_is_not_inside(tmp_path: Path, kind: str) -> None:
    mask = np.zeros((60, 100), np.uint8)
    mask[10:20, 30:50] = 255
    (tmp_path / "m.png").write_bytes(behind_alpha(mask, kind))
    np.testing.assert_array_equal(Roi.read_mask(tmp_path / "m.png").inside(), mask > 0)


def test_a_photo_that_is_cut_out_is_no_mask(tmp_path: Path) -> None:
    visible = np.zeros((60, 100), np.uint8)
    visible[:20, :20] = 255
    photo = np.where(visible[..., None] > 0, smooth_picture(60, 100), 0).astype(np.uint8)
    cv2.imwrite(str(tmp_path / "m.png"), np.dstack([photo, visible]))
    with pytest.raises(RecipeError, match="is a picture of many greys"):
        Roi.read_mask(tmp_path / "m.png")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_white_counts_whatever_the_format(tmp_path: Path, suffix: str, channels: int) -> None:
    mask = np.zeros((60, 100, channels), np.uint8)
    mask[10:20, 30:50] = 255
    mask[30:40] = 100  # grey is not white
    cv2.imwrite(str(tmp_path / f"m{suffix}"), mask)
    inside = Roi.read_mask(tmp_path / f"m{suffix}").inside()
    assert inside[10:20, 30:50].all()
    assert inside.sum() == 200


def bow() -> list[list[int]]:
    return [[10, 10], [40, 40], [40, 10], [10, 40]]


@pytest.mark.parametrize(
    ("roi", "said"),
    [
        ({"include": [SQUARE]}, "roi.frame_wh: missing, expected a value"),
        ({"frame_wh": FRAME, "include": [[[10, 10], [101, 10], [40, 40]]]},
         "include[0]: corner (101, 10) lies outside the frame; expected x from 0 to 100 and y from 0 to 60"),
        ({"frame_wh": FRAME, "exclude": [[[10, -1], [40, 10], [40, 40]]]}, "exclude[0]: corner (10, -1) lies outside"),
        ({"frame_wh": FRAME, "include": [SQUARE, bow()]},
         "roi.include[1]: the edges that begin at (10, 10) and at (40, 10) cross"),
        ({"frame_wh": FRAME, "include": [[[0, 0], [40, 0], [40, 40], [20, 0], [0, 40]]]}, "cross; expected a polygon"),
        ({"frame_wh": FRAME, "include": [[[0, 0], [40, 40]]]}, "got a polygon of 2 corners, expected 3 to"),
        ({"frame_wh": FRAME, "include": [[[0, 0], [20, 20], [40, 40]]]}, "a polygon without area"),
        ({"frame_wh": FRAME, "include": [[[5, 5], [5, 5], [5, 5]]]}, "a polygon without area"),
        ({"frame_wh": FRAME, "include": [[[0, 0], [float("nan"), 20], [40, 40]]]}, "no finite number"),
        ({"frame_wh": FRAME, "include": [[[index, index] for index in range(CORNERS + 1)]]}, "expected 3 to 1000"),
        ({"frame_wh": FRAME, "include": [SQUARE], "exclude": [[[0, 0], [100, 0], [100, 60], [0, 60]]]},
         "nothing is left to look at"),
        ({"frame_wh": [60_000, 60_000]}, "expected at most 64 MP"),
        ({"frame_wh": FRAME, "includes": [SQUARE]}, "roi.includes: unknown key, did you mean include?"),
        ({"frame_wh": FRAME, "include": [{"polygons": SQUARE}]}, "polygons: unknown key, did you mean polygon?"),
        ({"frame_wh": FRAME, "include": [{"polygon": SQUARE, "png": "x"}]}, "expected the corners of a polygon"),
        ({"frame_wh": FRAME, "include": [{"png": "!"}]}, "does not decode"),
        ({"frame_wh": FRAME, "include": ["none.png"]}, "none.png: cannot be read"),
        ({"frame_wh": FRAME, "exclude": ["a\0.png"]}, ".png: cannot be read (embedded null byte)"),
        ({"frame_wh": FRAME, "include": [7]}, "roi.include[0]: got 7, expected keys of its own: png, polygon"),
        ("part.png", "roi: "),
    ],
)  # fmt: skip
def test_one_line_says_what_cannot_be(tmp_path: Path, roi: object, said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(written(tmp_path, roi))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_masks_of_two_sizes(tmp_path: Path) -> None:
    white(tmp_path, "a.png", (0, 0, 50, 50))
    white(tmp_path, "b.png", (0, 0, 50, 50), (50, 60))
    with pytest.raises(RecipeError, match=r"include\[1\]: the mask is 50x60 pixels, the frames are 100x60"):
        load(written(tmp_path, {"include": ["a.png", "b.png"]}))


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "0 bytes"), (b"GIF89a", "expected a JPEG, PNG"), (None, "cannot be read")]
)
def test_a_mask_that_is_no_picture(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "mask.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(RecipeError, match=said) as caught:
        Roi.read_mask(file)
    assert str(file) in str(caught.value)


def test_a_photo_in_place_of_a_mask(tmp_path: Path) -> None:
    file = tmp_path / "part.png"
    across = np.linspace(20, 230, 100)
    cv2.imwrite(str(file), np.tile(across, (60, 1)).astype(np.uint8))
    with pytest.raises(RecipeError, match=r"is a picture of many greys.* in black and white, white where to look"):
        Roi.read_mask(file)


@pytest.mark.parametrize("quality", [95, 60])
def test_a_mask_with_soft_edges_is_no_photo(tmp_path: Path, quality: int) -> None:
    mask = np.zeros((96, 96), np.uint8)
    cv2.putText(mask, "look", (4, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3, cv2.LINE_AA)
    file = tmp_path / "mask.jpg"
    cv2.imwrite(str(file), mask, [cv2.IMWRITE_JPEG_QUALITY, quality])
    inside = Roi.read_mask(file).inside()
    assert (inside != (mask > 127)).mean() < 0.02


def test_a_mask_is_decoded_once_however_often_its_recipe_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, decode = [], frame.decode
    monkeypatch.setattr(frame, "decode", lambda payload: decoded.append(payload) or decode(payload))
    dumped = Recipe(roi=Roi.read_mask(white(tmp_path, "m.png", (3, 4, 71, 53)))).model_dump(mode="json")
    for _ in range(3):
        region = Recipe.model_validate(dumped).roi
        assert region is not None
        assert str(region).startswith("55.5% of 100x60 pixels")
    assert len(decoded) == 2, "the file, and the mask that was made of it"
    with pytest.raises(ValueError, match="read-only"):
        region.include[0].inside(FRAME)[0, 0] = True


def test_a_black_mask(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"black\.png: no pixel of it is white"):
        Roi.read_mask(white(tmp_path, "black.png", (0, 0, 0, 0)))


def test_file_names_are_read_nowhere_else() -> None:
    with pytest.raises(ValidationError, match="read only from a recipe file or by --mask"):
        Area.model_validate("/etc/passwd")


@pytest.mark.parametrize(
    ("crop", "said"),
    [
        ({"x": 50, "y": 10, "width": 60, "height": 40}, "crop: got 60x40 at (50, 10), but roi is of frames of 100x60"),
        ({"x": 50, "y": 45, "width": 30, "height": 10}, "roi: lies outside the crop"),
    ],
)
def test_a_region_and_a_crop_that_do_not_meet(tmp_path: Path, crop: dict[str, int], said: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load(written(tmp_path, {"frame_wh": FRAME, "include": [SQUARE]}, crop=crop))
    assert said in str(caught.value)


def test_regions_are_told_apart_by_what_they_leave(tmp_path: Path) -> None:
    mask = Roi.read_mask(white(tmp_path, "m.png", (10, 10, 41, 41)))
    polygon = Roi.model_validate({"frame_wh": FRAME, "include": [SQUARE]})
    assert str(mask) == str(polygon)
    assert str(mask).startswith("16.0% of 100x60 pixels, ")
    assert str(Roi.model_validate({"frame_wh": FRAME, "exclude": [SQUARE]})) != str(mask)
