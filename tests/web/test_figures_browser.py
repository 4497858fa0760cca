"""The figures in a real browser: known numbers, which follow what is decided, on a screen and on a tablet."""

import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from review_site import NOON, ReviewSite

Visit = Callable[..., Page]

AGO = int((datetime.now(UTC) - timedelta(hours=3) - NOON) / timedelta(minutes=1))


@pytest.fixture(scope="module")
def frames(site: ReviewSite) -> list[int]:
    found = [site.add(minutes=AGO + n) for n in range(5)]
    for frame in found[:2]:
        site.reviews.dispose(frame, to="defect", defect_type="scratch", reviewer="olga", version=0)
    return found


def test_known_numbers_that_follow_what_is_decided(site: ReviewSite, frames: list[int], visit: Visit) -> None:
    page = visit("olga", "/figures?days=1")
    to_review = page.locator(".tile", has_text="people were asked for").locator(".value")
    expect(to_review).to_have_text("3")
    expect(page.locator("#pareto svg")).to_contain_text("scratch")
    page.locator("#pareto summary").click()
    expect(page.locator("#pareto table")).to_contain_text("100.0%")
    page.locator("h1").click()
    page.evaluate("document.activeElement.blur()")
    site.reviews.dispose(frames[2], to="defect", defect_type="dent", reviewer="emil", version=0)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(to_review).to_have_text("2")
    expect(page.locator("#pareto table")).to_contain_text("33.3%")
    expect(page.locator("#pareto details")).to_have_attribute("open", "")


def test_figures_that_somebody_has_clicked_on_follow_again_after_a_minute(
    site: ReviewSite, frames: list[int], visit: Visit
) -> None:
    page = visit("olga", "/figures?days=1")
    page.clock.install()
    page.reload()
    tile = page.locator(".tile", has_text="people were asked for").locator(".value")
    before = tile.inner_text()
    chart = page.locator("#throughput .scores-scroll")
    chart.click()
    expect(chart).to_be_focused()
    site.reviews.dispose(frames[3], to="unsure", reviewer="emil", version=0)
    page.clock.fast_forward("00:30")
    assert tile.inner_text() == before, "who reads a chart keeps it"
    page.clock.fast_forward("00:40")
    expect(tile).not_to_have_text(before)
    expect(chart).to_be_focused()


@pytest.mark.parametrize("width", [1280, 820])
@pytest.mark.parametrize("path", ["/figures", "/thresholds", "/audit"])
def test_nothing_is_cut_off_at_the_side(frames: list[int], visit: Visit, path: str, width: int) -> None:
    assert frames
    page = visit("emil", path)
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_filters_are_in_the_address(frames: list[int], visit: Visit) -> None:
    assert frames
    page = visit("olga", "/figures")
    page.locator("select[name=shift]").select_option("late")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"/figures\?shift=late$"))
    page.get_by_role("link", name="24 hours").click()
    expect(page).to_have_url(re.compile(r"/figures\?days=1&shift=late$"))
    page.locator("select[name=shift]").select_option("early")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile(r"/figures\?days=1&shift=early$"))


def test_the_queue_is_exported_as_it_is_filtered(frames: list[int], visit: Visit, tmp_path: Path) -> None:
    page = visit("olga", "/?state=done&order=newest")
    page.locator(".export summary").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Pictures (ZIP)").click()
    download.value.save_as(tmp_path / "frames.zip")
    with zipfile.ZipFile(tmp_path / "frames.zip") as opened:
        assert opened.testzip() is None
        assert 0 < sum(name.startswith("images/") for name in opened.namelist()) < len(frames)


def test_on_a_phone_the_newest_shift_is_seen_and_a_chart_stays_where_it_was_moved(
    site: ReviewSite, frames: list[int], visit: Visit
) -> None:
    page = visit("olga", "/figures")
    page.set_viewport_size({"width": 390, "height": 844})
    chart = page.locator("#throughput .scores-scroll")
    right = "getBoundingClientRect().right"
    hidden = f"one => Math.round(one.firstElementChild.{right} - one.{right})"
    assert chart.evaluate("one => one.scrollWidth - one.clientWidth") > 100, "it does not fit"
    assert chart.evaluate(hidden) <= 0
    chart.evaluate("one => one.scrollBy(-80, 0)")
    assert chart.evaluate(hidden) > 70
    tile = page.locator(".tile", has_text="people were asked for").locator(".value")
    before = tile.inner_text()
    site.reviews.dispose(frames[4], to="defect", reviewer="emil", version=0)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(tile).not_to_have_text(before)
    assert chart.evaluate(hidden) > 70


def test_what_the_line_said_of_a_part_is_seen_on_a_phone(site: ReviewSite, visit: Visit) -> None:
    site.add(part_id="plate-20260302T120000-b33637-000099")
    page = visit("olga", "/find?part=plate-20260302T120000-b33637-000099")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("main .badge.ng")).to_be_in_viewport(ratio=1)


def test_a_name_in_the_audit_is_not_cut_into_snippets(site: ReviewSite, visit: Visit) -> None:
    frame = site.add(frame_id="plate-20260302T120000-b33637-000099")
    site.reviews.dispose(frame, to="defect", defect_type="scratch", reviewer="olga", version=0)
    page = visit("emil", f"/audit?frame={frame}")
    link = page.locator(".audit td a", has_text="b33637")
    assert link.evaluate("one => one.getClientRects().length") <= 2
    assert page.locator(".card.scroll").evaluate("one => one.scrollWidth <= one.clientWidth")
