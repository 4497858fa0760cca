"""A form is sent once: neither the page that answers it nor who loads that page again sends it a second time."""

from collections.abc import Callable

import pytest
from banks import stamped_part
from line import CAM1
from playwright.sync_api import Page, Request, expect
from review_site import ReviewSite

from inspector.bank import file_sha256
from inspector.banks.rebuilding import alone_at_station
from inspector.store import Candidates
from inspector.types import BankRef

Visit = Callable[..., Page]
STATION = str(CAM1)


@pytest.fixture
def site(roomy_site: ReviewSite) -> ReviewSite:
    return roomy_site


def test_a_rebuild_that_was_refused_is_not_asked_for_again_by_the_page_that_follows_the_other(
    site: ReviewSite, visit: Visit
) -> None:
    frame = site.add(stamped_part(1))
    site.reviews.dispose(frame, to="false_alarm", reviewer="olga", version=0)
    page = visit("emil", f"/banks?station={STATION}")
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    store = Candidates(site.engine)
    base = BankRef("bank1", file_sha256(site.settings.stations[0].bank / "manifest.json"))
    with alone_at_station(site.settings, STATION):
        number = store.begin(STATION, by="emil", base=base).id
        page.get_by_role("button", name="Rebuild").click()
        expect(page.get_by_role("alert")).to_contain_text("being made already")
        store.tell(number, state="failed", error="stopped")
        expect(page.get_by_role("alert")).to_have_count(0)  # it shows itself anew
    assert [one.url for one in sent] == [f"{site.url}/banks/rebuild?station={STATION.replace('/', '%2F')}"]
    assert page.url.startswith(f"{site.url}/banks?station=")
    assert len(store.of(STATION)) == 1


def test_an_answer_that_is_loaded_again_makes_nothing_twice(site: ReviewSite, visit: Visit) -> None:
    page = visit("ada", "/accounts")
    tokens = page.locator("form[action='/tokens']")
    tokens.get_by_label("Name").fill("mes")
    tokens.get_by_role("button").click()
    expect(page.get_by_role("status").filter(has_text="Token mes")).to_be_visible()
    expect(page).to_have_url(f"{site.url}/accounts")
    page.reload()
    expect(page.get_by_role("cell", name="mes")).to_have_count(1)
    assert len(site.tokens.all()) == 1


def test_a_refused_promotion_that_is_loaded_again_shows_the_candidate(site: ReviewSite, visit: Visit) -> None:
    base = BankRef("bank1", file_sha256(site.settings.stations[0].bank / "manifest.json"))
    number = Candidates(site.engine).begin(STATION, by="emil", base=base).id
    Candidates(site.engine).tell(number, state="shadowed")
    page = visit("emil", f"/banks/candidates/{number}")
    Candidates(site.engine).tell(number, state="rejected")
    page.get_by_label("Reason").fill("try")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("alert")).to_contain_text("cannot be promoted")
    expect(page).to_have_url(f"{site.url}/banks/candidates/{number}")
    page.reload()
    expect(page.get_by_role("heading", name=f"Candidate {number}")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
