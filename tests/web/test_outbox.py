"""What is decided while something is slow, away, elsewhere or held down: recorded and taken back in order, and told."""

import re
from collections.abc import Callable
from datetime import UTC

import pytest
from line import drawn_part
from pages import all_sent, asked, on_frame, say, shows
from playwright.sync_api import Page, Route, expect
from review_site import ReviewSite, decided
from services import wait_until
from sqlalchemy import text

Visit = Callable[..., Page]

ONE = "**/api/v1/frames/*/*"

pytestmark = pytest.mark.usefixtures("empty_queue")


def away(route: Route) -> None:
    """A database that can be read and takes nothing."""
    if route.request.method == "POST":
        route.fulfill(status=503, json={"error": "full"})
    else:
        route.continue_()


def says_two_words_while_away(site: ReviewSite, visit: Visit) -> tuple[Page, list[int]]:
    """A defect, then a false alarm, about the first of some frames; neither is recorded, the next frame is shown."""
    page, frames = on_frame(site, visit)
    page.context.route(ONE, away)
    say(page, "d")
    shows(page, frames[1])
    page.keyboard.press("ArrowLeft")
    shows(page, frames[0])
    say(page, "f")
    shows(page, frames[1])
    return page, frames


def waits(page: Page, number: int) -> None:
    expect(page.locator("#notice")).to_contain_text(re.compile(rf"\b{number} decisions? (is|are) kept here"))


def history(site: ReviewSite, frame: int) -> list[tuple[str, str | None, str]]:
    return [(said.action, said.to_disposition, said.reviewer) for said in site.reviews.history(frame)]


def said(site: ReviewSite, frame: int, *expected: tuple[str, str | None]) -> None:
    """All that was said of a frame, by Olga, once it is recorded."""
    wanted = [(*one, "olga") for one in expected]
    wait_until(lambda: history(site, frame) == wanted, f"frame {frame}: {wanted}")


def select(page: Page, *frames: int) -> None:
    for frame in frames:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()


def decide_selection(site: ReviewSite, page: Page, key: str, *frames: int) -> None:
    select(page, *frames)
    page.keyboard.press(key)
    page.locator("#confirm-yes").click()
    wait_until(lambda: all(decided(site, frame)[0] for frame in frames), "the selection is recorded")


def test_whoever_comes_back_to_a_frame_before_it_is_recorded_meets_nobody(site: ReviewSite, visit: Visit) -> None:
    page, frames = says_two_words_while_away(site, visit)
    waits(page, 2)
    page.context.unroute(ONE)
    said(site, frames[0], ("dispose", "defect"), ("dispose", "false_alarm"))
    expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("z")  # the later word, then the first one
    shows(page, frames[0])
    page.keyboard.press("z")
    said(site, frames[0], ("dispose", "defect"), ("dispose", "false_alarm"), ("undo", "defect"), ("undo", None))
    expect(page.locator("#conflict")).to_be_hidden()


@pytest.mark.parametrize("sent_first", [False, True])
def test_whoever_decides_again_after_a_slow_undo_meets_nobody(site: ReviewSite, visit: Visit, sent_first: bool) -> None:
    page, frames = on_frame(site, visit)
    say(page, "d")
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "defect"))
    page.context.route(ONE, away)
    page.keyboard.press("z")
    shows(page, frames[0])  # as it was before the undo
    assert page.locator(".panel").get_attribute("data-version") == "1"
    if sent_first:
        page.context.unroute(ONE)
        said(site, frames[0], ("dispose", "defect"), ("undo", None))
        expect(page.locator("#notice")).to_be_hidden()
    say(page, "f")
    shows(page, frames[1])
    page.context.unroute(ONE)
    said(site, frames[0], ("dispose", "defect"), ("undo", None), ("dispose", "false_alarm"))
    expect(page.locator("#conflict")).to_be_hidden()


def test_what_was_said_after_an_unseen_word_of_somebody_else_does_not_overwrite_it(
    site: ReviewSite, visit: Visit
) -> None:
    page, frames = says_two_words_while_away(site, visit)
    say(page, "u")
    shows(page, frames[2])
    waits(page, 3)
    site.reviews.dispose(frames[0], to="unsure", reviewer="emil", version=0)
    page.context.unroute(ONE)
    expect(page.locator("#conflict")).to_contain_text("emil: “unsure”")
    expect(page.locator("#conflict")).to_contain_text("You: “false alarm”")
    said(site, frames[1], ("dispose", "unsure"))
    assert history(site, frames[0]) == [("dispose", "unsure", "emil")]
    page.keyboard.press("Enter")
    expect(page.locator("#conflict")).to_be_hidden()
    assert history(site, frames[0]) == [("dispose", "unsure", "emil")]


