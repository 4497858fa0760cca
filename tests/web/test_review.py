"""Reviewing as an operator does: the real page in a real browser, by keyboard, by touch, and in trouble."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from line import drawn_part
from pages import ahead, all_sent, on_frame, say, shows
from playwright.sync_api import Page, Route, expect
from review_site import PASSWORD, ReviewSite, decided, recorded
from services import wait_until
from sqlalchemy import select, update

from inspector.store.tables import sessions
from inspector.web import live

Visit = Callable[..., Page]
SIDES = ("x", "y", "width", "height")

pytestmark = pytest.mark.usefixtures("empty_queue")


def shown(page: Page) -> int:
    """Which frame the page shows."""
    return int(page.locator(".panel").get_attribute("data-frame") or 0)


OTHER = """before => {
  const panel = document.querySelector(".panel");
  return panel?.dataset.frame !== String(before) && !panel?.matches("[data-busy], :has(.coming)");
}"""
"""Another frame is there, and takes what is said of it; or none."""


def press(page: Page, key: str) -> None:
    """A key that leads to another frame, or out of the queue."""
    before = shown(page)
    page.keyboard.press(key)
    page.wait_for_function(OTHER, arg=before)


def log_all_out(site: ReviewSite) -> None:
    with site.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM sessions")


def test_by_keyboard_alone_from_the_queue_to_nothing_waits(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(4)
    page.keyboard.press("Enter")
    page.wait_for_selector(".near .theirs")
    assert shown(page) == frames[3]
    press(page, "d")
    press(page, "f")
    press(page, "u")
    say(page, "2")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    recorded(site, frames[3], ("defect", None, "olga"))
    recorded(site, frames[2], ("false_alarm", None, "olga"))
    recorded(site, frames[1], ("unsure", None, "olga"))
    recorded(site, frames[0], ("defect", "dent", "olga"))


def test_the_reasons_stand_beside_the_picture(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", f"/frame/{site.add()}")
    page.wait_for_selector(".near .theirs")
    assert page.locator(".patch").first.locator(".theirs").count() == 3
    distances = [float(text) for text in page.locator(".patch").first.locator(".theirs figcaption").all_inner_texts()]
    assert distances == sorted(distances)
    assert distances[0] > 0
    loaded = "image => new Promise(done => { const seen = new Image(); seen.onload = () => done(seen.naturalWidth); "
    loaded += "seen.onerror = () => done(0); seen.src = image.getAttribute('href'); })"
    for selector in (".photo", ".map", ".theirs .crop image"):
        assert page.locator(selector).first.evaluate(loaded) > 0, selector
    expect(page.locator(".side")).to_contain_text("ng above")
    expect(page.locator(".side")).to_contain_text("p = ")
    expect(page.locator(".side")).to_contain_text("embed ")


def test_the_map_is_lifted_while_h_is_held_and_its_density_remembered(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[0]}")
    page.wait_for_selector(".map[opacity='0.5']", state="attached")
    page.keyboard.down("h")
    expect(page.locator(".map")).to_have_attribute("opacity", "0")
    page.keyboard.up("h")
    expect(page.locator(".map")).to_have_attribute("opacity", "0.5")
    page.locator(".map-slider input").fill("90")
    page.goto(f"/frame/{frames[1]}")
    page.wait_for_selector(".map[opacity='0.9']", state="attached")


def flagged(page: Page) -> tuple[float, float]:
    """The middle of the worst region."""
    x, y, width, height = (float(page.locator("rect.region").first.get_attribute(of) or "") for of in SIDES)
    return x + width / 2, y + height / 2


def clamp(value: float, most: float) -> float:
    return min(max(value, 0.0), most)


def spotted_in_the_corner() -> bytes:
    part = cv2.imdecode(np.frombuffer(drawn_part(1), np.uint8), cv2.IMREAD_COLOR)
    cv2.rectangle(part, (84, 84), (95, 95), (0, 0, 255), -1)
    return bytes(cv2.imencode(".png", part)[1])


def test_keys_zoom_in_on_what_is_flagged(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", f"/frame/{site.add(spotted_in_the_corner())}")
    stage = page.locator(".stage")
    aim_x, aim_y = flagged(page)
    assert max(abs(aim_x - 48), abs(aim_y - 48)) > 15, "the region is to lie beside the middle"
    for _ in range(9):
        page.keyboard.press("+")
        x, y, width, height = (float(part) for part in (stage.get_attribute("viewBox") or "").split())
        assert x <= aim_x <= x + width
        assert y <= aim_y <= y + height
    page.keyboard.press("Shift+ArrowLeft")
    moved = [float(part) for part in (stage.get_attribute("viewBox") or "").split()]
    page.keyboard.press("-")
    x, y, width, height = (float(part) for part in (stage.get_attribute("viewBox") or "").split())
    assert x + width / 2 == pytest.approx(moved[0] + moved[2] / 2)  # where somebody looks, it stays


def test_digits_are_keys_where_they_take_shift_to_type(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)

    def strike(code: str, key: str, **more: bool) -> None:
        said = {"code": code, "key": key, "bubbles": True, **more}
        page.wait_for_timeout(110)  # each by itself
        page.evaluate("said => document.body.dispatchEvent(new KeyboardEvent('keydown', said))", said)

    whole = page.locator(".stage").get_attribute("viewBox")
    page.keyboard.press("+")
    assert page.locator(".stage").get_attribute("viewBox") != whole
    strike("Digit0", "à")  # as in France
    assert page.locator(".stage").get_attribute("viewBox") == whole
    strike("Digit6", "-", repeat=True)  # held down since the frame before
    strike("Digit6", "-")
    shows(page, frames[1])
    strike("Digit2", "2", shiftKey=True)
    shows(page, frames[2])
    strike("Numpad6", "ArrowRight")  # without NumLock
    shows(page, frames[3])
    recorded(site, frames[0], ("defect", "missing part", "olga"))
    recorded(site, frames[1], ("defect", "dent", "olga"))
    assert [decided(site, frame)[0] for frame in frames[2:]] == [None, None]


def test_zoom_and_pan(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", f"/frame/{site.add()}")
    stage = page.locator(".stage")
    page.keyboard.press("+")
    x, y, width, height = (float(part) for part in (stage.get_attribute("viewBox") or "").split())
    assert width == pytest.approx(96 / 1.25)
    aim_x, aim_y = flagged(page)
    assert (x, y) == pytest.approx((clamp(aim_x - width / 2, 96 - width), clamp(aim_y - height / 2, 96 - height)))
    box = stage.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -300)
    page.wait_for_function("() => document.querySelector('.stage').viewBox.baseVal.width < 50")
    before = float((stage.get_attribute("viewBox") or "").split()[0])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 - 80, box["y"] + box["height"] / 2)
    page.mouse.up()
    assert float((stage.get_attribute("viewBox") or "").split()[0]) > before
    page.keyboard.press("0")
    expect(stage).to_have_attribute("viewBox", "0 0 96 96")


def test_z_takes_the_last_one_back_and_shows_it_again(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    press(page, "f")
    press(page, "1")
    assert shown(page) == frames[0]
    press(page, "z")
    assert shown(page) == frames[1]
    recorded(site, frames[1], (None, None, None))
    press(page, "z")
    assert shown(page) == frames[2]
    both = ["dispose", "undo"]  # before the first of them is recorded, nobody has said anything either
    wait_until(lambda: [row.action for row in site.reviews.history(frames[2])] == both, "both are recorded")
    recorded(site, frames[2], (None, None, None))
    press(page, "d")
    recorded(site, frames[2], ("defect", None, "olga"))


def test_arrows_go_on_without_deciding(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    press(page, "ArrowRight")
    press(page, "ArrowRight")
    assert shown(page) == frames[0]
    press(page, "ArrowLeft")
    assert shown(page) == frames[1]
    assert [decided(site, frame)[0] for frame in frames] == [None, None, None]


def test_the_second_operator_is_told_and_nothing_is_overwritten(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    olga, emil = (visit(name, f"/frame/{frames[1]}?order=newest") for name in ("olga", "emil"))
    olga.wait_for_selector(".near")
    say(emil, "3")
    recorded(site, frames[1], ("defect", "crack", "emil"))
    say(olga, "f")
    told = olga.locator("#conflict")
    expect(told).to_be_visible()
    expect(told).to_contain_text("emil: “crack”")
    expect(told).to_contain_text(re.compile(r"You: “false alarm” \(part-\d+\)\."))
    olga.get_by_role("button", name="Keep theirs").click()
    expect(told).to_be_hidden()
    assert decided(site, frames[1]) == ("defect", "crack", "emil")


def test_after_a_conflict_one_can_decide_again(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    olga = visit("olga", f"/frame/{frames[1]}?order=newest")
    olga.wait_for_selector(".near")
    site.reviews.dispose(frames[1], to="unsure", reviewer="emil", version=0)
    press(olga, "d")
    olga.get_by_role("button", name="Decide again").click()
    olga.wait_for_function("frame => document.querySelector('.panel').dataset.frame === String(frame)", arg=frames[1])
    expect(olga.locator(".history")).to_contain_text("emil")
    press(olga, "d")
    recorded(site, frames[1], ("defect", None, "olga"))
    assert [row.reviewer for row in site.reviews.history(frames[1])] == ["emil", "olga"]


def test_a_conflict_stays_until_its_frame_can_be_had(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    site.reviews.dispose(frames[0], to="unsure", reviewer="emil", version=0)
    press(page, "d")
    expect(page.locator("#conflict")).to_be_visible()
    page.context.set_offline(True)
    page.get_by_role("button", name="Decide again").click()
    expect(page.locator("#conflict")).to_be_hidden()
    page.context.set_offline(False)
    page.get_by_role("link", name="1 decision of yours met somebody else's").click()
    page.get_by_role("button", name="Decide again").click()
    expect(page.locator("#notice")).to_be_hidden()
    shows(page, frames[0])
    expect(page.locator("#conflict")).to_be_hidden()
    press(page, "d")
    recorded(site, frames[0], ("defect", None, "olga"))


def remove(site: ReviewSite, *frames: int) -> None:
    """As retention does."""
    with site.engine.begin() as connection:
        for frame in frames:
            connection.exec_driver_sql(f"DELETE FROM frames WHERE id = {frame}")


@pytest.mark.parametrize("gone", [1, 2])
def test_a_frame_that_was_removed_is_passed_over(site: ReviewSite, visit: Visit, gone: int) -> None:
    page, frames = on_frame(site, visit, 7)
    remove(site, *frames[5 : 5 + gone])
    for frame in frames[:5]:  # these are there
        shows(page, frame)
        say(page, "d")
    if gone == 1:
        shows(page, frames[6])
    else:
        expect(page.locator("#cards")).to_be_attached()
    recorded(site, frames[4], ("defect", None, "olga"))


def test_a_conflict_about_a_frame_that_was_removed_is_over(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)
    site.reviews.dispose(frames[0], to="unsure", reviewer="emil", version=0)
    press(page, "d")
    expect(page.locator("#conflict")).to_be_visible()
    page.wait_for_load_state("networkidle")
    site.reviews.dispose(frames[1], to="unsure", reviewer="emil", version=0)
    remove(site, frames[0])
    page.get_by_role("button", name="Decide again").click()
    expect(page.locator("#notice")).to_have_text("That frame is no longer there.")
    press(page, "d")
    expect(page.locator("#conflict")).to_be_visible()
    page.goto("/")
    remove(site, frames[1])
    page.get_by_role("link", name="1 decision of yours met somebody else's").click()
    expect(page.locator("#notice")).to_have_text("That frame is no longer there.")


def test_a_session_that_ends_in_the_middle_loses_nothing(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", f"/frame/{frames[3]}?order=newest")
    page.wait_for_selector(".near")
    ahead(page, frames[2], frames[1])
    log_all_out(site)
    press(page, "d")
    say(page, "f")
    expect(page.locator("#notice")).to_contain_text("Your session has ended. 2 decisions are kept here")
    assert decided(site, frames[3]) == (None, None, None)
    page.get_by_role("link", name="Log in").click()
    expect(page.locator("#notice")).to_contain_text("2 decisions wait in this browser")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector(".panel")
    recorded(site, frames[3], ("defect", None, "olga"))
    recorded(site, frames[2], ("false_alarm", None, "olga"))
    expect(page.locator("#notice")).to_be_hidden()


def test_what_one_decided_is_never_sent_under_anothers_name(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    log_all_out(site)
    say(page, "d")
    expect(page.locator("#notice")).to_contain_text("1 decision is kept here")
    page.goto(f"/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
    expect(page.locator("#notice")).to_contain_text("Decisions of olga wait in this browser")
    assert decided(site, frames[1]) == (None, None, None)
    page.goto(f"/enter?code={site.sessions.begin_link('olga', 1, by='ada')}")
    recorded(site, frames[1], ("defect", None, "olga"))


def test_who_logs_in_in_another_tab_does_not_lose_what_one_decided(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    page.wait_for_selector(".near")
    ahead(page, frames[1], frames[0])
    log_all_out(site)
    press(page, "d")
    expect(page.locator("#notice")).to_contain_text("1 decision is kept here")
    other = page.context.new_page()
    other.goto(f"/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
    say(page, "f")  # under Emil's cookie, with Olga's name and token
    expect(page.locator("#notice")).to_contain_text("2 decisions are kept here and will be sent after you log in")
    assert [decided(site, frame) for frame in frames[1:]] == [(None, None, None)] * 2
    other.goto(f"/enter?code={site.sessions.begin_link('olga', 1, by='ada')}")
    recorded(site, frames[2], ("defect", None, "olga"))
    recorded(site, frames[1], ("false_alarm", None, "olga"))


def test_the_strip_keeps_its_links_while_it_says_the_same(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    ahead(page, frames[0])
    log_all_out(site)
    press(page, "d")
    page.get_by_role("link", name="Log in").focus()
    page.wait_for_timeout(2500)
    assert page.evaluate("document.activeElement.textContent") == "Log in"


def test_a_conflict_is_told_to_whose_decision_it_was(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    site.reviews.dispose(frames[1], to="unsure", reviewer="ada", version=0)
    press(page, "d")
    expect(page.locator("#conflict")).to_be_visible()
    page.goto(f"/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
    page.goto(f"/frame/{frames[0]}")
    page.wait_for_selector(".near")
    expect(page.locator("#conflict")).to_be_hidden()
    expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("There is nothing to take back")
    page.goto(f"/enter?code={site.sessions.begin_link('olga', 1, by='ada')}")
    expect(page.locator("#notice")).to_contain_text("1 decision of yours met somebody else's")


def test_a_database_that_takes_nothing_keeps_the_work(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    page.wait_for_selector(".near")
    ahead(page, frames[1], frames[0])
    with closing(sqlite3.connect(site.settings.data_dir / "ledger.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        press(page, "d")
        press(page, "f")
        expect(page.locator("#notice")).to_contain_text("The database does not answer. 2 decisions are kept here")
        other.execute("ROLLBACK")
    recorded(site, frames[2], ("defect", None, "olga"))
    recorded(site, frames[1], ("false_alarm", None, "olga"))
    expect(page.locator("#notice")).to_be_hidden()


def test_a_browser_that_stores_nothing_still_sends(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", "/")
    page.add_init_script("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };")
    page.goto(f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    say(page, "d")
    recorded(site, frames[1], ("defect", None, "olga"))


def test_the_last_decision_is_taken_back_from_the_queue_that_it_led_to(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    page = visit("olga", f"/frame/{frame}")
    page.wait_for_selector(".near")
    say(page, "d")
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))  # loaded: keys are listened to
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    recorded(site, frame, ("defect", None, "olga"))
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("taken back")
    recorded(site, frame, (None, None, None))
    expect(page.locator(".frame-card")).to_have_count(1)
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("There is nothing to take back")


def test_a_page_that_nobody_uses_logs_out(site: ReviewSite, visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_LASTS_S", 3.0)  # so long lasts one stream; the browser asks for another
    page = visit("olga", "/")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    with site.engine.begin() as connection:
        before = datetime.now(UTC) - timedelta(minutes=100)
        connection.execute(update(sessions).values(seen_at=before))
    site.add()
    expect(page.locator(".frame-card img")).to_be_visible()  # the page asked anew by itself, for the picture as well
    with site.engine.begin() as connection:
        assert set(connection.execute(select(sessions.c.seen_at)).scalars()) == {before}
        connection.execute(update(sessions).values(seen_at=datetime.now(UTC) - timedelta(minutes=121)))
    expect(page.get_by_label("Password")).to_be_visible()


def test_who_is_selecting_when_the_session_ends_loses_neither_the_selection_nor_the_note(
    site: ReviewSite, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LASTS_S", 1.0)
    frame = site.add()
    page = visit("olga", "/")
    page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    say(page, "u")
    page.get_by_label("Note, if there is more to say").fill("seen from the side")
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/me") and answer.status == 401):
        log_all_out(site)
    with page.expect_response(lambda answer: answer.url.endswith("/api/v1/me") and answer.status == 401):
        pass  # it has seen that the session is over, and looks again
    expect(page.locator("#notice")).to_be_hidden()
    page.get_by_role("button", name="Decide 1 frame").click()
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    recorded(site, frame, ("unsure", None, "olga"))
    assert [said.note for said in site.reviews.history(frame)] == ["seen from the side"]


def test_gloves_do_what_keys_do(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", f"/frame/{frames[1]}?order=newest", has_touch=True)
    page.set_viewport_size({"width": 820, "height": 1180})
    for button in page.locator(".panel button:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    page.get_by_role("button", name="4 stain").tap()
    page.wait_for_function("frame => document.querySelector('.panel').dataset.frame === String(frame)", arg=frames[0])
    recorded(site, frames[1], ("defect", "stain", "olga"))


UNCOVERED = """(line) => {
  const box = (name) => document.querySelector(name).getBoundingClientRect();
  const strip = document.getElementById("notice");
  const top = strip.hidden ? box(".bar").bottom : strip.getBoundingClientRect().bottom;
  return box(".viewer").top + line >= top && box(".viewer").bottom <= box(".says").top;
}"""
"""Nothing that stays where it is covers any of the picture, or no more than a line of so many pixels at its top."""


@pytest.mark.parametrize("away", [False, True], ids=["all well", "with something in the strip"])
def test_on_a_phone_the_next_frame_comes_with_its_picture_in_sight(site: ReviewSite, visit: Visit, away: bool) -> None:
    frames = [site.add() for _ in range(3)][::-1]
    page = visit("olga", f"/frame/{frames[0]}?order=newest", has_touch=True, is_mobile=True)
    page.set_viewport_size({"width": 390, "height": 844})
    ahead(page, *frames[1:])
    page.context.set_offline(away)
    for frame in frames[:2]:
        shows(page, frame)
        expect(page.locator("#notice")).to_be_visible(visible=away and frame != frames[0])
        page.wait_for_selector(".panel .near")  # what comes above a button moves it under the finger
        page.wait_for_timeout(600)  # a tap on a frame that nobody has seen does not count, nor half of a double tap
        stain = page.get_by_role("button", name="stain")
        stain.evaluate("(one) => one.scrollIntoView({ block: 'center' })")
        assert not page.evaluate(UNCOVERED, 0)
        stain.tap()
    shows(page, frames[2])
    page.wait_for_function(UNCOVERED, arg=30 if away else 0)  # the strip may say a line more once the frame is there
    page.context.set_offline(False)
    recorded(site, frames[1], ("defect", "stain", "olga"))


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_on_a_phone_what_the_line_said_and_what_a_defect_would_enter_stand_over_the_buttons(
    site: ReviewSite, visit: Visit, locale: str
) -> None:
    frame = site.add(drawn_part(7100))
    page = visit("olga", f"/frame/{frame}?state=all", has_touch=True, is_mobile=True, locale=locale)
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_selector(".near")
    top = page.locator(".says").evaluate("(one) => one.getBoundingClientRect().top")
    for said in (".side header .badge.ok", ".side h1", ".side > .told"):
        box = page.locator(said).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= top, said
    page.get_by_role("button", name="Notiz" if locale == "de-DE" else "Note").tap()
    assert [one for one in page.locator(".panel kbd").all() if one.is_visible()] == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (820, 1180)], ids=["phone", "tablet"])
def test_undo_is_where_the_thumb_is(site: ReviewSite, visit: Visit, width: int, height: int) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", f"/frame/{frames[1]}?order=newest", has_touch=True)
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_selector(".near")
    page.locator(".says .false_alarm").tap()
    page.wait_for_function("frame => document.querySelector('.panel').dataset.frame === String(frame)", arg=frames[0])
    recorded(site, frames[1], ("false_alarm", None, "olga"))
    undo = page.get_by_role("button", name="Undo")
    box = undo.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= height
    page.wait_for_timeout(500)  # a tap on a frame that nobody has seen does not count
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_function("frame => document.querySelector('.panel').dataset.frame === String(frame)", arg=frames[1])
    recorded(site, frames[1], (None, None, None))


def test_undo_keeps_the_focus_of_a_keyboard(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    press(page, "d")
    undo = page.get_by_role("button", name="Undo")
    undo.focus()
    press(page, "Enter")
    expect(undo).to_be_focused()


def test_script_in_names_is_text(site: ReviewSite, visit: Visit) -> None:
    nasty = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    frame = site.add(part_id=nasty, lot=nasty, frame_id=nasty)
    page = visit("olga", "/")
    expect(page.locator(".caption").first).to_contain_text(nasty)
    page.goto(f"/frame/{frame}")
    expect(page.locator(".side h1")).to_have_text(nasty)
    page.wait_for_selector(".near")
    assert page.locator("img[src=x]").count() == 0
    say(page, "d")
    page.wait_for_selector("#cards", state="attached")
    recorded(site, frame, ("defect", None, "olga"))
    assert page.title() != "1"


def test_a_picture_or_a_bank_that_is_gone_is_told(site: ReviewSite, visit: Visit) -> None:
    without_picture = site.add(kept=False)
    without_bank = site.add()
    with site.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE frames SET bank_digest = '{'0' * 64}' WHERE id = {without_bank}")
    page = visit("olga", f"/frame/{without_picture}")
    expect(page.locator(".viewer")).to_contain_text("Not archived: the archive was full or could not be written.")
    page.goto(f"/frame/{without_bank}")
    expect(page.locator(".nearest")).to_contain_text("The bank of that time is no longer here.")
    expect(page.locator(".photo")).to_be_visible()


def test_a_picture_that_does_not_come_is_told_and_no_map_looks_like_it(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    page.goto("/help")
    page.route("**/picture?*", lambda route: route.abort())
    page.goto(f"/frame/{frames[0]}?order=newest")
    words, again = page.get_by_text("The picture could not be loaded."), page.get_by_role("button", name="Try again")
    expect(words).to_be_visible()
    page.wait_for_selector(".near")
    expect(page.locator(".map")).to_be_hidden()
    page.unroute_all()
    again.click()
    expect(words).to_be_hidden()
    expect(page.locator(".map")).to_be_visible()
    press(page, "d")
    recorded(site, frames[0], ("defect", None, "olga"))


def test_nobody_decides_a_frame_whose_picture_has_not_come(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", "/help")
    held: list[Route] = []
    page.route(f"**/frame/{frames[1]}/picture?*", lambda route: held.append(route))
    page.goto(f"/frame/{frames[1]}?order=newest", wait_until="commit")
    page.wait_for_selector(".near")
    expect(page.locator(".map")).to_be_hidden()
    page.keyboard.press("f")
    page.keyboard.press("1")
    expect(page.locator(".map")).to_be_hidden()
    assert len(held) == 1
    held[0].continue_()
    expect(page.locator(".map")).to_be_visible()
    assert shown(page) == frames[1]
    press(page, "u")
    recorded(site, frames[1], ("unsure", None, "olga"))
    assert [said.to_disposition for said in site.reviews.history(frames[1])] == ["unsure"]


MEASURE = """
    window.took = [];
    let pressed = 0;
    addEventListener("keydown", () => { pressed = performance.now(); }, true);
    addEventListener("DOMContentLoaded", () => new MutationObserver(() => {
      const since = pressed;  // the next key may come before this frame is painted
      pressed = 0;
      if (since) requestAnimationFrame(() => window.took.push(performance.now() - since));
    }).observe(document.getElementById("frame"), { childList: true }));
