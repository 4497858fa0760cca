"""A note with a decision, as an operator writes it: by keys, by touch, in trouble, and where it is read."""

import csv
import io
from collections.abc import Callable

import httpx
import pytest
from line import drawn_part
from pages import HOSTILE, say, shows
from playwright.sync_api import Page, expect
from review_site import ReviewSite, decided, posted
from services import wait_until

from inspector.store.statement import MAX_NOTE

Visit = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("empty_queue")


def notes(site: ReviewSite, frame: int, *expected: str | None) -> None:
    """What was written with each word about a frame, once it is recorded."""
    wait_until(lambda: len(site.reviews.history(frame)) == len(expected), f"{len(expected)} words on frame {frame}")
    assert [said.note for said in site.reviews.history(frame)] == list(expected)


def test_keys_write_a_note_and_decide(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    field = page.locator(".note-editor textarea")
    expect(field).to_be_hidden()
    page.keyboard.press("m")
    expect(field).to_be_focused()
    expect(page.locator(".note-editor")).to_be_in_viewport(ratio=0.99)
    page.keyboard.type("dull fin, z2? 1")  # keys that would decide, move, zoom
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    assert field.input_value() == "dull fin, z2? 1\nsecond line"
    page.keyboard.press("Enter")
    expect(field).to_be_hidden()
    expect(page.locator(".note-open")).to_contain_text("dull fin, z2? 1")
    assert page.evaluate("document.activeElement === document.body")
    assert page.evaluate("document.querySelector('.side').scrollTop") == 0
    assert decided(site, frames[2]) == (None, None, None)
    say(page, "1")
    shows(page, frames[1])
    expect(page.locator(".note-open span")).to_have_text("Note")
    say(page, "f")
    shows(page, frames[0])
    notes(site, frames[2], "dull fin, z2? 1\nsecond line")
    notes(site, frames[1], None)
    assert decided(site, frames[2]) == ("defect", "scratch", "olga")
    page.goto(f"/frame/{frames[2]}")
    expect(page.locator(".history .said")).to_have_text("dull fin, z2? 1\nsecond line")
    assert page.locator(".history .said").inner_text() == "dull fin, z2? 1\nsecond line"


def test_the_enter_that_ends_a_word_of_an_input_method_keeps_nothing_yet(site: ReviewSite, visit: Visit) -> None:
    ends = "field => field.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', keyCode: 229, bubbles: true}))"
    frame = site.add()  # Safari says keyCode 229, and that nothing is composed any more
    page = visit("olga", f"/frame/{frame}")
    page.keyboard.press("m")
    field = page.locator(".note-editor textarea")
    field.fill("划痕")
    field.evaluate(ends)
    expect(field).to_be_visible()
    page.goto("/")
    page.locator("input[name=pick]").check()
    say(page, "d")
    page.get_by_label("Note, if there is more to say").fill("划痕")
    page.get_by_label("Note, if there is more to say").evaluate(ends)
    expect(page.locator("#confirm")).to_be_visible()
    page.wait_for_timeout(150)  # both Enter at once would be a scanner's
    page.keyboard.press("Enter")
    notes(site, frame, "划痕")


def test_escape_leaves_the_note_as_it_was(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.keyboard.press("m")
    page.keyboard.type("nothing")
    page.keyboard.press("Escape")
    expect(page.locator(".note-open span")).to_have_text("Note")
    page.keyboard.press("m")
    expect(page.locator(".note-editor textarea")).to_have_value("")
    page.keyboard.type("kept")
    page.keyboard.press("Enter")
    page.keyboard.press("m")
    page.keyboard.type(", not this")
    page.keyboard.press("Escape")
    say(page, "u")
    shows(page, frames[0])
    notes(site, frames[1], "kept")


def test_a_note_that_is_too_long_is_told_and_nothing_is_sent(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.keyboard.press("m")
    field, fault = page.locator(".note-editor textarea"), page.locator(".note-editor .fault")
    field.fill("😀" * (MAX_NOTE + 1))
    expect(page.locator(".note-count")).to_have_text(f"{MAX_NOTE + 1} of {MAX_NOTE}")
    expect(fault).to_be_hidden()
    page.keyboard.press("Enter")
    expect(fault).to_have_text(f"The note is 1 character too long: at most {MAX_NOTE} are kept.")
    expect(field).to_be_focused()
    page.get_by_role("button", name="Unsure").click()
    expect(fault).to_be_visible()
    page.reload()
    say(page, "u")  # what was written came back, and is as long as it was
    expect(fault).to_be_visible()
    assert site.reviews.history(frames[1]) == []
    page.keyboard.press("Backspace")
    expect(fault).to_be_hidden()
    page.keyboard.press("Enter")
    say(page, "u")
    shows(page, frames[0])
    notes(site, frames[1], "😀" * MAX_NOTE)


def test_what_is_written_stays_with_its_frame_and_comes_back_with_undo(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add() for _ in range(3)]
    page = visit("olga", f"/frame/{frames[2]}?order=newest")
    page.keyboard.press("m")
    page.keyboard.type("hairline")
    page.get_by_role("button", name="Next frame").click()
    shows(page, frames[1])
    expect(page.locator(".note-editor textarea")).to_be_hidden()
    expect(page.locator(".note-open span")).to_have_text("Note")
    page.goto(f"/frame/{frames[2]}?order=newest")
    expect(page.locator(".note-open span")).to_have_text("hairline")
    say(page, "d")
    shows(page, frames[1])
    page.keyboard.press("z")
    shows(page, frames[2])
    expect(page.locator(".note-open span")).to_have_text("hairline")
    say(page, "f")
    shows(page, frames[1])
    notes(site, frames[2], "hairline", None, "hairline")


def test_who_decides_again_after_a_conflict_has_the_note_still(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.wait_for_selector(".near")
    site.reviews.dispose(frames[1], to="unsure", reviewer="emil", version=0, note="cannot see it")
    page.keyboard.press("m")
    page.keyboard.type("at the rim")
    page.keyboard.press("Enter")
    say(page, "d")
    page.get_by_role("button", name="Decide again").click()
    shows(page, frames[1])
    expect(page.locator(".history")).to_contain_text("cannot see it")
    expect(page.locator(".note-open span")).to_have_text("at the rim")
    say(page, "d")
    notes(site, frames[1], "cannot see it", "at the rim")


def test_with_gloves_and_without_keeping_it_first(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(drawn_part(1), part_id="came-back"), site.add()]
    page = visit("olga", f"/frame/{frames[0]}?state=all", has_touch=True)
    page.locator(".note-open").tap()
    for name in ("Cancel", "Keep"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) >= 44
    page.locator(".note-editor textarea").fill("came back from the customer")
    page.get_by_role("button", name="3 crack").tap()
    notes(site, frames[0], "came back from the customer")
    assert site.reviews.history(frames[0])[0].action == "escape"


def test_a_note_that_no_database_holds_is_made_one(site: ReviewSite, visit: Visit) -> None:
    frames = [site.add(), site.add()]
    page = visit("olga", f"/frame/{frames[1]}?order=newest")
    page.keyboard.press("m")
    page.evaluate(
        "() => { const field = document.querySelector('.note-editor textarea');"
        " field.value = 'a\\0b\\ud800c'; field.dispatchEvent(new Event('input')); }"
    )
    page.keyboard.press("Enter")
    say(page, "d")
    shows(page, frames[0])
    notes(site, frames[1], "abc")


def test_script_in_a_note_is_text_wherever_it_is_read(site: ReviewSite, visit: Visit) -> None:
    nasty = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    frames = [site.add(), site.add()]
    page = visit("emil", f"/frame/{frames[1]}?order=newest")
    page.keyboard.press("m")
    page.keyboard.type(nasty)
    page.keyboard.press("Enter")
    expect(page.locator(".note-open span")).to_have_text(nasty)
    say(page, "d")
    shows(page, frames[0])
    notes(site, frames[1], nasty)
    for path, place in ((f"/frame/{frames[1]}", ".history .said"), (f"/audit?frame={frames[1]}", ".audit .said")):
        page.goto(path)
        expect(page.locator(place)).to_have_text(nasty)
        assert page.locator("img[src=x]").count() == 0
        assert page.title() != "1"


def read_csv(client: httpx.Client) -> dict[str, dict[str, str]]:
    text = client.get("/api/v1/export/csv", params={"state": "done"}).text.removeprefix("\ufeff")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text, newline=""))}


@pytest.mark.parametrize("words", HOSTILE)
def test_the_api_and_the_export_have_the_note_that_holds(site: ReviewSite, words: str) -> None:
    frame = site.add()
    with site.client() as olga:
        posted(olga, f"/api/v1/frames/{frame}/disposition", to="defect", version=0, note=words)
        assert olga.get(f"/api/v1/frames/{frame}").json()["note"] == words
        assert read_csv(olga)[str(frame)]["note"].lstrip("'") == words
        images = olga.get("/api/v1/export/coco", params={"state": "done"}).json()["images"]
        assert next(one for one in images if one["id"] == frame)["note"] == words
        posted(olga, f"/api/v1/frames/{frame}/undo", version=1)
        assert olga.get(f"/api/v1/frames/{frame}").json()["note"] is None


def test_what_cannot_be_a_note_is_told(site: ReviewSite) -> None:
    frame = site.add()
    said = {"to": "defect", "version": 0}
    with site.client() as olga:
        answer = posted(olga, f"/api/v1/frames/{frame}/disposition", **said, note="x" * (MAX_NOTE + 1))
        assert answer.status_code == 400
        assert answer.json()["error"] == f"note: got {MAX_NOTE + 1} characters, expected at most {MAX_NOTE}"
        answer = posted(olga, f"/api/v1/frames/{frame}/disposition", **said, note="a\0b")
        assert "expected legible text" in answer.json()["error"]
        schema = olga.get("/api/v1/openapi.json").json()["components"]["schemas"]["Decision"]["properties"]["note"]
        assert schema["maxLength"] == MAX_NOTE
    assert site.reviews.history(frame) == []