def test_of_several_words_that_wait_the_last_is_what_somebody_else_may_have_said_too(
    site: ReviewSite, visit: Visit
) -> None:
    page, frames = says_two_words_while_away(site, visit)
    waits(page, 2)
    site.reviews.dispose(frames[0], to="false_alarm", reviewer="emil", version=0)
    page.context.unroute(ONE)
    expect(page.locator("#notice")).to_have_text("emil said so too.")
    all_sent(page)
    expect(page.locator("#conflict")).to_be_hidden()
    assert history(site, frames[0]) == [("dispose", "false_alarm", "emil")]


@pytest.mark.parametrize("elsewhere", [None, "/line"], ids=["on the queue", "on another page"])
def test_a_selection_that_met_somebody_elses_word_is_decided_again(
    site: ReviewSite, visit: Visit, elsewhere: str | None
) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/?order=newest")
    page.context.route("**/api/v1/dispositions", away)
    select(page, *frames[:2])
    say(page, "f")
    page.locator("#confirm-yes").click()
    waits(page, 1)
    site.reviews.dispose(frames[0], to="defect", reviewer="emil", version=0)
    if elsewhere:
        page.goto(elsewhere)
    page.context.unroute("**/api/v1/dispositions")
    page.get_by_role("link", name="1 decision of yours met somebody else's").click()
    page.get_by_role("button", name="Decide again").click()
    expect(page.locator("#conflict")).to_be_hidden()
    expect(page.locator(".history")).to_contain_text("emil")
    say(page, "f")
    wait_until(lambda: decided(site, frames[0]) == ("false_alarm", None, "olga"), "it is a false alarm")
    assert history(site, frames[0]) == [("dispose", "defect", "emil"), ("dispose", "false_alarm", "olga")]
    assert history(site, frames[1]) == [("dispose", "false_alarm", "olga")]


def test_a_decision_of_ones_own_from_elsewhere_is_told_as_that(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest", timezone_id="America/New_York")
    page.wait_for_selector(".near")
    site.reviews.dispose(frames[1], to="unsure", reviewer="olga", version=0)
    say(page, "d")
    told = page.locator("#conflict")
    expect(told).to_contain_text("Another decision of yours was recorded meanwhile")
    at = site.reviews.history(frames[1])[0].at.astimezone(UTC)
    expect(told).to_contain_text(f"Recorded: “unsure”, {at:%Y-%m-%d %H:%M:%S}.")  # the plant's clock
    expect(page.get_by_role("button", name="Decide again")).to_be_focused()
    page.keyboard.press("Enter")
    shows(page, frames[1])
    say(page, "d")
    said(site, frames[1], ("dispose", "unsure"), ("dispose", "defect"))


@pytest.mark.parametrize(
    ("status", "said_instead"),
    [(200, "Log in to the network"), *((status, "page not found") for status in (400, 404, 408))],
)
def test_an_answer_that_is_not_the_servers_is_asked_for_again(
    site: ReviewSite, visit: Visit, status: int, said_instead: str
) -> None:
    page, frames = on_frame(site, visit)
    page.route(ONE, lambda route: route.fulfill(status=status, content_type="text/html", body=said_instead))
    say(page, "d")
    shows(page, frames[1])
    waits(page, 1)
    page.unroute(ONE)
    said(site, frames[0], ("dispose", "defect"))
    expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("z")
    said(site, frames[0], ("dispose", "defect"), ("undo", None))


def test_who_has_decided_all_that_is_loaded_goes_on_when_the_server_is_back(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 7)
    page.context.set_offline(True)
    for frame in frames[:5]:  # the next four are there
        shows(page, frame)
        say(page, "d")
    expect(page.locator(".panel.decided")).to_be_visible()
    waits(page, 5)
    page.context.set_offline(False)
    shows(page, frames[5])
    for frame in frames[:5]:
        said(site, frame, ("dispose", "defect"))


def test_the_last_frame_stays_until_the_queue_can_be_had(site: ReviewSite, visit: Visit) -> None:
    page, [frame] = on_frame(site, visit, 1)
    page.context.set_offline(True)
    say(page, "d")
    expect(page.locator(".panel.decided")).to_be_visible()
    waits(page, 1)
    page.context.set_offline(False)
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))
    said(site, frame, ("dispose", "defect"))