"""


def test_two_hundred_decisions_in_under_a_minute_each_within_a_tenth_of_a_second(
    site: ReviewSite, visit: Visit
) -> None:
    pictures = [drawn_part(7000 + number, scratched=True) for number in range(25)]
    frames = [site.add(pictures[number % 25]) for number in range(201)]
    page = visit("olga", "/")
    page.add_init_script(MEASURE)
    page.goto(f"/frame/{frames[200]}?order=newest")
    page.wait_for_selector(".near")
    for number in range(200):
        press(page, "df"[number % 2])
    wait_until(lambda: all(decided(site, frame)[0] for frame in frames[1:]), "every decision is recorded")
    assert [decided(site, frame)[0] for frame in reversed(frames[1:])] == ["defect", "false_alarm"] * 100
    page.wait_for_function("() => window.took.length >= 200")
    took = sorted(page.evaluate("window.took"))
    assert len(took) == 200
    assert sum(took) < 60_000, "all that the hand waits for, between its own tenths of a second"
    assert took[100] < 100, f"median {took[100]:.0f} ms, slowest {took[-1]:.0f} ms"


TOO_MANY = "Several keys came at once: nothing was decided."


def strike(page: Page, keys: str, apart_ms: int) -> None:
    """Keys so many milliseconds apart, also from the one that was struck before, whatever this machine is at."""
    script = """([keys, apart]) => {
      [...keys].forEach((letter, at) => setTimeout(() => {
        const key = letter === "\\n" ? "Enter" : letter;
        const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
        window.struck = window.struck ? window.struck + apart : performance.now();
        Object.defineProperty(event, "timeStamp", { value: window.struck });
        const held = document.activeElement;
        if (held.dispatchEvent(event) && key === "Enter" && held.matches("button, a")) held.click();
      }, at * apart));
    }"""
    page.evaluate(script, [keys, apart_ms])
    page.wait_for_timeout(len(keys) * apart_ms)


@pytest.mark.parametrize(
    ("keys", "apart_ms"), [("df", 5), ("fd", 60), ("1f", 30), ("PART-3012\n", 10), ("LOT-12345\n", 30), ("D-11\n", 50)]
)
def test_a_scanner_and_a_glove_on_two_keys_decide_nothing(
    site: ReviewSite, visit: Visit, keys: str, apart_ms: int
) -> None:
    page, frames = on_frame(site, visit)
    strike(page, keys, apart_ms)
    expect(page.locator("#notice")).to_contain_text(TOO_MANY)
    shows(page, frames[0])
    page.wait_for_timeout(300)
    all_sent(page)
    assert [decided(site, frame)[0] for frame in frames] == [None, None, None]
    press(page, "u")
    recorded(site, frames[0], ("unsure", None, "olga"))


def test_a_scan_on_the_last_frame_takes_nobody_to_the_queue(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 1)
    strike(page, "D3", 90)
    expect(page.locator("#notice")).to_contain_text(TOO_MANY)
    page.wait_for_timeout(300)
    shows(page, frames[0])
    recorded(site, frames[0], (None, None, None))


def test_of_a_key_that_bounces_the_first_counts_and_a_quick_hand_is_not_held_up(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 5)
    strike(page, "dd", 20)
    shows(page, frames[1])
    for key, after in zip("fuf", frames[2:], strict=True):
        strike(page, key, 130)
        shows(page, after)
    expect(page.locator("#notice")).to_be_hidden()
    for frame, said in zip(frames, ["defect", "false_alarm", "unsure", "false_alarm"], strict=False):
        recorded(site, frame, (said, None, "olga"))
    assert decided(site, frames[4])[0] is None


@pytest.mark.parametrize("keys", ["PAD-3012\n", "D-3012\n", "Z1\n"])
def test_a_scanner_decides_no_selection(site: ReviewSite, visit: Visit, keys: str) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/")
    for box in page.locator("#cards input[name=pick]").all():
        box.check()
    strike(page, keys, 12)
    page.wait_for_timeout(300)
    all_sent(page)
    assert [decided(site, frame)[0] for frame in frames] == [None, None, None]
    expect(page.locator("#cards .chosen")).to_have_count(3)
    if keys[0] != "D":
        page.keyboard.press("d")
    page.wait_for_timeout(150)
    page.keyboard.press("Enter")
    recorded(site, frames[2], ("defect", None, "olga"))


def test_a_scan_into_the_note_of_a_selection_decides_nothing(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    page = visit("olga", "/")
    page.locator("#cards input[name=pick]").check()
    page.keyboard.press("u")
    page.get_by_label("Note, if there is more to say").focus()
    page.keyboard.insert_text("LOT-12345")
    strike(page, "5\n", 10)
    expect(page.locator("#notice")).to_contain_text(TOO_MANY)
    expect(page.locator("#confirm")).to_be_visible()
    page.wait_for_timeout(150)
    page.keyboard.press("Enter")
    recorded(site, frame, ("unsure", None, "olga"))


def test_the_schema_of_the_api_is_served(site: ReviewSite, visit: Visit, tmp_path: Path) -> None:
    page = visit("olga", "/help")
    expect(page.locator("main")).to_contain_text("/api/v1/frames/{frame}/disposition")
