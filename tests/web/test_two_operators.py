"""Two operators on one queue: nobody's word is overwritten unseen, nobody is asked where there is nothing to ask."""

from collections.abc import Callable

import pytest
from pages import ahead, all_sent, asked, on_frame, say, shows
from playwright.sync_api import Page, Route, expect
from review_site import ReviewSite, decided, recorded
from services import wait_until

Visit = Callable[..., Page]

VERSIONS = "**/api/v1/versions?*"

pytestmark = pytest.mark.usefixtures("empty_queue")


def others(site: ReviewSite, *frames: int, to: str = "unsure") -> None:
    """Emil decides these frames, from elsewhere."""
    for frame in frames:
        site.reviews.dispose(frame, to=to, reviewer="emil", version=0)


def histories(site: ReviewSite, *frames: int) -> list[list[tuple[str | None, str]]]:
    return [[(said.to_disposition, said.reviewer) for said in site.reviews.history(frame)] for frame in frames]


def test_two_who_say_the_same_of_each_frame_are_asked_nothing(site: ReviewSite, visit: Visit) -> None:
    olga, frames = on_frame(site, visit, 5)
    emil = visit("emil", f"/frame/{frames[0]}?order=newest")
    for at, key in enumerate(("d", "2", "f")):
        for page in (olga, emil):
            shows(page, frames[at])
            page.keyboard.press(key)
            shows(page, frames[at + 1])
            wait_until(lambda at=at: decided(site, frames[at])[0], "it is recorded")
    all_sent(emil)
    expect(emil.locator("#notice")).to_have_text("olga said so too.")
    expect(emil.locator("#conflict")).to_be_hidden()
    said = [decided(site, frame) for frame in frames[:3]]
    assert said == [("defect", None, "olga"), ("defect", "dent", "olga"), ("false_alarm", None, "olga")]
    assert [len(history) for history in histories(site, *frames[:3])] == [1, 1, 1]
    emil.keyboard.press("z")  # what stands is not his
    expect(emil.locator("#notice")).to_contain_text("There is nothing to take back.")


def test_a_note_is_not_dropped_because_somebody_else_said_the_same(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 2)
    others(site, frames[0], to="defect")
    say(page, "m")
    page.keyboard.type("at the rim")
    page.keyboard.press("Enter")
    page.keyboard.press("d")
    expect(page.locator("#conflict")).to_contain_text("emil: “defect”")
    page.get_by_role("button", name="Decide again").click()
    shows(page, frames[0])
    say(page, "d")
    wait_until(lambda: len(site.reviews.history(frames[0])) == 2, "it is said again")
    assert [said.note for said in site.reviews.history(frames[0])] == [None, "at the rim"]