def test_who_asks_for_the_queue_while_the_server_is_away_stays_and_is_told(site: ReviewSite, visit: Visit) -> None:
    page, _ = on_frame(site, visit, 1)
    page.context.set_offline(True)
    page.keyboard.press("q")
    expect(page.locator("#notice")).to_have_text("The server cannot be reached. Try again in a moment.")
    page.context.set_offline(False)
    page.keyboard.press("q")
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))


def all_that_waits(page: Page) -> list[str]:
    """The labels of what is to be sent, in order."""
    return page.evaluate(
        "() => Object.keys(localStorage).filter(key => key.startsWith('inspector.outbox.')).sort()"
        ".map(key => JSON.parse(localStorage.getItem(key)).label.split(': ').at(-1))"
    )


def test_the_same_answer_again_about_a_frame_that_stays_counts_once(site: ReviewSite, visit: Visit) -> None:
    page, [frame] = on_frame(site, visit, 1)
    page.context.set_offline(True)

    def answers(key: str, *waiting: str) -> None:
        for _ in range(3):
            page.keyboard.press(key)
            page.wait_for_function("() => !document.querySelector('.panel').dataset.busy")
        assert all_that_waits(page) == list(waiting)

    answers("d", "defect")
    answers("f", "defect", "false alarm")  # a change of mind
    answers("1", "defect", "false alarm", "scratch")
    page.keyboard.press("z")
    answers("f", "defect", "false alarm", "scratch", "undo")  # what was said before holds again
    page.keyboard.press("m")
    page.keyboard.type("oil")
    page.keyboard.press("Enter")
    answers("f", "defect", "false alarm", "scratch", "undo", "false alarm")  # a note is something new
    page.context.set_offline(False)
    defect, alarm = ("dispose", "defect"), ("dispose", "false_alarm")
    said(site, frame, defect, alarm, defect, ("undo", "false_alarm"), alarm)
    expect(page.locator("#cards")).to_be_attached()


def test_the_same_answer_again_goes_on_and_is_not_recorded(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    say(page, "d")
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "defect"))
    page.keyboard.press("ArrowLeft")
    shows(page, frames[0])
    say(page, "d")
    shows(page, frames[1])
    say(page, "f")
    shows(page, frames[2])
    said(site, frames[1], ("dispose", "false_alarm"))
    all_sent(page)
    assert history(site, frames[0]) == [("dispose", "defect", "olga")]
    site.reviews.dispose(frames[0], to="unsure", reviewer="emil", version=1)
    page.goto(f"/frame/{frames[0]}?order=newest&state=all")
    page.wait_for_selector(".near")
    say(page, "d")  # somebody else has spoken since
    wait_until(lambda: decided(site, frames[0])[0] == "defect", "it is a defect again")


