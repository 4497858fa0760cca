"""The region of interest of a station's samples over HTTP: what is shown, saved, refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from line import CAM1, CAM2
from pages import Page
from review_site import PASSWORD, ReviewSite, posted
from samples_drawn import put_parts, seen_part

from inspector import frame as decoder
from inspector import recipe as recipes
from inspector.roi import Area, Roi
from inspector.samples.folder import SampleFolder
from inspector.store import Role

STATION = str(CAM1)
HERE = f"/samples/region?station={STATION}"
BOX = [[10, 10], [100, 10], [100, 80], [10, 80]]


@pytest.fixture
def samples(site: ReviewSite) -> Iterator[SampleFolder]:
    """Three parts of 160x120 pixels; nothing drawn."""
    folder = SampleFolder(site.settings.data_dir, STATION)
    put_parts(folder, 3)
    yield folder
    for file in (*folder.good.iterdir(), *folder.folder.glob("recipe.yaml*")):
        file.unlink()


@pytest.fixture
def emil(site: ReviewSite) -> Iterator[httpx.Client]:
    with site.client("emil") as client:
        yield client


def shown(client: httpx.Client) -> dict[str, Any]:
    """What the script is given: the drawing, the digest of what it was opened on, names of samples."""
    [page] = [said for said in Page(client.get(HERE).text).all("div") if said.get("id") == "region"]
    assert page["data-drawing"]
    assert page["data-names"]
    return {
        "drawing": json.loads(page["data-drawing"]),
        "seen": page["data-seen"] or "",
        "names": json.loads(page["data-names"]),
    }


def saved(client: httpx.Client, *, seen: str | None = None, **changes: Any) -> httpx.Response:
    sent = {"station": STATION, "seen": shown(client)["seen"] if seen is None else seen, "frame_wh": [160, 120]}
    return posted(client, "/samples/region", **(sent | {"include": [{"corners": BOX}]} | changes))


def test_what_is_saved_is_a_recipe_and_is_shown_again(emil: httpx.Client, samples: SampleFolder) -> None:
    assert shown(emil)["drawing"] == {
        "frame_wh": [160, 120],
        "include": [],
        "exclude": [],
        "surroundings": "covered",
    }
    corners = [[20, 20], [30, 20], [30.5, 40]]
    answer = saved(emil, exclude=[{"corners": corners}], surroundings="seen")
    assert answer.status_code == 200, answer.text
    region = recipes.load(samples.recipe_file).roi
    assert region == Roi.model_validate(
        {"frame_wh": (160, 120), "include": [BOX], "exclude": [corners], "surroundings": "seen"}
    )
    assert region is not None
    assert answer.json()["share"] == pytest.approx(region.inside().mean())
    again = shown(emil)
    assert again["seen"] == answer.json()["seen"]
    assert again["drawing"]["include"] == [{"corners": BOX}]
    assert again["drawing"]["surroundings"] == "seen"


def test_without_an_area_the_whole_frame_counts_and_the_rest_of_the_recipe_stays(
    emil: httpx.Client, samples: SampleFolder
) -> None:
    samples.recipe_file.write_text("size_wh: [320, 320]\n")
    assert saved(emil).status_code == 200
    answer = saved(emil, include=[])
    assert (answer.status_code, answer.json()["share"]) == (200, 1.0)
    assert recipes.load(samples.recipe_file) == recipes.Recipe(size_wh=(320, 320))


def test_a_crop_is_counted_and_shown(emil: httpx.Client, samples: SampleFolder) -> None:
    samples.recipe_file.write_text("crop: {x: 0, y: 0, width: 80, height: 120}\n")
    assert 'data-crop="0 0 80 120"' in emil.get(HERE).text
    assert saved(emil, include=[]).json()["share"] == 0.5
    assert saved(emil).json()["share"] == pytest.approx(70 * 71 / (160 * 120))
    beside = [[100, 10], [150, 10], [150, 80]]
    answer = saved(emil, include=[{"corners": beside}])
    assert answer.status_code == 400
    assert "outside the crop" in answer.json()["error"]


def test_a_recipe_that_needs_its_region_keeps_it(emil: httpx.Client, samples: SampleFolder) -> None:
    assert saved(emil).status_code == 200
    samples.recipe_file.write_text(samples.recipe_file.read_text() + "shift: 0.05\n")
    answer = saved(emil, include=[])
    assert answer.status_code == 400
    assert "shift: got 0.05 without a crop or a region of interest" in answer.json()["error"]
    assert recipes.load(samples.recipe_file).roi is not None


def test_a_save_over_anothers_is_refused(emil: httpx.Client, samples: SampleFolder) -> None:
    seen = shown(emil)["seen"]
    assert saved(emil, seen=seen).status_code == 200
    kept = samples.recipe_file.read_bytes()
    answer = saved(emil, seen=seen, include=[])
    assert answer.status_code == 409
    assert "changed where to look at this station meanwhile" in answer.json()["error"]
    assert samples.recipe_file.read_bytes() == kept
    theirs = shown(emil)
    assert (answer.json()["seen"], answer.json()["saved"]) == (theirs["seen"], theirs["drawing"])
    assert answer.json()["share"] == pytest.approx(90 * 70 / (160 * 120), rel=0.05)
    assert saved(emil, seen=answer.json()["seen"], include=[]).status_code == 200, "all the same"
    assert recipes.load(samples.recipe_file).roi is None


def test_what_was_saved_meanwhile_for_other_frames_is_told(emil: httpx.Client, samples: SampleFolder) -> None:
    seen = shown(emil)["seen"]
    samples.look_at(Roi.model_validate({"frame_wh": (80, 60), "include": [[[1, 1], [70, 1], [70, 50]]]}))
    answer = saved(emil, seen=seen)
    assert (answer.status_code, answer.json()["saved"]) == (409, None)
    assert "for frames of 80x60 pixels" in answer.json()["error"]
    assert saved(emil, seen=answer.json()["seen"]).status_code == 200


def test_mask_pictures_are_kept_shown_and_removable(emil: httpx.Client, samples: SampleFolder, tmp_path: Path) -> None:
    white = np.zeros((120, 160), np.uint8)
    white[:, 80:] = 255
    cv2.imwrite(str(samples.folder / "right.png"), white)
    rows = [f"roi:\n  include: [right.png, {BOX}]\n", "  exclude:\n  - [[0, 0], [20, 0], [20, 20]]\n"]
    samples.recipe_file.write_text("".join(rows))
    drawing = shown(emil)["drawing"]
    mask = drawing["include"][0]["mask"]
    assert drawing["include"][1] == {"corners": BOX}
    for kind, colour in (("include", 0), ("exclude", 255)):
        answer = emil.get("/samples/region/mask", params={"station": STATION, "kind": kind, "mask": mask})
        drawn = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(drawn[..., 3] > 0, white > 0)
        assert (drawn[white > 0][:, :3] == colour).all()
    before = recipes.load(samples.recipe_file).roi
    assert before is not None
    assert saved(emil, include=drawing["include"], exclude=[{"corners": BOX[:3]}]).status_code == 200
    region = recipes.load(samples.recipe_file).roi
    assert region is not None
    assert region.include == before.include
    assert region.exclude == (Area(polygon=((10, 10), (100, 10), (100, 80))),)
    assert saved(emil, include=[], exclude=[{"mask": mask}]).status_code == 200
    assert saved(emil).status_code == 200
    assert not recipes.load(samples.recipe_file).roi.include[0].png  # type: ignore[union-attr]
    gone = saved(emil, include=[{"mask": mask}])
    assert (gone.status_code, "no longer in the recipe" in gone.json()["error"]) == (409, True)
    assert emil.get("/samples/region/mask", params={"station": STATION, "kind": kind, "mask": mask}).status_code == 404
    (samples.folder / "right.png").unlink()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"include": [{"corners": [[10, 10], [100, 80], [100, 10], [10, 80]]}]}, "Look at 1: the edges that begin at"),
        ({"exclude": [{"corners": BOX}, {"corners": BOX[:2]}]}, "Leave out 1"),
        ({"exclude": [{"corners": [[0, 0], [160, 0], [160, 120], [0, 120]]}]}, "nothing is left to look at"),
        ({"include": [{"corners": [[10, 10], [161, 10], [50, 90]]}]}, "lies outside the frame"),
        ({"include": [{"corners": BOX[:2]}]}, "Look at 1: got a polygon of 2 corners"),
        ({"include": [{}]}, "Look at 1: got a polygon of 0 corners"),
        ({"frame_wh": [320, 240]}, "no sample of this station is 320x240 pixels"),
        ({"frame_wh": [10**30, 10**30]}, "no sample of this station"),
        ({"station": "a/b/c/d"}, "expected one of"),
        ({"station": "../../etc"}, "expected one of"),
    ],
)
def test_what_cannot_be_a_region_is_told(
    emil: httpx.Client, samples: SampleFolder, changes: dict[str, Any], told: str
) -> None:
    if told == "Leave out 1":
        told = "Leave out 2: got a polygon of 2 corners"
    answer = saved(emil, **changes)
    assert answer.status_code == 400
    assert told in answer.json()["error"]
    assert not samples.recipe_file.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"include": [{"corners": [[0, 0]] * 1001}]},
        {"include": [{"corners": BOX}] * 101},
        {"include": [{"corners": [[float("nan"), 0], [5, 5], [9, 0]]}]},
        {"include": [{"corners": [[float("inf"), 0], [5, 5], [9, 0]]}]},
        {"include": [{"corners": [[10**400, 0], [5, 5], [9, 0]]}]},
        {"include": [{"corners": [["10", 0], [5, 5], [9, 0]]}]},
        {"include": [{"corners": [[True, 0], [5, 5], [9, 0]]}]},
        {"include": [{"corners": [[1, 0, 3], [5, 5], [9, 0]]}]},
        {"include": [{"corners": "many"}]},
        {"include": [{"mask": "../../etc/passwd"}]},
        {"include": [{"png": "aGVsbG8="}]},
        {"include": "everything"},
        {"surroundings": "gone"},
        {"seen": None},
        {"frame_wh": [160]},
        {"frame_wh": ["wide", "high"]},
        {"more": 1},
    ],
)
def test_what_is_no_drawing_is_told_in_words(
    emil: httpx.Client, samples: SampleFolder, changes: dict[str, Any]
) -> None:
    sent = {"station": STATION, "seen": "", "frame_wh": [160, 120], "include": [{"corners": BOX}]} | changes
    answer = posted(emil, "/samples/region", **sent)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]
    assert not samples.recipe_file.exists()


def test_only_engineers_with_this_pages_token_save(site: ReviewSite, emil: httpx.Client, samples: SampleFolder) -> None:
    del emil.headers["x-csrf-token"]
    assert saved(emil).status_code == 403
    site.accounts.create("vito", PASSWORD, Role.VIEWER, by="ada")
    for name in ("olga", "vito"):
        with site.client(name) as client:
            assert client.get(HERE).status_code == 403
            assert saved(client, seen="").status_code == 403
    assert not samples.recipe_file.exists()


@pytest.mark.parametrize(
    ("name", "depth", "as_it_is"),
    [("a.png", 8, True), ("b.jpg", 8, True), ("c.bmp", 8, True), ("d.tiff", 8, False), ("e.tif", 16, False)],
)
def test_samples_are_shown_as_the_line_sees_them(
    emil: httpx.Client, samples: SampleFolder, name: str, depth: int, as_it_is: bool
) -> None:
    pixels = seen_part(9)
    if depth == 16:
        pixels = pixels.astype(np.uint16) * 257
    cv2.imwrite(str(samples.good / name), pixels)
    kept = (samples.good / name).read_bytes()
    answer = emil.get("/samples/picture", params={"station": STATION, "name": name})
    assert answer.status_code == 200
    assert (answer.content == kept) is as_it_is
    assert answer.headers["content-type"] in ("image/png", "image/jpeg", "image/bmp")
    if not as_it_is:
        np.testing.assert_array_equal(decoder.decode(answer.content).pixels, decoder.decode(kept).pixels)


@pytest.mark.parametrize("name", ["gone.png", "../recipe.yaml", "..%2Frecipe.yaml", "/etc/passwd"])
def test_what_is_no_sample_is_404(emil: httpx.Client, samples: SampleFolder, name: str) -> None:
    samples.recipe_file.write_text("size_wh: [64, 64]\n")
    answer = emil.get("/samples/picture", params={"station": STATION, "name": name})
    assert answer.status_code == 404
    assert "size_wh" not in answer.text
    assert "root:" not in answer.text


def test_a_station_that_is_not_in_the_settings_is_told(emil: httpx.Client) -> None:
    for path in ("/samples/region?station=a/b/c/d", "/samples/picture?station=a/b/c/d&name=a.png"):
        answer = emil.get(path)
        assert answer.status_code == 400
        assert "is not in the settings" in answer.text


def test_a_station_without_samples_says_where_they_come_from(emil: httpx.Client) -> None:
    page = emil.get("/samples/region", params={"station": str(CAM2)}).text
    assert "no good samples to draw on" in page
    assert 'href="/samples?station=plant%2Fhall1%2Fline1%2Fcam2"' in page
    assert "region.js" not in page


def test_of_several_sizes_it_is_the_most_frequent_and_the_others_are_told(
    emil: httpx.Client, samples: SampleFolder
) -> None:
    assert "frames of one size" not in emil.get(HERE).text
    cv2.imwrite(str(samples.good / "small.png"), np.zeros((60, 80, 3), np.uint8))
    (samples.good / "no-picture.png").write_bytes(b"no picture")
    page = Page(emil.get(HERE).text).text
    assert "you draw on the 3 samples of 160×120 pixels. It does not fit 1 of 80×60" in page
    assert shown(emil)["names"] == ["part-0.png", "part-1.png", "part-2.png"]
    samples.leave_out(["part-0.png", "part-1.png"])
    cv2.imwrite(str(samples.good / "small-2.png"), np.zeros((60, 80, 3), np.uint8))
    assert shown(emil)["drawing"]["frame_wh"] == [80, 60]
    samples.take_back(["part-0.png", "part-1.png"])


def test_a_region_of_other_frames_is_told_and_replaced(emil: httpx.Client, samples: SampleFolder) -> None:
    samples.look_at(Roi.model_validate({"frame_wh": (80, 60), "include": [[[1, 1], [70, 1], [70, 50]]]}))
    assert "drawn on frames of 80×60 pixels and does not fit these samples of 160×120" in emil.get(HERE).text
    assert shown(emil)["drawing"]["include"] == []
    assert saved(emil).status_code == 200
    assert recipes.load(samples.recipe_file).roi.frame_wh == (160, 120)  # type: ignore[union-attr]


def test_a_recipe_that_nobody_can_read_is_told_and_left_alone(emil: httpx.Client, samples: SampleFolder) -> None:
    samples.recipe_file.write_text("size_wh: [")
    page = emil.get(HERE).text
    assert "not YAML" in page
    assert "region.js" not in page
    assert saved(emil, seen="").status_code == 409
    assert samples.recipe_file.read_text() == "size_wh: ["


def test_the_page_obeys_the_policy(emil: httpx.Client, samples: SampleFolder) -> None:
    hostile = '{"include": "</div><script>"}'
    assert hostile not in emil.get(HERE).text
    assert Page(emil.get(HERE).text).obeys_the_policy
