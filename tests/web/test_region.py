"""A region of interest on the page of a frame: what the line did not look at is grey and dim, as in the reports."""

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from PIL import Image
from playwright.sync_api import Page, expect
from review_site import ReviewSite, running_site

from calibration.calibrate import Options, calibrate
from inspector import frame as decoder
from inspector.heatmap import BORDER, shade
from inspector.recipe import Crop, Recipe
from inspector.roi import Roi
from inspector.types import UInt8Image
from inspector.web.region import Region
from inspector.window import frame_counts

Visit = Callable[..., Page]

ROI = Roi.model_validate(
    {
        "frame_wh": (96, 96),
        "include": [[[8, 8], [87, 8], [87, 79], [30, 87], [8, 79]]],
        "exclude": [[[60, 20], [80, 20], [80, 30], [60, 30]]],
    }
)
RECIPE = Recipe(name="disc", size_wh=(64, 64), vectors=64, roi=ROI)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReviewSite]:
    """A page whose bank has a region of interest."""
    folder = tmp_path_factory.mktemp("region")
    good = write_good(folder / "good", 10, first_seed=1000)
    calibrate(good, folder / "banks" / "tile", Options(recipe=RECIPE, folds=2))
    with running_site(folder, folder / "banks" / "tile") as running:
        yield running


def red_part() -> bytes:
    """A scratched part under red light: what is grey is seen to be so."""
    part = cv2.imdecode(np.frombuffer(drawn_part(77, scratched=True), np.uint8), cv2.IMREAD_COLOR)
    reddish = np.clip(part * np.array([0.5, 0.7, 1.2]), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".png", reddish)[1])


def as_seen(page: Page) -> UInt8Image:
    """The picture as it stands on the screen, shrunk to the frame's size: uint8 (96, 96, 3) RGB."""
    page.add_style_tag(content=".over, .regions { display: none }")
    box = page.locator(".stage").bounding_box()
    assert box is not None
    side = min(box["width"], box["height"])
    clip = {
        "x": box["x"] + (box["width"] - side) / 2,
        "y": box["y"] + (box["height"] - side) / 2,
        "width": side,
        "height": side,
    }
    taken = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")
    return np.asarray(taken.resize((96, 96), Image.Resampling.BOX), np.uint8)


def test_a_frame_is_grey_and_dim_where_it_does_not_count(site: ReviewSite, visit: Visit) -> None:
    payload = red_part()
    frame = site.add(payload)
    page = visit("olga", f"/frame/{frame}", bypass_csp=True)
    page.wait_for_selector(".near")
    page.wait_for_load_state("networkidle")
    bare = decoder.decode(payload).pixels
    expected = shade(bare, frame_counts(RECIPE))
    away = np.abs(as_seen(page).astype(int) - expected).max(-1)
    # Pixels beside an edge are mixed where the page's scale is no whole number.
    assert np.percentile(away, 85) <= 12
    assert away[:6].max() <= 12  # outside alone, without any edge
    page.keyboard.down("h")
    expect(page.locator(".left-out")).to_be_hidden()
    assert np.percentile(np.abs(as_seen(page).astype(int) - bare).max(-1), 85) <= 12
    page.keyboard.up("h")
    expect(page.locator(".left-out")).to_be_attached()


def test_all_frames_of_a_bank_share_the_pictures_of_its_region(site: ReviewSite) -> None:
    with site.client() as olga:
        page = olga.get(f"/frame/{site.add()}").text
        address = page.partition('class="colourless" href="')[2].partition('"')[0]
        answer = olga.get(address)
        assert answer.headers["cache-control"].endswith("immutable")
        assert address in olga.get(f"/frame/{site.add()}/panel").text
        assert olga.get(address.replace("outside", "inside")).status_code == 422
        assert olga.get(f"/bank-region/{'0' * 64}/outside").status_code == 404
    drawn = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGBA"))
    counts = frame_counts(RECIPE)
    assert counts is not None
    np.testing.assert_array_equal(drawn[..., 3] == 0, counts)
    assert not drawn[~counts][:, :3].any()


def test_nothing_is_dimmed_where_no_region_is_known(bank: Path, site: ReviewSite, tmp_path: Path) -> None:
    place = Path(shutil.copytree(bank, tmp_path / "banks" / "tile"))
    with running_site(tmp_path, place) as plain, plain.client() as olga:
        frame = plain.add()
        assert "left-out" not in olga.get(f"/frame/{frame}").text
        digest = olga.get(f"/api/v1/frames/{frame}").json()["verdict"]["bank"]["digest"]
        assert olga.get(f"/bank-region/{digest}/border").status_code == 404
    gone = site.add()
    with site.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE frames SET bank_digest = '{'0' * 64}' WHERE id = {gone}")
    with site.client() as olga:
        assert "left-out" not in olga.get(f"/frame/{gone}").text


def test_the_pictures_of_a_large_region_are_small() -> None:
    roi = Roi.model_validate({"frame_wh": (4000, 3000), "include": [[[0, 0], [3000, 0], [3000, 2500], [0, 2500]]]})
    region = Region.of(Recipe(roi=roi, crop=Crop(x=100, y=0, width=3900, height=3000)))
    assert region is not None
    assert len(region.outside_png) + len(region.border_png) < 30_000
    with Image.open(io.BytesIO(region.border_png)) as edge:
        assert edge.size == (4000, 3000)
        assert BORDER in {colour[:3] for _, colour in edge.convert("RGBA").getcolors() or () if colour[3]}