def test_the_same_answer_again_about_a_selection_counts_once(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/?order=newest")
    page.context.set_offline(True)
    for chosen, waiting in ((frames[:2], 1), (frames[:2], 1), (frames, 2)):
        select(page, *chosen)
        say(page, "d")
        page.locator("#confirm-yes").click()
        expect(page.locator("#batch")).to_be_hidden()
        assert len(all_that_waits(page)) == waiting
    page.context.set_offline(False)
    for frame in frames:
        said(site, frame, ("dispose", "defect"))
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()


def test_what_is_said_again_stands_once(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    page.route(f"**/frame/{frames[1]}/panel*", lambda route: route.abort())
    page.reload()
    page.wait_for_selector(".near")
    for _ in range(4):
        with page.expect_event("requestfailed"):
            page.keyboard.press("ArrowRight")
    expect(page.locator("#notice")).to_have_text("That frame cannot be shown now. Try again in a moment.")


def test_what_is_taken_back_no_longer_says_that_z_takes_it_back(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", "/?order=newest")
    decide_selection(site, page, "d", *frames[:2])
    expect(page.locator("#notice")).to_have_text("2 decided. Z takes it back.Undo")
    decide_selection(site, page, "f", *frames[2:3])
    expect(page.locator("#notice")).to_contain_text("1 decided. Z takes it back.Undo")
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_have_text("2 decided. Z takes it back.1 taken back.")
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_have_text("1 taken back.2 taken back.")


def test_a_selection_that_is_taken_back_before_it_is_sent_does_not_offer_it(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", "/?order=newest")
    page.context.set_offline(True)
    select(page, *frames)
    say(page, "d")
    page.locator("#confirm-yes").click()
    waits(page, 1)
    page.keyboard.press("z")
    waits(page, 2)
    page.context.set_offline(False)
    expect(page.locator("#notice")).to_have_text("2 taken back.")


@pytest.mark.parametrize("size", [(1280, 800), (820, 1180), (390, 844)])
def test_no_button_moves_when_something_is_told(site: ReviewSite, visit: Visit, size: tuple[int, int]) -> None:
    page, frames = on_frame(site, visit, 2)
    page.set_viewport_size({"width": size[0], "height": size[1]})

    def places() -> list[list[int]]:
        return page.evaluate(
            "() => [...document.querySelectorAll('.side button')].map(one => one.getBoundingClientRect())"
            ".map(({ x, y }) => [Math.round(x), Math.round(y)])"
        )

    page.keyboard.press("ArrowRight")
    shows(page, frames[1])
    page.wait_for_selector(".near")
    before = places()
    page.context.set_offline(True)
    say(page, "d")
    waits(page, 1)
    strip, picture = page.locator("#notice").bounding_box(), page.locator(".viewer").bounding_box()
    assert strip is not None
    assert picture is not None
    assert places() == before
    assert strip["y"] + strip["height"] <= picture["y"]  # and none of the picture is covered
    page.context.set_offline(False)
    said(site, frames[1], ("dispose", "defect"))
    expect(page.locator("#cards")).to_be_attached()


def test_a_selection_is_taken_back_by_touch(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/?order=newest", has_touch=True)
    select(page, *frames[:2])
    page.locator("#batch [data-to=defect]").tap()
    page.locator("#confirm-yes").tap()
    page.get_by_role("button", name="Undo").tap()
    expect(page.locator("#notice")).to_contain_text("2 taken back.")
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    for frame in frames[:2]:
        said(site, frame, ("dispose", "defect"), ("undo", None))


def test_a_clock_that_is_set_back_does_not_turn_the_order(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    page.context.route(ONE, away)
    say(page, "d")
    shows(page, frames[1])
    page.evaluate("() => { const real = Date.now.bind(Date); Date.now = () => real() - 3600e3; }")
    page.keyboard.press("z")
    waits(page, 2)
    page.context.unroute(ONE)
    said(site, frames[0], ("dispose", "defect"), ("undo", None))


def test_a_key_that_is_held_on_the_queue_takes_back_once(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    for frame in (*frames[1:], None):
        say(page, "d")
        if frame is not None:
            shows(page, frame)
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))  # loaded: keys are listened to
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()
    wait_until(lambda: all(decided(site, frame)[0] for frame in frames), "all is recorded")
    for _ in range(5):
        page.keyboard.down("z")
    page.keyboard.up("z")
    said(site, frames[2], ("dispose", "defect"), ("undo", None))
    expect(page.locator(".frame-card")).to_have_count(1)
    assert [decided(site, frame)[0] for frame in frames] == ["defect", "defect", None]


def test_frames_and_selections_are_taken_back_in_one_order_on_both_pages(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 6)
    say(page, "f")
    shows(page, frames[1])
    page.keyboard.press("q")
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))
    decide_selection(site, page, "d", *frames[1:3])
    decide_selection(site, page, "u", *frames[3:5])

    def stand(*expected: str | None) -> None:
        wait_until(lambda: [decided(site, frame)[0] for frame in frames] == list(expected), f"{expected}")

    stand("false_alarm", "defect", "defect", "unsure", "unsure", None)
    page.keyboard.press("z")
    stand("false_alarm", "defect", "defect", None, None, None)
    expect(page.locator(".frame-card")).to_have_count(3)
    page.keyboard.press("Enter")
    page.wait_for_selector(".near")
    page.keyboard.press("z")
    stand("false_alarm", None, None, None, None, None)
    expect(page.locator("#notice")).to_contain_text("2 taken back.")
    page.keyboard.press("z")
    stand(None, None, None, None, None, None)
    shows(page, frames[0])
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("There is nothing to take back")


def test_a_selection_that_another_tab_sent_is_taken_back_where_it_was_said(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)
    say(page, "f")
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "false_alarm"))
    all_sent(page)
    page.keyboard.press("q")
    page.wait_for_url(re.compile(r"\d/(\?.*)?$"))
    with site.engine.begin() as connection:
        connection.execute(text("DELETE FROM sessions"))
    select(page, *frames[1:3])
    say(page, "d")
    page.locator("#confirm-yes").click()
    waits(page, 1)
    other = page.context.new_page()
    other.goto(f"/enter?code={site.sessions.begin_link('olga', 1, by='ada')}")
    said(site, frames[1], ("dispose", "defect"))
    expect(page.locator(".leaving")).to_have_count(0)
    expect(page.locator(".frame-card")).to_have_count(1)
    expect(page.locator("#notice")).to_contain_text("2 decided. Z takes it back.")
    page.keyboard.press("z")
    for frame in frames[1:3]:
        said(site, frame, ("dispose", "defect"), ("undo", None))
    said(site, frames[0], ("dispose", "false_alarm"))


def test_of_a_double_tap_the_first_counts(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    page.locator(".says .false_alarm").dblclick()
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "false_alarm"))
    page.wait_for_timeout(600)
    assert page.locator(".panel").get_attribute("data-frame") == str(frames[1])
    assert decided(site, frames[1]) == (None, None, None)
    page.locator(".says .defect").click()
    shows(page, frames[2])
    page.wait_for_timeout(200)
    page.locator(".says .unsure").focus()
    page.keyboard.press("Enter")  # no tap
    said(site, frames[1], ("dispose", "defect"))
    said(site, frames[2], ("dispose", "unsure"))
    expect(page.locator("#cards")).to_be_attached()


