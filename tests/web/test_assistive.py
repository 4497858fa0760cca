"""For who hears the pages, or has no pointer: the focus stays where it was, all is named, and a key does each step."""

import re
from collections.abc import Callable

import pytest
from line import CAM1
from pages import on_frame, say, shows
from playwright.sync_api import Page, expect
from review_site import ReviewSite, decided, recorded

from inspector.banks.rebuilding import alone_at_station
from inspector.store import Candidates
from inspector.types import BankRef

Visit = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("empty_queue")


def tab_to(page: Page, selector: str) -> None:
    """By the tab key, as the focus is then a visible one."""
    for _ in range(60):
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector}: no tab stop")


def part_of(site: ReviewSite, frame: int) -> str:
    with site.engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SELECT part_id FROM frames WHERE id = {frame}").scalar_one())


def test_a_decision_by_button_leaves_the_focus_on_that_button(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)
    tab_to(page, ".say.unsure")
    page.keyboard.press("Enter")
    shows(page, frames[1])
    expect(page.locator(".say.unsure")).to_be_focused()
    tab_to(page, "[data-type='dent']")
    page.keyboard.press(" ")
    shows(page, frames[2])
    expect(page.locator("[data-type='dent']")).to_be_focused()
    recorded(site, frames[0], ("unsure", None, "olga"))
    recorded(site, frames[1], ("defect", "dent", "olga"))
    tab_to(page, "[data-do='next']")
    page.keyboard.press("Enter")
    shows(page, frames[3])
    page.locator("[data-do='previous']").click()
    shows(page, frames[2])
    assert page.evaluate("document.activeElement === document.body"), "after a click a blank must not press it again"


