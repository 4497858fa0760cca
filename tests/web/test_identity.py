"""A ledger that was restored from a backup gives numbers of frames again: none is taken for the one before it."""

import hashlib
import re
import uuid
from collections.abc import Callable

import pytest
from line import drawn_part
from pages import say
from playwright.sync_api import Page, expect
from review_site import ReviewSite, decided, posted
from services import wait_until

Visit = Callable[..., Page]

pytestmark = pytest.mark.usefixtures("empty_queue")


def result_of(site: ReviewSite, frame: int) -> str:
    with site.engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SELECT result_id FROM frames WHERE id = {frame}").scalar_one())


def give_number_to_another(site: ReviewSite, frame: int) -> bytes:
    """As after a restore: another picture, another result, another part under the same number. Returns the picture."""
    other = drawn_part(9000 + frame, scratched=True)
    digest = hashlib.sha256(other).hexdigest()
    site.archive.keep(digest, other, "png")
    with site.engine.begin() as connection:
        connection.exec_driver_sql(
            f"UPDATE frames SET sha256 = '{digest}', result_id = '{uuid.uuid4()}', part_id = 'another'"
            f" WHERE id = {frame}"
        )
    return other


def test_the_address_of_a_picture_says_which_frame_it_is_of(site: ReviewSite) -> None:
    frame = site.add()
    result = result_of(site, frame)
    with site.client() as olga:
        assert f'href="/frame/{frame}/picture?of={result}"' in olga.get(f"/frame/{frame}").text
        assert f'src="/frame/{frame}/thumbnail?of={result}"' in olga.get("/").text
        near = olga.get(f"/frame/{frame}/nearest").text
        assert f'data-map="/frame/{frame}/map?of={result}"' in near
        assert set(re.findall(rf"/frame/{frame}/picture[^\"]*", near)) == {f"/frame/{frame}/picture?of={result}"}
        for kind in ("picture", "thumbnail", "map"):
            named, bare = olga.get(f"/frame/{frame}/{kind}?of={result}"), olga.get(f"/frame/{frame}/{kind}")
            assert named.content == bare.content
            assert "immutable" in named.headers["cache-control"]
            assert bare.headers["cache-control"] == "private, no-cache"
        give_number_to_another(site, frame)
        for kind in ("picture", "thumbnail"):
            late = olga.get(f"/frame/{frame}/{kind}?of={result}")
            assert late.headers["content-type"].startswith("image/svg")
            assert late.headers["cache-control"] == "no-store"
        assert olga.get(f"/frame/{frame}/map?of={result}").status_code == 404
        assert olga.get(f"/frame/{frame}/nearest?of={result}").status_code == 404


@pytest.mark.parametrize("word", ["disposition", "escape", "undo"])
def test_what_is_said_of_one_frame_does_not_land_on_another(site: ReviewSite, word: str) -> None:
    frame = site.add(drawn_part(5)) if word == "escape" else site.add()
    result = result_of(site, frame)
    if word == "undo":
        site.reviews.dispose(frame, to="unsure", reviewer="olga", version=0)
    before = decided(site, frame)
    said = {"version": 1 if word == "undo" else 0} | ({"to": "defect"} if word == "disposition" else {})
    with site.client() as olga:
        answer = posted(olga, f"/api/v1/frames/{frame}/{word}", **said, result_id=str(uuid.uuid4()))
        assert answer.status_code == 404
        assert answer.json()["error"] == f"Frame {frame} is another one now: the ledger was restored from a backup."
        assert decided(site, frame) == before
        assert posted(olga, f"/api/v1/frames/{frame}/{word}", **said, result_id=result).status_code == 200


def test_of_a_selection_the_others_are_decided(site: ReviewSite) -> None:
    frames = [site.add() for _ in range(3)]
    seen: list[dict[str, object]] = [{"id": frame, "version": 0} for frame in frames]
    seen[0]["result_id"] = result_of(site, frames[0])
    seen[1]["result_id"] = str(uuid.uuid4())
    with site.client() as olga:
        answer = posted(olga, "/api/v1/dispositions", frames=seen, to="defect").json()
    assert [one["id"] for one in answer["done"]] == [frames[0], frames[2]]
    assert answer["unknown"] == [frames[1]]
    assert decided(site, frames[1]) == (None, None, None)


def test_a_decision_that_was_kept_is_refused_and_told_until_it_was_read(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    page = visit("olga", f"/frame/{frame}")
    page.wait_for_selector(".near")
    page.context.route("**/api/v1/frames/*/disposition", lambda route: route.abort())
    say(page, "d")
    expect(page.locator("#notice")).to_contain_text("1 decision is kept here")
    other = give_number_to_another(site, frame)
    page.context.unroute("**/api/v1/frames/*/disposition")
    page.goto(f"/frame/{frame}")
    strip = page.locator("#notice")
    expect(strip).to_contain_text(f"defect. Frame {frame} is another one now")
    assert decided(site, frame) == (None, None, None)
    expect(page.locator(".side h1")).to_have_text("another")
    fetched = page.evaluate(
        "async address => [...new Uint8Array(await (await fetch(address)).arrayBuffer())]",
        page.locator(".photo").get_attribute("href"),
    )
    assert bytes(fetched) == other
    page.goto("/")
    expect(strip).to_contain_text("Not recorded")
    strip.get_by_role("button", name="OK").click()
    expect(strip).to_be_hidden()
    page.reload()
    expect(page.locator(".frame-card")).to_have_count(1)
    expect(strip).to_be_hidden()


def test_a_card_of_the_queue_is_exchanged_with_its_frame(site: ReviewSite, visit: Visit) -> None:
    frame = site.add()
    page = visit("olga", "/?order=newest")
    expect(page.locator(".frame-card")).to_have_count(1)
    page.locator(f"[data-frame='{frame}'] input[name=pick]").check()  # from now on the page exchanges no card by itself
    give_number_to_another(site, frame)
    say(page, "d")
    page.get_by_role("button", name="Decide 1 frame").click()
    expect(page.locator("#notice")).to_contain_text("1 frame: defect: 1 of them not recorded")
    expect(page.locator(".frame-card .line").nth(1)).to_contain_text("another")
    wait_until(lambda: page.locator(".leaving").count() == 0, "nothing leaves")
    assert decided(site, frame) == (None, None, None)