LATE = """() => {
  const tap = (detail) => new MouseEvent("click", { bubbles: true, detail });
  const button = () => document.querySelector(".says .false_alarm");
  const [first, second] = [tap(1), tap(2)];
  button().dispatchEvent(first);
  return new Promise((done) => setTimeout(() => { button().dispatchEvent(second); done(); }, 700));
}"""
"""A double tap whose second half the page deals with only later, as where it was busy with the next frame."""


def test_of_a_double_tap_the_first_counts_also_where_the_page_is_slow(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    page.evaluate(LATE)
    said(site, frames[0], ("dispose", "false_alarm"))
    shows(page, frames[1])
    assert decided(site, frames[1]) == (None, None, None)


def waits_for(page: Page) -> None:
    """It is seen that the page waits for another frame."""
    after = "getComputedStyle(document.querySelector('.says'), '::after')"
    page.wait_for_function(f"() => {after}.visibility === 'visible' && {after}.content.includes('One moment')")


@pytest.mark.parametrize(("key", "slow"), [("z", "undo"), ("ArrowLeft", "panel?*")])
def test_no_key_decides_the_frame_that_is_left_for_one_on_its_way(
    site: ReviewSite, visit: Visit, key: str, slow: str
) -> None:
    page, frames = on_frame(site, visit)
    slow = f"**/{frames[0]}/{slow}"
    page.keyboard.press("d")
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "defect"))
    held: list[Route] = []
    page.route(slow, lambda route: held.append(route))
    page.keyboard.press(key)
    page.keyboard.press("f")
    waits_for(page)
    page.keyboard.press("f")
    asked(page, held)
    held[0].continue_()
    page.unroute(slow)
    shows(page, frames[0])
    page.keyboard.press("u")
    wait_until(lambda: decided(site, frames[0])[0] == "unsure", "what is said of the frame that came is recorded")
    assert decided(site, frames[1]) == (None, None, None)


AT_ONCE = """() => new MutationObserver((_, observer) => {
  observer.disconnect();
  setTimeout(() => dispatchEvent(new KeyboardEvent("keydown", { key: "f" })));
}).observe(document.getElementById("frame"), { childList: true })"""
"""A key in the moment in which another frame comes."""


def test_a_key_that_was_meant_for_the_frame_before_does_not_decide_one_that_came_late(
    site: ReviewSite, visit: Visit
) -> None:
    page, frames = on_frame(site, visit)
    held: list[Route] = []
    page.route(f"**/frame/{frames[1]}/panel*", lambda route: held.append(route))
    page.reload()
    page.wait_for_selector(".near")
    page.evaluate(AT_ONCE)
    page.keyboard.press("d")
    waits_for(page)
    asked(page, held)
    held[0].continue_()
    shows(page, frames[1])
    said(site, frames[0], ("dispose", "defect"))
    all_sent(page)
    assert decided(site, frames[1]) == (None, None, None)
    page.keyboard.press("u")
    said(site, frames[1], ("dispose", "unsure"))


