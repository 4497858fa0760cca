"""A frame without its picture: the page says why, in the browser nothing is broken and no request fails."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from line import CAM1, drawn_part
from playwright.sync_api import Page, expect
from review_site import ReviewSite, running_site

from inspector.banks.replay import Judged, Shadow
from inspector.store import Candidates, Policy, Retention, ReviewQueue
from inspector.types import BankRef
from inspector.web.absence import DAMAGED, GONE, LOST, placeholder

Visit = Callable[..., Page]


NOT_ARCHIVED = "Not archived: the archive was full or could not be written."
NOT_DRAWN = "Not archived: of the parts that pass only a random sample is."


@pytest.fixture
def site(tmp_path: Path, bank: Path) -> Iterator[ReviewSite]:
    with running_site(tmp_path, bank) as running:
        yield running


def file_of(site: ReviewSite, frame: int) -> Path:
    with site.engine.connect() as connection:
        row = connection.exec_driver_sql(f"SELECT sha256, image FROM frames WHERE id = {frame}").one()
    return site.archive.path(row[0], row[1])


def relieved(site: ReviewSite) -> int:
    """A decided frame whose picture had to make room."""
    frame = site.add()
    site.reviews.dispose(frame, to="false_alarm", reviewer="olga", version=0)
    policy = Policy(records=10, unreviewed=20, reviewed=30, defects=None, max_bytes=1, max_records=10**6)
    retention = Retention(site.engine, site.archive, policy)
    for steps in (retention.tidy(), retention.relieve()):
        assert sum(one.pictures for one in steps) in (0, 1)
    return frame


def every_kind(site: ReviewSite) -> dict[int, str]:
    """Frames without a picture, each for another reason, and what is said of it."""
    made_room = relieved(site)
    never = site.add(kept=False)
    passed = site.add(drawn_part(1), kept=False)
    site.reviews.escape(passed, reviewer="olga", version=0)
    lost, cut, empty = (site.add() for _ in range(3))
    file_of(site, lost).unlink()
    os.truncate(file_of(site, cut), 900)  # the header is sound
    file_of(site, empty).write_bytes(b"")
    freed = ReviewQueue(site.engine).frame(made_room)
    assert freed is not None
    assert freed.image_freed_at is not None
    day = freed.image_freed_at.date()
    return {
        made_room: f"Kept until {day}, then removed to make room (retention.max_gb, or the disk).",
        never: NOT_ARCHIVED,
        passed: NOT_DRAWN,
        lost: LOST,
        cut: DAMAGED,
        empty: DAMAGED,
    }


def watched(page: Page) -> list[str]:
    """What the browser complains of from now on; that it leaves a page before all is loaded is no complaint."""
    faults: list[str] = []
    page.on("response", lambda answer: faults.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
    page.on(
        "requestfailed",
        lambda asked: faults.append(f"{asked.failure} {asked.url}") if asked.failure != "net::ERR_ABORTED" else None,
    )
    page.on("console", lambda said: faults.append(said.text) if said.type in ("error", "warning") else None)
    return faults


def test_the_queue_says_why_there_is_no_picture(site: ReviewSite, visit: Visit) -> None:
    kinds = every_kind(site)
    page = visit("olga", "/help")
    faults = watched(page)
    page.goto("/?state=all")
    expect(page.locator(".frame-card")).to_have_count(len(kinds))
    page.wait_for_function("() => [...document.images].every(one => one.complete && one.naturalWidth > 0)")
    for frame, why in kinds.items():
        card = page.locator(f'[data-frame="{frame}"]')
        if why == DAMAGED:  # found out only when it is read: a picture says it
            answer = page.request.get(f"/frame/{frame}/thumbnail")
            assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
            assert answer.headers["cache-control"] == "no-store"
            assert answer.body() == placeholder(DAMAGED)
        else:
            expect(card.locator(".missing")).to_be_visible()
            expect(card.locator(".missing")).to_have_text(why)
            assert card.locator("img").count() == 0
    assert faults == []


def test_the_page_of_a_frame_says_why_and_can_be_decided(site: ReviewSite, visit: Visit) -> None:
    kinds = every_kind(site)
    page = visit("olga", "/help")
    faults = watched(page)
    for frame, why in kinds.items():
        page.goto(f"/frame/{frame}?state=all")
        if page.locator(".viewer.gone").count():
            expect(page.locator(".viewer.gone")).to_have_text(f"There is no picture of this frame.{why}")
        else:  # the header alone is sound: the browser shows what it can of the rest
            assert why == DAMAGED
        expect(page.locator(".nearest .waiting")).to_have_count(0)
        page.wait_for_load_state("networkidle")
    page.goto(f"/frame/{next(iter(kinds))}?state=all")
    expect(page.locator(".nearest")).to_have_text("Without the picture nobody can say why this frame was flagged.")
    page.keyboard.press("h")
    page.keyboard.press("+")
    page.keyboard.press("n")
    assert faults == []


def test_a_frame_that_was_removed_is_told_where_banks_still_speak_of_it(site: ReviewSite, visit: Visit) -> None:
    gone = 4711
    judged = Judged(gone, str(CAM1), "f-old", "false_alarm", None, "ng", "ok", 3.0, 1.0)
    store = Candidates(site.engine)
    number = store.begin(str(CAM1), by="emil", base=BankRef("0", "0" * 64)).id
    store.tell(number, state="shadowed", shadow=Shadow((judged,)).to_json() | {"defects_without_picture": 0})
    page = visit("emil", "/help")
    faults = watched(page)
    page.goto(f"/banks/candidates/{number}")
    expect(page.locator("#changed img")).to_have_count(1)
    page.locator("#changed img").scroll_into_view_if_needed()
    page.wait_for_function("() => [...document.images].every(one => one.naturalWidth > 0)")
    assert page.request.get(f"/frame/{gone}/thumbnail").body() == placeholder(GONE)
    assert faults == []
    page.goto(f"/frame/{gone}")
    expect(page.locator("main")).to_contain_text("it has had its time and was removed, or has no verdict")


def test_machines_are_told_with_the_status_they_expect(site: ReviewSite) -> None:
    frame = relieved(site)
    with site.client() as olga:
        answer = olga.get(f"/api/v1/frames/{frame}/picture")
        assert olga.get(f"/api/v1/frames/{frame}").json()["picture"] is False
    assert answer.status_code == 404
    assert "removed to make room" in answer.json()["error"]


def test_a_placeholder_is_a_picture_whatever_it_says() -> None:
    drawn = placeholder('"><script>alert(1)</script> & more than one line of it').decode()
    assert "<script>" not in drawn
    assert drawn.count("<tspan") > 1
