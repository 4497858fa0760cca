"""The queue in a real browser: filters, frames as they come, and what is said of a selection."""

import re
from collections.abc import Callable

import pytest
from line import CAM1, CAM2, drawn_part
from pages import say
from playwright.sync_api import Page, Route, expect
from review_site import ReviewSite, decided, recorded

Visit = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("empty_queue")


def hide(page: Page, hidden: bool) -> None:
    page.evaluate(
        "hidden => { Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });"
        " document.dispatchEvent(new Event('visibilitychange')); }",
        hidden,
    )


def test_filters_stand_in_the_address(site: ReviewSite, visit: Visit) -> None:
    for lot, station in (("A", CAM1), ("A", CAM2), ("B", CAM2)):
        site.add(station=station, lot=lot)
    page = visit("olga", "/")
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Station").select_option(str(CAM2))
    page.get_by_label("Lot").fill("A")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url(re.compile(r"/\?station=plant%2Fhall1%2Fline1%2Fcam2&lot=A$"))  # loaded: keys are listened to
    expect(page.locator(".frame-card")).to_have_count(1)
    page.keyboard.press("Enter")
    page.wait_for_selector(".near")
    assert "lot=A" in page.url
    page.keyboard.press("q")
    page.wait_for_selector(".frame-card")
    assert "lot=A" in page.url
    page.get_by_role("link", name="Clear").click()
    expect(page.locator(".frame-card")).to_have_count(3)


def test_frames_appear_as_they_come(site: ReviewSite, visit: Visit) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(1)
    frame = site.add(station=CAM2)
    expect(page.locator(".frame-card")).to_have_count(2)
    assert page.locator(".frame-card").first.get_attribute("data-frame") == str(frame)
    expect(page.locator("[data-station='plant/hall1/line1/cam2'] b").first).to_have_text("1")


def test_the_way_to_further_frames_comes_with_them(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", "/")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    assert page.locator("a[rel=next]").count() == 0
    payload = drawn_part(7, scratched=True)
    for _ in range(49):
        site.add(payload)
    expect(page.locator("a[rel=next]")).to_be_visible()


def test_a_hidden_queue_holds_no_connection_and_catches_up(site: ReviewSite, visit: Visit) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(1)
    hide(page, True)
    for _ in range(7):  # browsers have six connections to one server
        tab = page.context.new_page()
        tab.goto("/?order=newest")
        expect(tab.locator(".frame-card")).to_have_count(1)
        hide(tab, True)
    site.add()
    hide(page, False)
    expect(page.locator(".frame-card")).to_have_count(2)


def test_who_is_selecting_is_not_disturbed_by_new_frames(site: ReviewSite, visit: Visit) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    page.locator("input[name=pick]").check()
    site.add()
    expect(page.get_by_role("button", name="New frames: show")).to_be_visible()
    expect(page.locator(".frame-card")).to_have_count(1)


def test_a_card_that_is_chosen_while_new_frames_are_fetched_stays_where_it_is(site: ReviewSite, visit: Visit) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    on_the_way: list[Route] = []
    page.route(page.url, lambda route: on_the_way.append(route))
    with page.expect_request(page.url):
        site.add()
    while not on_the_way:  # it was asked: the route is about to hear of it
        page.wait_for_timeout(10)
    page.locator("input[name=pick]").check()
    with page.expect_response(page.url) as answer:
        on_the_way[0].continue_()
    answer.value.finished()
    expect(page.get_by_role("button", name="New frames: show")).to_be_visible()
    page.wait_for_timeout(200)
    expect(page.locator(".frame-card")).to_have_count(1)
    expect(page.locator("input[name=pick]")).to_be_checked()


HAND = "() => { window.hand = setInterval(() => dispatchEvent(new PointerEvent('pointermove')), 100); }"


def test_no_card_moves_by_itself_under_a_hand(site: ReviewSite, visit: Visit) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    page.evaluate(HAND)
    site.add()
    expect(page.get_by_role("button", name="New frames: show")).to_be_visible()
    expect(page.locator(".frame-card")).to_have_count(1)
    page.evaluate("() => clearInterval(window.hand)")
    expect(page.locator(".frame-card")).to_have_count(2)
    expect(page.get_by_role("button", name="New frames: show")).to_be_hidden()


TAPPED = """([x, y]) => new Promise((done) => new MutationObserver(() => {
  document.elementFromPoint(x, y).click();
  done();
}).observe(document.getElementById("cards"), { childList: true }))"""
"""A tap in the moment in which cards have moved."""


def test_a_tap_that_was_meant_for_the_card_before_does_not_choose_the_one_that_came(
    site: ReviewSite, visit: Visit
) -> None:
    site.add()
    page = visit("olga", "/?order=newest")
    box = page.locator("input[name=pick]").bounding_box()
    assert box is not None
    page.evaluate(f"at => {{ window.tapped = ({TAPPED})(at); }}", [box["x"] + 5, box["y"] + 5])
    frame = site.add()
    page.evaluate("() => window.tapped")
    expect(page.locator("input[name=pick]:checked")).to_have_count(0)
    page.locator(f"[data-frame='{frame}'] input[name=pick]").check()  # as soon as it takes taps again
    expect(page.locator("#picked")).to_have_text("1")


OVER_A_PICTURE = """(button) => {
  const middle = (one) => one.getBoundingClientRect().y + one.getBoundingClientRect().height / 2;
  const { x, width } = button.getBoundingClientRect();
  const below = [...document.querySelectorAll(".picture")].findLast((one) => {
    const { left, right } = one.getBoundingClientRect();
    return left < x + width / 2 && x + width / 2 < right;
  });
  scrollBy(0, middle(below) - middle(button));
  return Math.abs(middle(below) - middle(button)) < 50;
}"""


def test_the_second_half_of_a_double_tap_that_decides_opens_no_frame(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(24)]
    page = visit("olga", "/?order=newest")
    page.locator("input[name=pick]").first.check()
    say(page, "u")
    button = page.get_by_role("button", name="Decide 1 frame")
    assert button.evaluate(OVER_A_PICTURE), "a picture is to lie below the button"
    button.dblclick()
    recorded(site, frames[-1], ("unsure", None, "olga"))
    page.wait_for_timeout(300)
    assert "/frame/" not in page.url


def test_a_selection_is_decided_together_after_its_count_is_confirmed(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", "/?order=newest")
    for frame in frames[:2]:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    stolen = frames[0]
    site.reviews.dispose(stolen, to="defect", reviewer="emil", version=0)
    say(page, "f")
    expect(page.locator("#confirm-title")).to_have_text("2 frames: false alarm?")
    page.get_by_label("Note, if there is more to say").fill("oil from the new\npress")
    page.keyboard.press("Escape")
    assert decided(site, frames[1]) == (None, None, None)
    say(page, "f")
    page.get_by_role("button", name="Decide 2 frames").click()
    expect(page.locator("#notice")).to_contain_text("1 decided, 1 left as others decided")
    recorded(site, frames[1], ("false_alarm", None, "olga"))
    assert [said.note for said in site.reviews.history(frames[1])] == ["oil from the new\npress"]
    assert decided(site, stolen) == ("defect", None, "emil")
    assert decided(site, frames[2]) == (None, None, None)
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("1 taken back")
    assert decided(site, frames[1]) == (None, None, None)
    assert decided(site, stolen) == ("defect", None, "emil")


def test_the_strip_that_tells_what_was_done_moves_no_card(site: ReviewSite, visit: Visit) -> None:
    for _ in range(3):
        site.add()
    page = visit("olga", "/")
    first = page.locator(".frame-card .caption").first
    expect(first).to_be_visible()
    before = first.bounding_box()
    page.locator(".frame-card .pick").last.click()
    say(page, "f")
    page.get_by_role("button", name="Decide 1 frame").click()
    expect(page.locator("#notice")).to_contain_text("Undo")
    assert first.bounding_box() == before
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".frame-card")).to_have_count(3)
    expect(page.get_by_role("link", name="Review")).to_be_visible()