def test_a_decision_is_taken_back_while_the_next_frame_is_on_its_way(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit)
    held: list[Route] = []
    page.route(f"**/frame/{frames[1]}/panel*", lambda route: held.append(route))
    page.reload()
    page.wait_for_selector(".near")
    page.keyboard.press("d")
    page.keyboard.press("z")
    said(site, frames[0], ("dispose", "defect"), ("undo", None))
    page.wait_for_selector(".panel:not([data-busy]) .history")
    asked(page, held)
    with page.expect_response(re.compile(f"/frame/{frames[1]}/panel")):
        held[0].continue_()
    page.wait_for_load_state("networkidle")
    shows(page, frames[0])


def test_what_was_refused_of_the_last_frame_is_told_on_the_queue(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 1)
    page.route(ONE, lambda route: route.fulfill(status=400, json={"error": "No."}))
    say(page, "d")
    expect(page.locator("#cards")).to_be_attached()
    expect(page.locator("#notice")).to_contain_text(re.compile(r"Not recorded: part-\d+: defect. No."))
    page.get_by_role("button", name="OK").click()
    expect(page.locator("#notice")).to_be_hidden()
    page.keyboard.press("z")  # what was not recorded cannot be taken back
    expect(page.locator("#notice")).to_contain_text("There is nothing to take back")
    assert decided(site, frames[0]) == (None, None, None)


def test_half_a_character_in_a_note_does_not_lose_the_selection(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", "/")
    select(page, *frames)
    say(page, "d")
    page.evaluate("() => { document.getElementById('confirm-note').value = ' half \\ud83d here'; }")
    page.locator("#confirm-yes").click()
    for frame in frames:
        said(site, frame, ("dispose", "defect"))
        assert [row.note for row in site.reviews.history(frame)] == ["half  here"]


def test_a_selection_that_is_refused_stays_with_its_note(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(2)]
    page = visit("olga", "/")
    refusal = {"error": "note: no."}
    page.route("**/dispositions", lambda route: route.fulfill(status=400, json=refusal))
    select(page, *frames)
    say(page, "d")
    page.locator("#confirm-note").fill("both of them")
    page.locator("#confirm-yes").click()
    expect(page.locator("#notice")).to_contain_text("Not recorded: 2 frames: defect. note: no.")
    expect(page.locator(".leaving")).to_have_count(0)
    page.unroute("**/dispositions")
    select(page, *frames)
    say(page, "u")
    expect(page.locator("#confirm-note")).to_have_value("both of them")
    page.locator("#confirm-yes").click()
    said(site, frames[0], ("dispose", "unsure"))
    page.keyboard.press("z")
    said(site, frames[0], ("dispose", "unsure"), ("undo", None))


def test_arrow_keys_move_the_slider_that_has_the_focus(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    slider = page.locator(".map-slider input")
    slider.focus()
    page.keyboard.press("ArrowRight")
    assert slider.input_value() == "55"
    assert page.locator(".panel").get_attribute("data-frame") == str(frames[0])
    slider.click()  # a mouse lets go of it again
    page.keyboard.press("ArrowRight")
    shows(page, frames[1])


WIDER = """() => [
    document.documentElement.scrollWidth, innerWidth, document.querySelector('.legend')?.getBoundingClientRect().right
]"""


@pytest.mark.parametrize("width", [390, 768, 800, 1280])
def test_nothing_reaches_beyond_the_page(site: ReviewSite, visit: Visit, width: int) -> None:
    part = "p" * 128
    frame = site.add(drawn_part(8000 + width, scratched=True), part_id=part)
    site.reviews.dispose(frame, to="defect", defect_type="x" * 64, reviewer="olga", version=0)
    page = visit("emil", "/")
    page.set_viewport_size({"width": width, "height": 1024})
    for path in (f"/find?part={part}", f"/frame/{frame}", "/thresholds", "/?state=all"):
        page.goto(path)
        if path.startswith("/frame"):
            page.wait_for_selector(".near .theirs")
        whole, seen, caption = page.evaluate(WIDER)
        assert whole <= seen, path
        assert caption is None or caption <= seen, path