def test_a_button_that_is_held_down_decides_once(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    tab_to(page, ".say.unsure")
    page.keyboard.down("Enter")
    shows(page, frames[1])
    for _ in range(3):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    recorded(site, frames[0], ("unsure", None, "olga"))
    shows(page, frames[1])
    assert decided(site, frames[1]) == (None, None, None)


def test_each_frame_is_said_aloud(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    # slower than the keys
    page.route("**/disposition", lambda route: (page.wait_for_timeout(300), route.continue_())[1])
    status = page.get_by_role("status").filter(has_text="part-")
    expect(status).to_contain_text(f"{part_of(site, frames[1])}, ng, score ")
    say(page, "d")
    expect(status).to_contain_text(f"{part_of(site, frames[0])}, ng, score ")
    page.keyboard.press("ArrowLeft")
    expect(status).to_contain_text(f"{part_of(site, frames[1])}, ng, defect, score ")


def test_dialogs_say_what_they_ask(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    site.reviews.dispose(frames[0], to="unsure", reviewer="emil", version=0)
    say(page, "d")
    told = page.get_by_role("dialog", name="Somebody else was quicker")
    expect(told).to_have_accessible_description(re.compile("emil: “unsure”.*You: “defect”"))
    page.keyboard.press("Enter")
    page.goto("/")
    page.locator("input[name=pick]").first.check()
    say(page, "f")
    expect(page.get_by_role("dialog", name="1 frame: false alarm?")).to_be_visible()


def test_a_conflict_waits_until_the_note_is_written(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    site.reviews.dispose(frames[0], to="false_alarm", reviewer="emil", version=0)
    page.route("**/disposition", lambda route: (page.wait_for_timeout(300), route.continue_())[1])
    say(page, "d")
    shows(page, frames[1])
    page.keyboard.press("m")
    expect(page.locator(".note-editor textarea")).to_be_focused()
    expect(page.locator("#notice [data-conflicts]")).to_be_visible()  # it has met emil's by now
    page.keyboard.type("near the rim of the hole")
    expect(page.locator("#conflict")).to_be_hidden()
    expect(page.locator(".note-editor textarea")).to_have_value("near the rim of the hole")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="Somebody else was quicker")).to_be_visible()
    page.get_by_role("button", name="Keep theirs").click()
    expect(page.locator(".note-open")).to_contain_text("near the rim of the hole")
    assert decided(site, frames[0]) == ("false_alarm", None, "emil")


def test_an_enlarged_picture_is_moved_by_keys(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)

    def corner() -> tuple[float, float]:
        x, y, _, _ = map(float, str(page.locator(".stage").get_attribute("viewBox")).split())
        return x, y

    for _ in range(4):
        page.keyboard.press("+")
    middle = corner()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    assert corner()[0] > middle[0]
    assert corner()[1] > middle[1]
    for key in ("Shift+ArrowLeft", "Shift+ArrowUp") * 8:
        page.keyboard.press(key)
    assert corner() == (0, 0)
    shows(page, frames[0])
    page.keyboard.press("0")
    page.keyboard.press("ArrowRight")
    shows(page, frames[1])


def test_what_is_on_is_not_told_by_colour_alone(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    near = page.get_by_role("button", name="Nearest")
    expect(near).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("n")
    expect(near).to_have_attribute("aria-pressed", "true")
    say(page, "1")
    shows(page, frames[1])
    expect(near).to_have_attribute("aria-pressed", "true")  # it stays so
    recorded(site, frames[0], ("defect", "scratch", "olga"))
    page.goto(f"/frame/{frames[0]}")
    shows(page, frames[0])
    expect(page.locator(".type[aria-pressed=true]")).to_have_count(1)
    expect(page.locator(".type.on")).to_have_attribute("aria-pressed", "true")


def test_the_map_is_lifted_by_its_button_while_a_key_is_held(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", f"/frame/{site.add()}")
    page.wait_for_selector(".stage .map")
    tab_to(page, "[data-do='lift']")
    for key in (" ", "Enter"):
        page.keyboard.down(key)
        expect(page.locator(".stage")).to_contain_class("lifted")
        page.keyboard.up(key)
        expect(page.locator(".stage")).not_to_contain_class("lifted")


def test_nearest_normals_that_do_not_fit_are_moved_by_keys(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    page.set_viewport_size({"width": 320, "height": 640})
    page.wait_for_selector(".near .theirs")
    nearest = page.get_by_role("region", name="Nearest normals")
    nearest.focus()
    for key in ("ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.nearest').scrollLeft > 0")
    shows(page, frames[0])
    page.keyboard.press("d")
    shows(page, frames[1])


def test_letters_and_digits_as_keys_can_be_switched_off(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    page.keyboard.press("?")
    page.get_by_label("Letters and digits decide").uncheck()
    page.keyboard.press("Escape")
    expect(page.locator(".say.defect kbd")).to_be_hidden()
    for key in "d1?":
        page.keyboard.press(key)
    expect(page.locator("#keys")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    shows(page, frames[1])
    page.wait_for_timeout(500)  # a tap on a frame that nobody has seen does not count
    page.locator(".say.unsure").click()
    recorded(site, frames[1], ("unsure", None, "olga"))
    assert decided(site, frames[0]) == (None, None, None)
    page.goto("/?order=newest")
    card = page.locator(f"[data-frame='{frames[0]}']")
    card.locator(".picture").focus()
    page.keyboard.press("x")
    expect(card.locator("input")).not_to_be_checked()
    card.locator("input").check()
    page.keyboard.press("d")
    expect(page.locator("#confirm")).to_be_hidden()
    page.goto("/help")
    expect(page.get_by_label("Letters and digits decide")).not_to_be_checked()
    page.get_by_label("Letters and digits decide").check()
    page.goto(f"/frame/{frames[0]}?order=newest")
    shows(page, frames[0])
    say(page, "d")
    recorded(site, frames[0], ("defect", None, "olga"))


def test_the_queue_gives_the_focus_back(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(4)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page.locator(f"[data-frame='{frames[2]}'] .picture")).to_be_focused()
    page.keyboard.press("x")
    say(page, "u")
    page.keyboard.press("Enter")
    recorded(site, frames[2], ("unsure", None, "olga"))
    expect(page.locator(".frame-card")).to_have_count(3)
    expect(page.locator(f"[data-frame='{frames[1]}'] .picture")).to_be_focused()
    page.keyboard.press("z")
    expect(page.locator(".frame-card")).to_have_count(4)
    expect(page.locator(f"[data-frame='{frames[1]}'] .picture")).to_be_focused()
    page.keyboard.press("x")
    tab_to(page, "#batch [data-to='defect']")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Decide 1 frame")).to_be_focused()
    page.keyboard.press("Enter")
    recorded(site, frames[1], ("defect", None, "olga"))
    expect(page.locator(".frame-card")).to_have_count(3)
    assert page.evaluate("document.getElementById('cards').contains(document.activeElement)")


NAMED = ("link", "button", "checkbox", "textbox", "combobox", "slider", "spinbutton", "progressbar", "dialog", "image")


def without_name(page: Page) -> list[str]:
    """The roles of what a screen reader could only call by its role."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
    seen = [(one["role"]["value"], one.get("name", {}).get("value", "")) for one in tree if not one["ignored"]]
    assert len(seen) > 20
    return [role for role, name in seen if role in NAMED and not name.strip()]


def test_all_that_is_pressed_filled_in_or_followed_has_a_name(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    with alone_at_station(site.settings, str(CAM1)):
        candidate = Candidates(site.engine).begin(str(CAM1), by="ada", base=BankRef("bank1", "0" * 64)).id
        page = visit("ada", "/help")
        paths = ("/?state=all", f"/frame/{frame}", "/line", "/thresholds", "/samples", "/banks", "/audit", "/accounts")
        nameless = {}
        for width in (390, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            for path in (*paths, f"/banks/candidates/{candidate}"):
                page.goto(path)
                nameless[width, path] = without_name(page)
    Candidates(site.engine).tell(candidate, state="failed", fault="made for a test")
    assert {where: roles for where, roles in nameless.items() if roles} == {}


def contrast(one: str, other: str) -> float:
    """By WCAG, 1 to 21, of two colours as `rgb(r, g, b)`."""

    def light(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted([light(one), light(other)])
    return (bright + 0.05) / (dark + 0.05)


def test_the_focus_is_seen_on_dark_ground(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    page = visit("olga", "/?state=all")
    page.locator(".picture").first.focus()
    page.keyboard.press("Tab")
    box = page.locator("input[name=pick]").first
    expect(box).to_be_focused()
    rim, beyond = box.evaluate("one => [getComputedStyle(one).outlineWidth, getComputedStyle(one).boxShadow]")
    assert rim == "3px"
    assert beyond.endswith("rgb(255, 255, 255) 0px 0px 0px 8px")  # around the dark line, which ends at 5 px
    page.route("**/picture?*", lambda route: route.abort())
    page.goto(f"/frame/{frame}")
    again = page.get_by_role("button", name="Try again")
    expect(again).to_be_visible()
    tab_to(page, "[data-do='fetch']")
    colours = "one => [getComputedStyle(one).outlineColor, getComputedStyle(one.closest('.viewer')).backgroundColor]"
    assert contrast(*again.evaluate(colours)) >= 3


def test_a_selection_and_new_frames_are_said_aloud(site: ReviewSite, visit: Visit) -> None:
    for _ in range(3):
        site.add()
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(3)
    status = page.get_by_role("status").and_(page.locator("#aloud"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(status).to_have_text("1 selected")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("x")
    expect(status).to_have_text("2 selected")
    site.add()
    expect(status).to_have_text("New frames: show")
    page.keyboard.press("Escape")
    expect(status).to_have_text("0 selected")