def test_a_selection_that_others_decided_alike_meanwhile_leaves_nothing_to_ask(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", "/?order=newest")
    for frame in frames:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    page.keyboard.press("d")
    others(site, *frames[:2], to="defect")
    page.locator("#confirm-yes").click()
    expect(page.locator("#notice")).to_contain_text("1 decided, 2 left as others decided.")
    expect(page.locator("#notice [data-conflicts]")).to_have_count(0)
    assert histories(site, *frames) == [[("defect", "emil")], [("defect", "emil")], [("defect", "olga")]]


def test_of_several_that_wait_theirs_are_kept_at_once(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(4)]
    page = visit("olga", "/?order=newest")
    for frame in frames[:3]:
        page.locator(f"[data-frame='{frame}'] input[name=pick]").check()
    page.keyboard.press("d")
    others(site, *frames[:3])
    page.locator("#confirm-yes").click()
    page.get_by_role("link", name="3 decisions of yours met somebody else's").click()
    expect(page.get_by_role("button", name="Keep theirs")).to_be_focused()
    page.get_by_role("button", name="Keep all 3 of theirs").click()
    expect(page.locator("#conflict")).to_be_hidden()
    expect(page.locator("#notice")).to_be_hidden()
    assert histories(site, *frames) == [[("unsure", "emil")]] * 3 + [[]]


def test_a_frame_that_was_decided_before_it_came_is_passed_over(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 6)
    others(site, *frames[2:4])
    with page.expect_response(VERSIONS):
        page.keyboard.press("d")
    shows(page, frames[1])
    page.keyboard.press("f")
    shows(page, frames[4])
    recorded(site, frames[1], ("false_alarm", None, "olga"))
    page.keyboard.press("ArrowLeft")
    shows(page, frames[1])
    assert histories(site, *frames[2:5]) == [[("unsure", "emil")], [("unsure", "emil")], []]
    expect(page.locator("#conflict")).to_be_hidden()


def test_after_the_last_frame_that_waits_comes_the_queue(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 3)
    others(site, frames[2])
    with page.expect_response(VERSIONS):
        page.keyboard.press("d")
    shows(page, frames[1])
    expect(page.get_by_role("button", name="Next frame")).to_be_disabled()
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Nothing waits")).to_be_visible()


def test_where_all_frames_are_shown_none_is_passed_over_and_what_was_decided_is_seen(
    site: ReviewSite, visit: Visit
) -> None:
    _, frames = on_frame(site, visit, 4)
    page = visit("olga", f"/frame/{frames[0]}?order=newest&state=all")
    ahead(page, *frames[1:])
    others(site, frames[2])
    with page.expect_response(VERSIONS), page.expect_response(f"**/frame/{frames[2]}/panel?*"):
        page.keyboard.press("ArrowRight")
    shows(page, frames[1])
    page.keyboard.press("ArrowRight")
    shows(page, frames[2])
    expect(page.locator(".history")).to_contain_text("emil")
    page.keyboard.press("d")  # over what was seen
    recorded(site, frames[2], ("defect", None, "olga"))
    expect(page.locator("#conflict")).to_be_hidden()


STILL = "() => { const now = performance.now(); performance.now = () => now; }"
"""By this clock nobody has seen yet what comes on the screen."""


def test_a_frame_that_nobody_can_have_seen_gives_way_as_soon_as_it_is_known_to_be_decided(
    site: ReviewSite, visit: Visit
) -> None:
    page, frames = on_frame(site, visit, 5)
    others(site, *frames[1:3])
    page.evaluate(STILL)
    page.keyboard.press("d")
    shows(page, frames[3])
    page.keyboard.press("ArrowLeft")
    shows(page, frames[0])
    assert histories(site, *frames[:3]) == [[("defect", "olga")], [("unsure", "emil")], [("unsure", "emil")]]


def test_a_frame_that_somebody_looks_at_stays_and_is_asked_about(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)
    others(site, frames[1])
    held: list[Route] = []
    page.route(VERSIONS, lambda route: held.append(route))
    page.keyboard.press("d")
    shows(page, frames[1])
    page.wait_for_timeout(300)
    asked(page, held)
    with page.expect_response(VERSIONS):
        held[0].continue_()
    page.wait_for_timeout(300)
    shows(page, frames[1])
    page.keyboard.press("f")
    expect(page.locator("#conflict")).to_contain_text("emil: “unsure”")
    assert histories(site, frames[1]) == [[("unsure", "emil")]]


def test_a_frame_about_which_somebody_has_written_a_note_is_not_passed_over(site: ReviewSite, visit: Visit) -> None:
    page, frames = on_frame(site, visit, 4)
    for _ in range(2):
        say(page, "ArrowRight")
    shows(page, frames[2])
    page.keyboard.press("m")
    page.keyboard.type("at the rim")
    page.keyboard.press("Enter")
    page.goto(f"/frame/{frames[0]}?order=newest")
    ahead(page, *frames[1:])
    others(site, frames[2])
    with page.expect_response(VERSIONS), page.expect_response(f"**/frame/{frames[2]}/panel?*"):
        say(page, "d")
    shows(page, frames[1])
    page.keyboard.press("d")
    shows(page, frames[2])
    expect(page.locator(".history")).to_contain_text("emil")
    expect(page.locator(".note-open")).to_contain_text("at the rim")
