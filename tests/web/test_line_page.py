"""The line as whoever stands beside it sees it: fresh by itself, each station with its newest frames."""

import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
from line import CAM1, CAM2, drawn_part
from pages import asked
from playwright.sync_api import Browser, Locator, Page, Route, expect
from review_site import PASSWORD, ReviewSite, decided, minutes_ago, posted, running_site

from inspector.store import NewestPictures, Role
from inspector.types import StationId

Visit = Callable[..., Page]


def card(page: Page, station: object) -> Locator:
    return page.locator(".station", has=page.locator(f'h2[title="{station}"]'))


def test_a_station_shows_what_it_does_now_by_itself(site: ReviewSite, visit: Visit) -> None:
    page = visit("olga", "/line")
    one, other = card(page, CAM1), card(page, CAM2)
    expect(one).to_contain_text("No frame yet.")
    good = [site.add(drawn_part(number), minutes=minutes_ago(1)) for number in range(3)]
    bad = site.add(minutes=minutes_ago(0))
    assert good
    expect(one.locator(".course rect")).to_have_count(4)
    expect(one.locator(".course g.ng")).to_have_count(1)
    expect(one.get_by_role("img", name="newest 4: 3 ok, 1 ng")).to_be_visible()
    expect(one.locator(".hour")).to_contain_text("25 %")
    expect(one.locator(".badge").first).to_have_text("ng")
    expect(other).to_contain_text("No frame yet.")
    shown = one.locator(".flagged img")
    expect(shown).to_be_visible()
    page.wait_for_function("() => [...document.querySelectorAll('.flagged img')].every((one) => one.naturalWidth)")
    shown.evaluate("one => { one.dataset.kept = 'yes'; }")
    one.locator(".flagged").focus()
    site.add(drawn_part(9), minutes=minutes_ago(0), station=CAM2)
    expect(other.locator(".course rect")).to_have_count(1)
    assert shown.get_attribute("data-kept") == "yes", "a picture that stays is not made anew"
    expect(one.locator(".flagged")).to_be_focused()
    one.locator(".flagged").click()
    expect(page).to_have_url(f"{site.url}/frame/{bad}?station=plant%2Fhall1%2Fline1%2Fcam1&order=newest")


def test_a_station_without_a_bank_says_so_and_leads_engineers_to_samples(roomy_site: ReviewSite) -> None:
    said, link = "No bank yet: nothing is inspected here.", "/samples?station=plant%2Fhall1%2Fline1%2Fcam1"
    with roomy_site.client("olga") as olga, roomy_site.client("emil") as emil:
        assert said not in olga.get("/line").text + olga.get("/").text
        shutil.rmtree(roomy_site.settings.stations[0].bank)
        for path in ("/line", "/"):
            assert said in olga.get(path).text
            assert link not in olga.get(path).text
            assert said in emil.get(path).text
            assert link in emil.get(path).text
        assert link in emil.get("/thresholds").text
        assert "A bank from good parts" in emil.get("/help").text
        assert "A bank from good parts" not in olga.get("/help").text


def test_a_station_whose_camera_sees_another_product_is_not_called_silent(tmp_path: Path, bank: Path) -> None:
    with running_site(tmp_path, bank, camera="left") as site, site.client("olga") as olga:

        def said() -> str:
            return " ".join(olga.get("/line").text.split())

        assert "Its camera sees" not in said()
        site.add(drawn_part(1), station=CAM1, minutes=minutes_ago(30))
        assert "<b>Silent for 3" in said()
        assert "Its camera sees" not in said()
        site.add(drawn_part(2), station=CAM2, minutes=minutes_ago(0))
        assert "Its camera sees line1/cam2 now." in said()
        assert "Its camera sees line1/cam1 now." not in said()
        assert "Silent" not in said()


def test_a_station_that_is_silent_is_not_headed_by_what_it_said_last(roomy_site: ReviewSite, chromium: Browser) -> None:
    roomy_site.add(drawn_part(1), station=CAM1, minutes=minutes_ago(5))
    roomy_site.add(drawn_part(2), station=CAM2, minutes=minutes_ago(0))
    with chromium.new_context(base_url=roomy_site.url) as context:
        page = context.new_page()
        page.goto(f"/enter?code={roomy_site.sessions.begin_link('olga', 1, by='ada')}")
        page.goto("/line")
        heads = [card(page, station).locator(".row .badge") for station in (CAM1, CAM2)]
        expect(heads[0]).to_have_text("silent")
        expect(heads[1]).to_have_text("ok")
        loud, calm = (one.evaluate("(one) => getComputedStyle(one).backgroundColor") for one in heads)
        assert (loud, calm) == ("rgb(27, 31, 36)", "rgb(227, 239, 247)")
        error = page.locator("main > p .badge.error")
        assert error.evaluate("(one) => getComputedStyle(one).backgroundColor") == loud, "an error needs somebody too"