LISTENED = """
    window.listened = 0;
    const add = EventTarget.prototype.addEventListener;
    EventTarget.prototype.addEventListener = function (...all) {
      if (this instanceof HTMLImageElement) window.listened += 1;
      return add.apply(this, all);
    };
"""


def test_a_picture_that_does_not_come_is_told_on_its_card_however_often_cards_are_renewed(
    site: ReviewSite, visit: Visit
) -> None:
    site.add()
    page = visit("olga", "/help")
    page.add_init_script(LISTENED)
    page.route("**/thumbnail?*", lambda route: route.abort())
    page.goto("/?order=newest")
    missing = page.locator("#cards").get_by_text("The picture could not be loaded.")
    expect(missing.first).to_be_visible()
    cards = page.locator(".frame-card").count()
    site.add()
    expect(page.locator(".frame-card")).to_have_count(cards + 1)
    expect(missing.first).to_be_visible()
    assert page.evaluate("window.listened") == 0


def test_a_note_goes_with_one_selection_and_not_with_the_next(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/")
    for frame in frames[:2]:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    say(page, "d")
    page.get_by_label("Note, if there is more to say").fill("  two of a kind ")
    page.keyboard.press("Enter")
    for frame in frames[:2]:
        recorded(site, frame, ("defect", None, "olga"))
        assert [said.note for said in site.reviews.history(frame)] == ["two of a kind"]
    page.locator(f"[data-frame='{frames[2]}'] input[name=pick]").check()
    say(page, "u")
    page.get_by_role("button", name="Decide 1 frame").click()
    recorded(site, frames[2], ("unsure", None, "olga"))
    assert [said.note for said in site.reviews.history(frames[2])] == [None]


@pytest.mark.parametrize(("width", "height"), [(320, 256), (390, 844)], ids=["enlarged four times", "phone"])
def test_what_is_said_of_a_selection_lies_over_no_other_card(
    site: ReviewSite, visit: Visit, width: int, height: int
) -> None:
    site.decide_all()
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/")
    page.set_viewport_size({"width": width, "height": height})
    for frame in frames:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check(timeout=10_000)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    last = page.locator(".frame-card").last.bounding_box()
    bar = page.get_by_role("region", name="Selection").bounding_box()
    assert last
    assert bar
    assert last["y"] + last["height"] <= bar["y"]
    page.get_by_role("button", name="Unsure").click()
    page.get_by_role("button", name="Decide 3 frames").click()
    for frame in frames:
        recorded(site, frame, ("unsure", None, "olga"))


def test_a_card_that_has_the_focus_lies_under_no_bar(site: ReviewSite, visit: Visit) -> None:
    site.decide_all()
    for _ in range(16):
        site.add()
    page = visit("olga", "/")
    page.locator("input[name=pick]").first.check()
    bar = page.get_by_role("region", name="Selection").bounding_box()
    assert bar
    for picture in page.locator(".picture").all():
        picture.focus()
        box = picture.bounding_box()
        assert box
        assert box["y"] + box["height"] <= bar["y"]


def test_a_defect_type_goes_with_one_selection_and_not_with_the_next(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", "/")
    for frame, chosen in zip(frames, ("dent", None), strict=True):
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
        say(page, "d")
        if chosen:
            page.get_by_role("dialog").get_by_label("Defect type").select_option(chosen)
        page.get_by_role("button", name="Decide 1 frame").click()
        recorded(site, frame, ("defect", chosen, "olga"))


def test_a_hand_that_is_quicker_than_the_browsers_events_loses_no_decision(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", "/")
    page.locator(f"[data-frame='{frames[0]}'] input[name=pick]").check()
    say(page, "d")
    expect(page.locator("#confirm")).to_be_visible()
    page.wait_for_timeout(150)  # keys at once would be a scanner's
    # The dialog tells of its end only after the next key has come.
    page.evaluate(
        "document.getElementById('confirm').close(''); dispatchEvent(new KeyboardEvent('keydown', {key: 'f'}))"
    )
    page.evaluate("() => new Promise(done => setTimeout(done, 50))")
    page.get_by_role("button", name="Decide 1 frame").click()
    recorded(site, frames[0], ("false_alarm", None, "olga"))
    assert [said.to_disposition for said in site.reviews.history(frames[0])] == ["false_alarm"]


def test_what_the_line_passed_is_good_and_no_false_alarm(site: ReviewSite, visit: Visit) -> None:
    passed = [site.add(drawn_part(40 + seed), sampled=True) for seed in range(3)]
    flagged = site.add()
    page = visit("olga", "/?order=newest")
    button = page.locator("#batch [data-to=false_alarm]")
    for frame in passed[:2]:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    assert button.inner_text().split() == ["Good", "F"]
    page.locator(f"[data-frame='{flagged}'] input[name=pick]").check()
    assert button.inner_text().split() == ["False", "alarm", "F"]
    say(page, "f")
    expect(page.locator("#confirm-title")).to_have_text("3 frames: false alarm?")
    page.keyboard.press("Escape")
    page.locator(f"[data-frame='{flagged}'] input[name=pick]").uncheck()
    say(page, "f")
    expect(page.locator("#confirm-title")).to_have_text("2 frames: good?")
    page.get_by_role("button", name="Decide 2 frames").click()
    for frame in passed[:2]:
        recorded(site, frame, ("false_alarm", None, "olga"))
    page.goto(f"/frame/{passed[2]}?order=newest")
    page.wait_for_selector(".near")
    expect(page.locator(".says .false_alarm")).to_have_text("Good F")
    say(page, "f")
    expect(page.locator("#cards")).to_be_attached()
    recorded(site, passed[2], ("false_alarm", None, "olga"))
    page.goto(f"/frame/{flagged}")
    expect(page.locator(".says .false_alarm")).to_have_text("False alarm F")
    page.goto("/?state=done&order=newest")
    expect(page.locator(f"[data-frame='{passed[2]}'] .badge.false_alarm")).to_have_text("good")
    page.goto(f"/frame/{passed[2]}?state=done")
    expect(page.locator("header .badge.false_alarm")).to_have_text("good")
    expect(page.locator(".history .badge")).to_have_text("good")


def test_a_conflict_about_a_frame_that_passed_speaks_of_good(site: ReviewSite, visit: Visit) -> None:
    site.add()
    frame = site.add(drawn_part(44), sampled=True)
    page = visit("olga", f"/frame/{frame}?order=newest")
    page.wait_for_selector(".near")
    page.wait_for_load_state("networkidle")
    site.reviews.dispose(frame, to="false_alarm", reviewer="emil", version=0)
    say(page, "d")
    expect(page.locator("#conflict")).to_contain_text("emil: “good”")
    page.get_by_role("button", name="Keep theirs").click()
    expect(page.locator("#conflict")).to_be_hidden()
