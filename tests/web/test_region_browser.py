"""Where to look, drawn in a real browser: by mouse, finger and keys, saved as a recipe that a calibration takes."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from line import CAM1
from playwright.sync_api import Page, expect
from pydantic import ValidationError
from review_site import ReviewSite
from samples_drawn import HEIGHT, WIDTH, put_parts, seen_part
from services import wait_until

from calibration.calibrate import Options, calibrate
from inspector import recipe as recipes
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.roi import Area, Roi
from inspector.samples.folder import SampleFolder
from inspector.web.assets import ASSETS

Visit = Callable[..., Page]

STATION = str(CAM1)
HERE = f"/samples/region?station={STATION}"


@pytest.fixture
def samples(site: ReviewSite) -> Iterator[SampleFolder]:
    folder = SampleFolder(site.settings.data_dir, STATION)
    put_parts(folder, 12)
    yield folder
    for file in (*folder.good.iterdir(), *folder.folder.glob("*.*")):
        file.unlink()


@pytest.fixture
def draw(visit: Visit, samples: SampleFolder) -> Callable[..., Page]:
    """The page, as soon as its script is there."""

    def open_page(**options: Any) -> Page:
        page = visit("emil", HERE, **options)
        expect(page.locator("#which")).to_contain_text("Sample 1 of")
        return page

    return open_page


def on_screen(page: Page, x: float, y: float) -> tuple[float, float]:
    """Where a pixel of the frame is."""
    place = page.locator("#stage").evaluate(
        "(stage, at) => { const p = new DOMPoint(...at).matrixTransform(stage.getScreenCTM()); return [p.x, p.y]; }",
        [x, y],
    )
    return place[0], place[1]


def tool(page: Page, name: str) -> None:
    page.locator(f"[data-tool={name}]").click()


def polygon(page: Page, *corners: tuple[int, int], close: str | None = "Enter") -> None:
    tool(page, "polygon")
    for corner in corners:
        page.mouse.click(*on_screen(page, *corner))
    if close:
        page.keyboard.press(close)


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.mouse.move(*on_screen(page, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(page, (start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
    page.mouse.move(*on_screen(page, *end))
    page.mouse.up()


def drawn(page: Page, area: int = 0) -> list[list[float]]:
    """The corners of an area, as they stand on the page, in the order of the list."""
    points = page.locator("#shapes .edge").nth(area).get_attribute("points") or ""
    numbers = [float(one) for one in re.split("[ ,]", points)]
    return [list(pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]


def save(page: Page) -> None:
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#told")).to_be_visible()
    expect(page.locator("#told")).to_contain_text("Saved:")


def near(corners: list[list[float]], expected: list[tuple[int, int]]) -> bool:
    """Within a pixel: a pixel of the screen is as large as a fifth of one of the frame here."""
    return np.abs(np.array(corners) - np.array(expected)).max() <= 1


def test_a_polygon_drawn_by_mouse_is_the_recipe_that_a_calibration_leaves_the_rest_out_by(
    draw: Callable[..., Page], samples: SampleFolder, tmp_path: Path
) -> None:
    samples.recipe_file.write_text("size_wh: [64, 64]\nvectors: 64\nwhitening: 0\n")
    page = draw()
    corners = [(30, 10), (130, 12), (120, 110), (34, 108)]
    polygon(page, *corners)
    expect(page.locator("#save")).to_be_enabled()
    save(page)
    recipe = recipes.load(samples.recipe_file)
    assert recipe.roi is not None
    assert recipe.roi.frame_wh == (WIDTH, HEIGHT)
    assert near([list(one) for one in recipe.roi.include[0].polygon or ()], corners)
    assert recipe.vectors == 64
    expect(page.locator("#told")).to_contain_text(f"{100 * recipe.roi.inside().mean():.1f} % of the frame counts")
    page.wait_for_function(  # the page counts by itself, with the next picture that it paints
        "part => Math.abs(Number.parseFloat(document.getElementById('share').textContent) - part) <= 0.5",
        arg=100 * float(recipe.roi.inside().mean()),
    )
    href = page.locator("#told a").get_attribute("href") or ""
    assert href.endswith("/samples?station=plant%2Fhall1%2Fline1%2Fcam1")
    bank = tmp_path / "bank"
    calibrate(samples.good, bank, Options(recipe=recipe, folds=2))
    assert read_manifest(bank).recipe.roi == recipe.roi
    pipeline = Pipeline.open(bank)
    part = seen_part(3)
    scratched = part.copy()
    cv2.line(scratched, (2, 2), (20, 100), (255, 255, 255), 5)  # beside the region
    scores = [pipeline.inspect(cv2.imencode(".png", one)[1].tobytes()).score for one in (part, scratched)]
    assert scores[0] == scores[1]
    cv2.line(scratched, (50, 20), (110, 100), (255, 255, 255), 5)
    assert pipeline.inspect(cv2.imencode(".png", scratched)[1].tobytes()).score > scores[0]


def test_a_rectangle_to_leave_out_is_dragged_over_all_that_counts(
    draw: Callable[..., Page], samples: SampleFolder
) -> None:
    page = draw()
    expect(page.locator("#share")).to_have_text("100 %")
    page.get_by_role("button", name="Leave out", exact=True).click()
    tool(page, "rectangle")
    drag(page, (40, 30), (120, 90))
    expect(page.locator("[data-tool=move]")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => Number.parseFloat(document.getElementById('share').textContent) < 76")
    save(page)
    region = recipes.load(samples.recipe_file).roi
    assert region is not None
    assert region.include == ()
    assert near([list(one) for one in region.exclude[0].polygon or ()], [(40, 30), (120, 30), (120, 90), (40, 90)])
    assert region.inside().mean() == pytest.approx(0.75, abs=0.02)


def test_a_polygon_is_closed_by_its_first_corner_or_a_double_click_and_given_up_by_escape(
    draw: Callable[..., Page],
) -> None:
    page = draw()
    polygon(page, (20, 20), (60, 20), (60, 60), (20, 20), close=None)
    assert near(drawn(page), [(20, 20), (60, 20), (60, 60)])
    polygon(page, (90, 20), (140, 20), close=None)
    page.mouse.dblclick(*on_screen(page, 140, 60))
    assert near(drawn(page, 1), [(90, 20), (140, 20), (140, 60)])
    polygon(page, (90, 90), (140, 90), (140, 110), (100, 115), close="Backspace")
    page.keyboard.press("Enter")
    assert near(drawn(page, 2), [(90, 90), (140, 90), (140, 110)])
    polygon(page, (10, 90), (50, 90), (50, 110), close="Escape")
    page.keyboard.press("Enter")
    expect(page.locator("#shapes .area")).to_have_count(3)
    polygon(page, (10, 90), (50, 90))
    expect(page.locator("#aloud")).to_have_text("An area needs three corners.")
    expect(page.locator("#shapes .area")).to_have_count(3)
    page.keyboard.press("Escape")


def test_corners_and_areas_are_dragged_and_a_corner_comes_out_of_an_edge(draw: Callable[..., Page]) -> None:
    page = draw()
    polygon(page, (40, 30), (120, 30), (120, 90), (40, 90))
    drag(page, (120, 90), (140, 100))
    assert near(drawn(page), [(40, 30), (120, 30), (140, 100), (40, 90)])
    drag(page, (80, 30), (80, 10))
    assert near(drawn(page), [(40, 30), (80, 10), (120, 30), (140, 100), (40, 90)])
    drag(page, (70, 60), (60, 65))
    moved = [(30, 35), (70, 15), (110, 35), (130, 105), (30, 95)]
    assert near(drawn(page), moved)
    drag(page, (70, 60), (-90, 60))
    assert near(drawn(page), [(x - 30, y) for x, y in moved]), "an area stays in the frame"
    page.keyboard.press("Delete")  # of what was dragged last, the area
    expect(page.locator("#shapes .area")).to_have_count(0)
    page.keyboard.press("Control+z")
    page.mouse.click(*on_screen(page, 150, 115))
    expect(page.locator("#handles .corner")).to_have_count(0)
    page.mouse.click(*on_screen(page, 50, 60))
    expect(page.locator("#handles .corner")).to_have_count(5)
    page.keyboard.press("Delete")
    expect(page.locator("#shapes .area")).to_have_count(0)


def test_every_step_is_taken_back_and_done_again(draw: Callable[..., Page]) -> None:
    page = draw()
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    polygon(page, (40, 30), (120, 30), (120, 90), (40, 90))
    first = drawn(page)
    drag(page, (120, 90), (140, 100))
    second = drawn(page)
    assert first != second
    page.keyboard.press("Control+z")
    assert drawn(page) == first, "a drag is one step"
    page.keyboard.press("Control+Shift+z")
    assert drawn(page) == second
    page.locator("#surroundings").check()
    page.get_by_role("button", name="Look everywhere").click()
    expect(page.locator("#share")).to_have_text("100 %")
    expect(page.locator("#none")).to_be_visible()
    for _ in range(2):
        page.get_by_role("button", name="Undo").click()
    expect(page.locator("#surroundings")).not_to_be_checked()
    assert drawn(page) == second
    page.keyboard.press("Control+y")
    expect(page.locator("#surroundings")).to_be_checked()
    page.mouse.move(*on_screen(page, 140, 100))
    page.mouse.down()
    page.mouse.move(*on_screen(page, 100, 100))
    page.keyboard.press("Escape")
    page.mouse.up()
    assert drawn(page) == second, "Escape lets go of what is dragged"


def test_by_keys_alone(draw: Callable[..., Page], samples: SampleFolder) -> None:
    page = draw()

    def tab_to(selector: str) -> None:
        for _ in range(80):
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"{selector}: no tab stop")

    tab_to("[data-do=add]")
    page.keyboard.press("Enter")
    assert drawn(page) == [[40, 30], [120, 30], [120, 90], [40, 90]]
    expect(page.locator("#handles [data-corner='0']")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    assert drawn(page)[0] == [39, 20]
    label = "Corner 1 of Look at 1: x 39, y 20"
    expect(page.locator("#handles [data-corner='0']")).to_have_attribute("aria-label", label)
    page.keyboard.press("+")
    expect(page.locator("#handles [data-corner='1']")).to_be_focused()
    assert drawn(page)[1] == [80, 25]
    page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Delete")
    assert drawn(page) == [[39, 20], [120, 30], [120, 90], [40, 90]]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    assert drawn(page) == [[40, 20], [121, 30], [121, 90], [41, 90]]
    page.keyboard.press("Enter")
    expect(page.locator("#handles [data-corner='0']")).to_be_focused()
    tab_to("[data-at='2'][data-axis='0']")
    page.keyboard.press("Control+a")
    page.keyboard.type("150")
    page.keyboard.press("Tab")
    expect(page.locator("[data-at='2'][data-axis='1']")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type("999")
    page.keyboard.press("Tab")
    assert drawn(page)[2] == [150, HEIGHT]
    tab_to("[aria-label='Remove corner 4']")
    page.keyboard.press("Enter")
    assert drawn(page) == [[40, 20], [121, 30], [150, HEIGHT]]
    page.locator("[data-choose]").focus()
    tab_to("[aria-label='Remove corner 1']")
    page.keyboard.press("Enter")
    expect(page.locator("#aloud")).to_contain_text("An area needs three corners")
    tab_to("#surroundings")
    page.keyboard.press(" ")
    tab_to("#save")
    page.keyboard.press("Enter")
    expect(page.locator("#told")).to_contain_text("Saved:")
    region = recipes.load(samples.recipe_file).roi
    assert region == Roi.model_validate(
        {"frame_wh": (WIDTH, HEIGHT), "include": [[[40, 20], [121, 30], [150, 120]]], "surroundings": "seen"}
    )
    tab_to("[aria-label='Remove Look at 1']")
    page.keyboard.press("Enter")
    expect(page.locator("[data-do=add]")).to_be_focused()


def test_by_finger(draw: Callable[..., Page], samples: SampleFolder) -> None:
    page = draw(has_touch=True, is_mobile=True)
    page.locator("[data-tool=polygon]").tap()
    for corner in ((30, 20), (130, 20), (130, 100), (32, 22)):
        page.touchscreen.tap(*on_screen(page, *corner))
    assert near(drawn(page), [(30, 20), (130, 20), (130, 100)])
    box = page.locator("#handles [data-corner='2'] .hit").bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 43
    fingers = page.context.new_cdp_session(page)

    def dragged(start: tuple[float, float], end: tuple[float, float]) -> None:
        points = [
            on_screen(page, *(a + (b - a) * step / 5 for a, b in zip(start, end, strict=True))) for step in range(6)
        ]
        for number, (x, y) in enumerate(points):
            kind = "touchMove" if number else "touchStart"
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    dragged((130, 100), (100, 110))
    wait_until(lambda: near(drawn(page), [(30, 20), (130, 20), (100, 110)]), "the corner has come with the finger")
    page.get_by_role("button", name="Leave out", exact=True).tap()
    page.locator("[data-tool=rectangle]").tap()
    expect(page.locator("[data-tool=rectangle]")).to_have_attribute("aria-pressed", "true")
    dragged((60, 30), (90, 50))
    expect(page.locator("#shapes .area")).to_have_count(2)
    page.get_by_role("button", name="Save", exact=True).tap()
    expect(page.locator("#told")).to_contain_text("Saved:")
    region = recipes.load(samples.recipe_file).roi
    assert region is not None
    assert near([list(one) for one in region.exclude[0].polygon or ()], [(60, 30), (90, 30), (90, 50), (60, 50)])


def test_edges_that_cross_are_told_at_once_and_refused_with_nothing_lost(
    draw: Callable[..., Page], samples: SampleFolder
) -> None:
    page = draw()
    polygon(page, (40, 30), (120, 90), (120, 30), (40, 90))
    expect(page.locator("#shapes .area")).to_contain_class("wrong")
    expect(page.locator("#areas .wrong")).to_contain_text("This cannot be saved: its edges from")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#fault")).to_contain_text(re.compile("Look at 1: the edges that begin at .* cross"))
    assert not samples.recipe_file.exists()
    expect(page.locator("#shapes .area")).to_have_count(1)
    drag(page, (120, 90), (60, 20))
    expect(page.locator("#shapes .area")).not_to_contain_class("wrong")
    save(page)
    expect(page.locator("#fault")).to_be_hidden()


def test_page_and_server_call_the_same_polygons_crossed(draw: Callable[..., Page]) -> None:
    page = draw()
    rng = np.random.default_rng(5)
    polygons = [rng.integers(0, 9, (int(rng.integers(3, 8)), 2)).tolist() for _ in range(400)]
    told = page.evaluate(
        "async ([address, polygons]) => polygons.map((await import(address)).wrong)",
        [f"{ASSETS.address}/geometry.js", polygons],
    )
    refused = []
    for corners in polygons:
        try:
            Area(polygon=corners)
        except ValidationError:
            refused.append(True)
        else:
            refused.append(False)
    assert [one is not None for one in told] == refused
    assert 50 < sum(refused) < 350


THEIRS = Roi.model_validate({"frame_wh": (WIDTH, HEIGHT), "exclude": [[[0, 0], [80, 0], [80, 119], [0, 119]]]})


@pytest.fixture
def second(draw: Callable[..., Page], samples: SampleFolder) -> Page:
    """The page of somebody who drew while a colleague saved THEIRS, and who has tried to save."""
    page = draw()
    samples.look_at(THEIRS)
    polygon(page, (40, 30), (120, 30), (120, 90))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#conflict")).to_be_visible()  # from now on the drawing stays where it is
    return page


def test_somebody_elses_region_is_not_overwritten_and_is_seen_over_ones_own(
    second: Page, samples: SampleFolder
) -> None:
    expect(second.locator("#fault")).to_contain_text("Somebody changed where to look")
    expect(second.locator("#shapes .area")).to_have_count(1)
    expect(second.locator("#saved polygon.line")).to_have_attribute("points", "0,0 80,0 80,119 0,119")
    expect(second.locator("#conflict")).to_contain_text("1 to leave out: 49.4 % of the frame counts")
    expect(second.get_by_role("button", name="Save", exact=True)).to_be_hidden()
    assert samples.recipe().roi == THEIRS
    second.set_viewport_size({"width": 390, "height": 800})
    assert second.evaluate("document.documentElement.scrollWidth") <= 390


def test_of_two_who_draw_the_second_saves_all_the_same(second: Page, samples: SampleFolder) -> None:
    drag(second, (120, 90), (140, 100))  # what is drawn goes on being drawn
    mine = drawn(second)
    second.get_by_role("button", name="Save mine all the same").click()
    expect(second.locator("#told")).to_contain_text("Saved:")
    region = samples.recipe().roi
    assert region is not None
    assert [list(one) for one in region.include[0].polygon or ()] == mine
    assert region.exclude == ()
    for gone in ("#fault", "#conflict", "#saved polygon"):
        expect(second.locator(gone)).to_be_hidden()
    expect(second.get_by_role("button", name="Save", exact=True)).to_be_disabled()


def test_of_two_who_draw_the_second_takes_what_the_first_saved_and_can_go_back(
    second: Page, samples: SampleFolder
) -> None:
    mine = drawn(second)
    second.get_by_role("button", name="Load the saved one").click()
    expect(second.locator("#areas .entry")).to_have_count(1)
    assert near(drawn(second), [(0, 0), (80, 0), (80, 119), (0, 119)])
    expect(second.locator("#shapes .exclude")).to_have_count(1)
    expect(second.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    expect(second.locator("#conflict")).to_be_hidden()
    assert samples.recipe().roi == THEIRS
    second.get_by_role("button", name="Undo").click()
    assert drawn(second) == mine
    save(second)
    assert samples.recipe().roi != THEIRS


def test_a_third_who_saves_meanwhile_is_seen_too(second: Page, samples: SampleFolder) -> None:
    expect(second.locator("#conflict")).to_be_visible()
    samples.look_at(None)
    second.get_by_role("button", name="Save mine all the same").click()
    expect(second.locator("#conflict")).to_contain_text("the whole frame counts")
    expect(second.locator("#saved polygon")).to_have_count(0)
    assert samples.recipe().roi is None
    second.get_by_role("button", name="Load the saved one").click()
    expect(second.locator("#none")).to_be_visible()


@pytest.mark.faults
def test_an_answer_that_was_lost_is_no_colleague(draw: Callable[..., Page], samples: SampleFolder) -> None:
    page = draw()
    polygon(page, (40, 30), (120, 30), (120, 90))
    page.route("**/samples/region", lambda route: (route.fetch(), route.abort()), times=1)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#fault")).to_contain_text("The server cannot be reached")
    assert samples.recipe().roi is not None
    save(page)
    expect(page.locator("#fault")).to_be_hidden()
    expect(page.locator("#conflict")).to_be_hidden()


def test_a_server_or_login_that_is_gone_loses_nothing(
    draw: Callable[..., Page], samples: SampleFolder, site: ReviewSite
) -> None:
    page = draw()
    polygon(page, (40, 30), (120, 30), (120, 90))
    page.context.set_offline(True)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#fault")).to_contain_text("The server cannot be reached. What you drew is still here")
    page.context.set_offline(False)
    page.context.clear_cookies()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator("#fault")).to_contain_text("Your login has ended.")
    other = page.context.new_page()
    other.goto(f"/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
    save(page)
    assert recipes.load(samples.recipe_file).roi is not None


def test_leaving_with_what_is_not_saved_asks_first(draw: Callable[..., Page]) -> None:
    page = draw()
    asked: list[str] = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == []
    polygon(page, (40, 30), (120, 30), (120, 90))
    page.reload()
    assert asked == ["beforeunload"]
    polygon(page, (40, 30), (120, 30), (120, 90))
    save(page)
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("#shapes .area")).to_have_count(1)


def test_the_region_stays_while_other_samples_are_looked_through(
    draw: Callable[..., Page], samples: SampleFolder
) -> None:
    cv2.imwrite(str(samples.good / "part-2.tiff"), seen_part(77).astype(np.uint16) * 257)
    (samples.good / "part-2.png").unlink()
    page = draw()
    polygon(page, (40, 30), (120, 30), (120, 90))
    before = drawn(page)
    page.get_by_role("button", name="Previous sample").click()
    expect(page.locator("#which")).to_contain_text("Sample 12 of 12: part-9.png, 160 × 120 pixels")
    for _ in range(5):
        page.get_by_role("button", name="Next sample").click()
    expect(page.locator("#which")).to_contain_text("part-2.tiff")
    size = page.evaluate(
        "async () => { const image = new Image(); image.src = document.getElementById('photo').href.baseVal;"
        " await image.decode(); return [image.naturalWidth, image.naturalHeight]; }"
    )
    assert size == [WIDTH, HEIGHT]
    expect(page.locator("#lost")).to_be_hidden()
    assert drawn(page) == before
    samples.leave_out(["part-3.png"])
    (samples.left_out / "part-3.png").unlink()
    page.get_by_role("button", name="Next sample").click()
    expect(page.locator("#lost")).to_contain_text("part-3.png cannot be shown")
    samples.left_out.rmdir()


def test_a_mask_picture_of_the_recipe_is_seen_kept_and_removed(
    draw: Callable[..., Page], samples: SampleFolder
) -> None:
    white = np.zeros((HEIGHT, WIDTH), np.uint8)
    white[:, 80:] = 255
    cv2.imwrite(str(samples.folder / "right.png"), white)
    samples.recipe_file.write_text("roi:\n  include: [right.png]\n")
    before = samples.recipe().roi
    assert before is not None
    page = draw()
    expect(page.locator("#share")).to_have_text("50 %")
    expect(page.locator("#areas .what")).to_have_text("mask picture")
    page.get_by_role("button", name="Leave out", exact=True).click()
    tool(page, "rectangle")
    drag(page, (100, 30), (120, 90))
    save(page)
    region = recipes.load(samples.recipe_file).roi
    assert region is not None
    assert region.include == before.include
    assert len(region.exclude) == 1
    page.get_by_role("button", name="Remove Look at 1").click()
    page.wait_for_function("() => Number.parseFloat(document.getElementById('share').textContent) > 90")
    page.keyboard.press("Control+z")
    expect(page.locator("#areas .entry")).to_have_count(2)
    page.get_by_role("button", name="Remove Look at 1").click()
    save(page)
    while page.get_by_role("button", name="Undo").is_enabled():
        page.get_by_role("button", name="Undo").click()
    assert page.locator("#areas .what", has_text="mask picture").count() == 0, "it is gone from the recipe"


def test_outside_is_dim_on_the_screen_and_inside_is_as_it_was(draw: Callable[..., Page]) -> None:
    page = draw()
    page.wait_for_load_state("networkidle")

    def brightness(x: int, y: int) -> float:
        left, top = on_screen(page, x, y)
        shot = page.screenshot(clip={"x": left - 8, "y": top - 8, "width": 16, "height": 16})
        return float(cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR).mean())

    bare = brightness(50, 60), brightness(110, 60)
    polygon(page, (80, 5), (150, 5), (150, 115), (80, 115))
    page.mouse.click(*on_screen(page, 5, 115))
    assert brightness(110, 60) == pytest.approx(bare[1], abs=2)
    assert brightness(50, 60) == pytest.approx(0.4 * bare[0], abs=0.05 * bare[0])


def test_true_size_and_back(draw: Callable[..., Page]) -> None:
    page = draw()
    wide = page.locator("#stage").bounding_box()
    page.get_by_role("button", name="True size").click()
    true = page.locator("#stage").bounding_box()
    assert wide is not None
    assert true is not None
    assert (true["width"], true["height"]) == (WIDTH, HEIGHT)
    polygon(page, (40, 30), (120, 30), (120, 90))
    assert near(drawn(page), [(40, 30), (120, 30), (120, 90)])
    page.get_by_role("button", name="True size").click()
    assert page.locator("#stage").bounding_box() == wide


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_nothing_scrolls_sideways_or_is_without_a_name(draw: Callable[..., Page], width: int) -> None:
    page = draw(has_touch=width < 1000)
    page.set_viewport_size({"width": width, "height": 800})
    page.get_by_role("button", name="Add a rectangle in the middle").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    nameless = page.evaluate(
        "[...document.querySelectorAll('main button, main input, main [tabindex]')].filter(one => one.checkVisibility()"
        " && !(one.getAttribute('aria-label') || one.textContent.trim() || one.labels?.length))"
        ".map(one => one.outerHTML)"
    )
    assert nameless == []
    small = page.evaluate(
        "[...document.querySelectorAll('main button, main input')].filter(one => one.checkVisibility()).map(one => "
        "[one.outerHTML, one.closest('label') ?? one]).map(([html, one]) => [html, one.getBoundingClientRect()])"
        ".filter(([, box]) => Math.min(box.width, box.height) < 44).map(([html]) => html)"
    )
    assert small == []
