"""The page of check parts, its file and its part of the API, on the real application and in a real browser."""

import csv
import io
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from line import CAM1, CAM2
from pages import HOSTILE
from pages import Page as Parsed
from playwright.sync_api import Page, expect
from review_site import NOON, PASSWORD, ReviewSite
from reviewing import check

from inspector.store import Ledger, Role
from inspector.types import StationId
from inspector.web.pages import checks

Visit = Callable[..., Page]


DAY = {"since": "2026-03-02T06:00", "until": "2026-03-03T06:00"}


def shown(
    site: ReviewSite, expected: str, word: str, *, at: datetime = NOON, station: StationId = CAM1, **said: Any
) -> None:
    """A check part that came to a station."""
    with site.engine.connect() as connection:
        number = int(connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM frames").scalar_one()) + 1
    more = {"part_id": "master-1", "lot": "masters", "score": 12.5, "received_at": at} | said
    Ledger(site.engine).commit([check(number, expected, word, station=str(station), **more)])


@pytest.fixture(scope="module")
def client(site: ReviewSite) -> Iterator[httpx.Client]:
    """Of a viewer, on a ledger with a morning's checks, an evening's, and frames of production."""
    site.accounts.create("vera", PASSWORD, Role.VIEWER, by="ada")
    site.add(minutes=1)
    for number, (expected, word) in enumerate((("ok", "ok"), ("ng", "ng"), ("ng", "uncertain"), ("ng", "ok"))):
        shown(site, expected, word, at=NOON + timedelta(minutes=number), part_id=f"master-{number}")
    shown(site, "ok", "damaged", at=NOON + timedelta(minutes=4), part_id=None)
    shown(site, "ok", "ok", at=NOON + timedelta(hours=6), station=CAM2)
    with site.client("vera") as opened:
        yield opened


def test_the_page_says_what_was_told_and_what_was_not(client: httpx.Client) -> None:
    answer = client.get("/checks", params=DAY)
    page = Parsed(answer.text)
    assert answer.status_code == 200
    assert page.obeys_the_policy
    assert "4 of 6 as expected 2 failed" in page.text
    assert "failed ng ok master-3 2026-03-02 12:03:00 line1/cam1 masters 12.5 / 10 bank1 bbbbbbbbbbbb" in page.text
    assert "passed ng uncertain master-2 2026-03-02 12:02:00 line1/cam1 masters 12.5" in page.text
    assert "failed ok error damaged picture" in page.text
    assert page.text.index("master-3") < page.text.index("master-0"), "newest first"
    assert "part-1" not in page.text, "production"


def test_station_shift_and_time_narrow_it(client: httpx.Client) -> None:
    def asked(**more: str) -> dict[str, Any]:
        answer = client.get("/api/v1/checks", params=DAY | more)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    assert (asked()["passed"], len(asked()["checks"]), asked()["more"]) == (4, 6, False)
    assert [one["station"] for one in asked(station=str(CAM2))["checks"]] == [str(CAM2)]
    assert len(asked(shift="early")["checks"]) == 5
    assert len(asked(until="2026-03-02T12:02")["checks"]) == 2
    assert asked(station="none/such/as/this")["checks"] == []
    newest = asked(station=str(CAM1))["checks"][1]
    assert {name: newest[name] for name in ("expected", "decision", "score", "threshold_ng", "passed")} == {
        "expected": "ng",
        "decision": "ok",
        "score": 12.5,
        "threshold_ng": 10.0,
        "passed": False,
    }


def test_without_checks_it_says_how_there_would_be_some(client: httpx.Client) -> None:
    page = Parsed(client.get("/checks", params={"until": "2026-01-02T06:00"}).text)
    assert "No check part came in this time." in page.text


def test_hostile_names_are_text_on_the_page_and_no_formula_in_the_file(client: httpx.Client, site: ReviewSite) -> None:
    later = NOON + timedelta(days=30)
    names = [*HOSTILE, "@cmd"]
    for name in names:
        shown(site, "ng", "ok", at=later, part_id=name[:128], lot=name[:128])
    day = {"since": "2026-04-01T06:00", "until": "2026-04-02T06:00"}
    page = Parsed(client.get("/checks", params=day).text)
    assert page.obeys_the_policy
    answer = client.get("/api/v1/checks.csv", params=day)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].endswith('-checks.csv"')
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert len(rows) == len(names)
    assert {row["result"] for row in rows} == {"failed"}
    assert "'=1+1" in [row["part_id"] for row in rows]
    assert not [row for row in rows if row["part_id"][:1] in ("=", "+", "-", "@") or row["lot"][:1] in ("=", "@")]


def test_only_so_many_are_shown_and_that_is_told(
    client: httpx.Client, site: ReviewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "SHOWN", 3)
    assert "These are the newest 3 of this time" in Parsed(client.get("/checks", params=DAY).text).text
    assert client.get("/api/v1/checks", params=DAY).json()["more"] is True


def test_where_not_all_errors_were_looked_through_that_is_told(
    client: httpx.Client, site: ReviewSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = NOON + timedelta(days=60)
    for minutes in range(3):
        shown(site, "ok", "damaged", at=later + timedelta(minutes=minutes))
    day = {"since": "2026-05-01T06:00", "until": "2026-05-02T06:00"}
    assert "were looked through" not in Parsed(client.get("/checks", params=day).text).text
    monkeypatch.setattr(checks, "LOOKED_THROUGH", 2)
    page = Parsed(client.get("/checks", params=day).text).text
    assert "only the newest 2 of each reason at each station were looked through" in page
    assert "0 of 2 as expected" in page
    assert client.get("/api/v1/checks", params=day).json()["more"] is True


def card(page: Page, station: StationId) -> Any:
    return page.locator(".station", has=page.locator(f'h2[title="{station}"]'))


def test_the_line_shows_the_last_run_of_checks_and_follows(site: ReviewSite, visit: Visit) -> None:
    now = datetime.now(UTC)
    shown(site, "ng", "ok", at=now - timedelta(days=8), station=CAM2)
    shown(site, "ng", "ok", at=now - timedelta(hours=8), part_id="yesterday's")
    for seconds, (expected, word) in enumerate((("ok", "ok"), ("ng", "ng"), ("ng", "uncertain"))):
        shown(site, expected, word, at=now - timedelta(minutes=5) + timedelta(seconds=seconds))
    page = visit("olga", "/line")
    line = card(page, CAM1).locator(".checked")
    expect(line).to_contain_text("3 of 3 as expected")
    expect(card(page, CAM2).locator(".checked")).to_have_count(0)
    shown(site, "ng", "ok", at=now, part_id="faint scratch")
    expect(line).to_contain_text("faint scratch expected ng, got ok")
    expect(line.locator(".badge.error")).to_have_text("check failed")
    shown(site, "ok", "damaged", at=now + timedelta(seconds=1), part_id="good one")
    expect(line).to_contain_text("good one expected ok, got error")


def test_a_failed_check_stands_out_without_colours(client: httpx.Client, visit: Visit) -> None:
    page = visit("vera", "/checks?since=2026-03-02T06:00&until=2026-03-03T06:00")
    failed = page.locator("tr.failed")
    expect(failed).to_have_count(2)
    said = failed.first.locator("td").first
    expect(said).to_have_text("failed")
    assert said.evaluate("cell => getComputedStyle(cell.firstChild, '::before').content") == '"✕"'
    with page.expect_download() as download:
        page.get_by_role("link", name="Table (CSV)").click()
    assert download.value.suggested_filename.endswith("-checks.csv")