def test_a_station_that_is_gone_is_not_shown(site: ReviewSite) -> None:
    for name, minutes in (("gone", 3 * 24 * 60), ("lent", 60)):
        site.add(drawn_part(1), station=StationId.parse(f"plant/hall9/line1/{name}"), minutes=minutes_ago(minutes))
    with site.client("olga") as olga:
        page = olga.get("/line").text
    assert "line1/lent" in page
    assert page.count("No longer in the settings: nothing is inspected here.") == 1
    assert "line1/gone" not in page


def test_a_viewer_sees_and_decides_nothing(site: ReviewSite, chromium: Browser) -> None:
    frame = site.add(minutes=minutes_ago(0))
    site.accounts.create("wall", PASSWORD, Role.VIEWER, by="ada")
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/login")
        page.fill("input[name=name]", "wall")
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        expect(page).to_have_url(f"{site.url}/line")
        expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(["Line", "Figures", "Checks"])
        page.wait_for_function("() => document.querySelector('.flagged img')?.naturalWidth")
        expect(page.locator("main").get_by_role("link")).to_have_count(0)
        [cookie] = context.cookies()
        assert cookie["expires"] > (datetime.now(UTC) + timedelta(days=300)).timestamp()
        page.get_by_role("link", name="Figures").click()
        expect(page.get_by_text("Inspected", exact=True)).to_be_visible()
        expect(page.locator("main").get_by_role("link", name="Try other thresholds")).to_have_count(0)
    with site.client("wall") as wall:
        for path in (
            f"/frame/{frame}",
            f"/frame/{frame}/picture",
            "/thresholds",
            "/banks",
            "/audit",
            "/api/v1/export/csv",
        ):
            assert wall.get(path).status_code == 403, path
        assert posted(wall, f"/api/v1/frames/{frame}/disposition", to="defect", version=0).status_code == 403
        assert wall.get("/account").status_code == 200
    assert decided(site, frame) == (None, None, None)


def test_what_a_station_sees_is_shown_and_follows(site: ReviewSite, visit: Visit) -> None:
    pictures = NewestPictures(site.settings.data_dir)
    site.add(drawn_part(1), minutes=minutes_ago(0))
    page = visit("olga", "/line")
    assert pictures.asked()
    one = card(page, CAM1)
    expect(one.locator(".newest")).to_have_count(0)
    for grey in (40, 200):
        painted = np.full((90, 120, 3), grey, np.uint8)
        pictures.draw(str(CAM1), bytes(cv2.imencode(".jpg", painted)[1]))
        page.wait_for_function(SHADE + f" Math.abs(shade() - {grey}) < 3; }}")
    expect(card(page, CAM2).locator(".newest")).to_have_count(0)
    for back_s, shown in ((600, 0), (0, 1)):  # nobody looked for ten minutes in which frames came
        drawn_at = (datetime.now(UTC) - timedelta(seconds=back_s)).timestamp()
        [drawn] = (site.settings.data_dir / "newest").rglob("*.jpg")
        os.utime(drawn, (drawn_at, drawn_at))
        expect(one.locator(".newest")).to_have_count(shown)
    with site.client("olga") as olga:
        for name, status in ((CAM1, 200), (CAM2, 404), ("../../secret", 404), ("none/such/line/cam", 404)):
            assert olga.get("/line/thumbnail", params={"station": str(name)}).status_code == status, name


def test_pictures_that_stay_are_seen_while_another_is_on_its_way(site: ReviewSite, visit: Visit) -> None:
    site.add(minutes=minutes_ago(0))
    page = visit("olga", "/line")
    card(page, CAM1).locator(".flagged img").evaluate(
        "stays => { window.gone = 0;"
        " new MutationObserver(() => { window.gone += !document.contains(stays); })"
        ".observe(document.querySelector('[data-fresh]'), { childList: true, subtree: true }); }"
    )
    held: list[Route] = []
    page.route("**/thumbnail*", lambda route: held.append(route))
    coming = site.add(minutes=minutes_ago(0), station=CAM2)
    asked(page, held)
    assert page.evaluate("window.gone") == 0
    held[0].continue_()
    page.unroute("**/thumbnail*")
    page.wait_for_function(f"() => document.querySelector('.flagged[href*=\"/{coming}?\"] img')?.naturalWidth")
    assert page.evaluate("window.gone") == 0


SHADE = """() => { const shade = () => {
    const shown = document.querySelector(".newest img");
    if (!shown?.naturalWidth) return -99;
    const drawn = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d");
    drawn.drawImage(shown, 0, 0, 1, 1);
    return drawn.getImageData(0, 0, 1, 1).data[0];
  }; return"""
