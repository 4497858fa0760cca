"""Nothing is cut off: on a phone, with the longest names that the settings take, on paper, in the system's colours."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from line import drawn_part
from pages import shows
from playwright.sync_api import Browser, Page, expect
from review_site import NOON, PASSWORD, ReviewSite, running_site
from reviewing import check

from inspector.samples.folder import SampleFolder
from inspector.store import Ledger, Role
from inspector.types import StationId

LONG = StationId.parse("plant-of-the-south/hall-of-the-presses-3/line-12-left-hand-side/camera-above-the-belt")
NAME = "maximilian.mustermann@werk-sued.example"


Show = Callable[..., Page]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bank: Path) -> Iterator[ReviewSite]:
    stations = (LONG, StationId.parse(f"{LONG}-2"))
    with running_site(tmp_path_factory.mktemp("site"), bank, stations=stations) as running:
        running.accounts.create(NAME, PASSWORD, Role.ADMIN, by="ada")
        frames = [running.add(station=station, lot="x" * 60) for station in stations for _ in range(3)]
        for frame in frames[:4]:
            running.reviews.dispose(frame, to="defect", defect_type="dent", reviewer=NAME, version=0, note="y" * 80)
        for number, at in ((901, NOON), (902, datetime.now(UTC))):
            said = {"station": str(LONG), "part_id": "p" * 128, "received_at": at}
            Ledger(running.engine).commit([check(number, "ng", "ok", **said)])
        samples = SampleFolder(running.settings.data_dir, str(LONG))
        names = [samples.add(drawn_part(seed), NOON) for seed in range(3)]
        samples.leave_out(names[:1])  # type: ignore[arg-type]
        (samples.good / f"{'n' * 200}.png").write_bytes(drawn_part(4))
        yield running


@pytest.fixture
def show(site: ReviewSite, chromium: Browser) -> Iterator[Show]:
    """Opens a page for the one with the long name."""
    contexts = []

    def open_page(path: str, width: int, **options: str) -> Page:
        contexts.append(chromium.new_context(viewport={"width": width, "height": 800}, **options))
        page = contexts[-1].new_page()
        page.goto(f"{site.url}/enter?code={site.sessions.begin_link(NAME, 1, by='ada')}")
        page.goto(site.url + path.format(day=NOON.date()))
        return page

    yield open_page
    for context in contexts:
        context.close()


PAGES = [
    "/?state=all",
    "/frame/1",
    "/figures?since={day}T00:00&until={day}T23:00",
    "/checks?since={day}T00:00&until={day}T23:00",
    "/line",
    "/thresholds",
    "/samples",
    "/samples?show=left_out",
    "/banks",
    "/audit",
    "/audit?log=accounts",
    "/accounts",
    "/help",
]


@pytest.mark.parametrize("width", [320, 375, 1280])
@pytest.mark.parametrize("path", PAGES)
def test_no_page_scrolls_sideways(path: str, width: int, show: Show) -> None:
    page = show(path, width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    way_out = page.get_by_role("button", name="Log out").bounding_box()
    pages = page.get_by_role("navigation", name="Pages", exact=True).bounding_box()
    assert way_out
    assert pages
    assert way_out["x"] + way_out["width"] <= width
    assert pages["width"] >= 90


OUT_OF_SIGHT = """() => {
  const bar = document.querySelector(".bar").getBoundingClientRect();
  return [...document.querySelectorAll(".bar nav a, .bar button")].filter((one) => {
    const { left, right, bottom } = one.getBoundingClientRect();
    const seen = document.elementFromPoint((left + right) / 2, bottom - 10);
    return left < 0 || right > innerWidth || bottom > bar.bottom || seen !== one;
  }).map((one) => one.textContent);
}"""


@pytest.mark.parametrize("width", [768, 1024, 1280])
@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR"])
def test_on_a_shop_floor_screen_every_page_is_in_sight(width: int, locale: str, show: Show) -> None:
    page = show("/frame/1", width, locale=locale)
    assert page.evaluate(OUT_OF_SIGHT) == []
    if width > 1000:
        page.wait_for_function("() => document.documentElement.scrollHeight <= innerHeight")  # the bar is measured


ENDS = """() => [...document.querySelectorAll(".caption bdi")].map((one) => {
    const text = document.createRange(), line = one.parentElement, box = line.getBoundingClientRect();
    text.setStart(one.firstChild, one.textContent.length - 8);
    text.setEnd(one.firstChild, one.textContent.length);
    const { left, right } = text.getBoundingClientRect();
    const shown = left >= box.left && right <= box.right + 1;
    return [one.textContent, !shown ? "cut" : line.scrollWidth > line.clientWidth ? "its end" : "whole"];
})"""
"""What is seen of each name on a card."""


@pytest.mark.parametrize("width", [390, 1280])
def test_a_card_shows_how_station_and_part_end(width: int, tmp_path: Path, bank: Path, chromium: Browser) -> None:
    """At one camera several products are told apart by the end of the station's name."""
    stations = [StationId.parse(f"plant/hall1/line1/cam1-{name}") for name in ("tile", "cap", "x" * 59)]
    with running_site(tmp_path, bank, stations=stations) as here:
        for number, station in enumerate(stations):
            here.add(station=station, part_id=f"press-to-the-left-of-the-second-door-2026-11-29-000{number}44.jpg")
        with chromium.new_context(viewport={"width": width, "height": 800}) as context:
            page = context.new_page()
            page.goto(f"{here.url}/enter?code={here.sessions.begin_link('olga', 1, by='ada')}")
            expect(page.locator(".frame-card")).to_have_count(3)
            seen = dict(page.evaluate(ENDS))
    assert seen == {
        "line1/cam1-tile": "whole",
        "line1/cam1-cap": "whole",
        f"line1/cam1-{'x' * 59}": "its end",
        "press-to-the-left-of-the-second-door-2026-11-29-000044.jpg": "its end",
        "press-to-the-left-of-the-second-door-2026-11-29-000144.jpg": "its end",
        "press-to-the-left-of-the-second-door-2026-11-29-000244.jpg": "its end",
    }


@pytest.mark.parametrize("width", [390, 1280])
def test_names_that_begin_alike_are_told_apart_and_numbers_are_whole(
    width: int, tmp_path: Path, bank: Path, chromium: Browser
) -> None:
    types = ["Oberflächenkratzer", "Oberflächendelle", "Oberflächenrauheit"]
    with (
        running_site(tmp_path, bank, stations=[LONG], defect_types=types) as here,
        chromium.new_context(viewport={"width": width, "height": 800}) as context,
    ):
        frame = [here.add(station=LONG) for _ in range(12)][-1]
        page = context.new_page()
        page.goto(f"{here.url}/enter?code={here.sessions.begin_link('olga', 1, by='ada')}")
        counts = page.locator("#tally .chip b")
        assert counts.all_inner_texts() == ["12", "12"]
        assert counts.evaluate_all("all => all.every((one) => one.getClientRects()[0].height < 30)")
        page.goto(f"{here.url}/frame/{frame}")
        shown = page.locator(".type span")
        assert shown.all_inner_texts() == types
        assert shown.evaluate_all("all => all.every((one) => one.scrollWidth <= one.clientWidth)")
        assert page.locator(".type").evaluate_all("all => all.map((one) => one.title)") == types


def test_on_a_tablet_every_account_has_its_buttons_in_sight(show: Show) -> None:
    table = show("/accounts", 820).locator(".scroll").first
    expect(table.get_by_role("row").filter(has_text=NAME)).to_be_visible()
    assert table.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_a_role_and_its_button_stand_in_one_line(show: Show) -> None:
    forms = show("/accounts", 1280).locator("td form:has(select)")
    assert forms.count() == 3
    assert forms.evaluate_all("all => all.map((one) => one.clientHeight)") == [48] * 3


@pytest.mark.parametrize("path", ["/line", "/frame/1"])
@pytest.mark.parametrize("width", [390, 1280])
def test_a_time_does_not_break_within(path: str, width: int, show: Show) -> None:
    times = show(path, width, locale="de-DE").locator("time")
    assert times.count() > 1
    assert set(times.evaluate_all("all => all.map((one) => one.getClientRects().length)")) == {1}


def test_what_a_check_expected_and_what_the_line_said_is_seen_on_a_phone(show: Show) -> None:
    page = show("/checks?since={day}T00:00&until={day}T23:00", 390)
    row = page.locator(".checks tr.failed")
    for cell in (row.locator("td", has_text="failed"), row.locator("td", has_text="ng"), row.locator(".badge.ok")):
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= 390


def test_a_frame_says_its_time_and_shift_in_full(show: Show) -> None:
    line = show("/frame/1", 1280).locator(".side header .line")
    assert line.evaluate("line => line.scrollWidth <= line.clientWidth")
    assert "2026-03-02 12:0" in line.inner_text()


def refused(page: Page, number: int) -> None:
    """So many decisions were not recorded: the strip under the bar says so, until somebody has read it."""
    page.evaluate(
        """([number, user]) => {
          const text = "Not recorded: part-17: defect. The frame is another one by now.";
          const said = JSON.stringify({ text, user });
          for (let at = 0; at < number; at += 1) localStorage.setItem(`inspector.refused.${at}.x`, said);
        }""",
        [number, NAME],
    )
    page.reload()
    expect(page.locator("#notice > span")).to_have_count(number)


COVERED = """() => {
  const held = document.activeElement, { left, right, top, bottom } = held.getBoundingClientRect();
  const seen = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return seen?.closest(".bar, .notice") && !seen.closest(".bar, .notice").contains(held) ? held.outerHTML : null;
}"""
"""What has the focus, where the bar or the strip lies over its middle."""


@pytest.mark.parametrize(
    ("path", "width", "height"), [("/accounts", 390, 800), ("/frame/1", 390, 800), ("/", 320, 200)]
)
def test_what_has_the_focus_is_not_below_the_strip(path: str, width: int, height: int, show: Show) -> None:
    page = show(path, width)
    page.set_viewport_size({"width": width, "height": height})
    refused(page, 2)
    covered = []
    for _ in range(30):
        page.keyboard.press("Shift+Tab")
        covered.append(page.evaluate(COVERED))
    assert [one for one in covered if one] == []


def test_much_enlarged_the_picture_of_each_frame_is_in_sight(show: Show) -> None:
    """1280x800 at 400 %: bar and strip together are higher than the screen."""
    page = show("/frame/4?state=all&order=newest", 320)
    page.set_viewport_size({"width": 320, "height": 200})
    refused(page, 2)
    page.goto(page.url)
    shows(page, 4)

    def seen() -> list[float]:
        """Above the picture the end of the strip; its top; of it so many pixels are on the screen."""
        places = [page.locator(one).bounding_box() for one in ("#notice", ".viewer")]
        strip, picture = (place for place in places if place)
        return [strip["y"] + strip["height"], picture["y"], min(200, picture["y"] + picture["height"]) - picture["y"]]

    for frame in (4, 3):
        shows(page, frame)
        end, top, shown = seen()
        assert end <= top
        assert 0 <= top < 100
        assert shown >= 100
        page.locator(".moves [data-do='next']").scroll_into_view_if_needed()
        page.keyboard.press("ArrowRight")


def test_charts_on_a_phone_keep_a_size_that_can_be_read(show: Show) -> None:
    page = show("/figures?since={day}T00:00&until={day}T23:00", 375)
    heights = page.evaluate(
        "[...document.querySelectorAll('.chart text')].map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) >= 11


@pytest.mark.parametrize("width", [1024, 1280])
def test_no_chart_is_cut_off_on_a_screen(width: int, show: Show) -> None:
    charts = show("/figures?since={day}T00:00&until={day}T23:00", width).locator(".scores-scroll")
    assert charts.count() > 3
    assert not any(charts.evaluate_all("all => all.map((one) => one.scrollWidth - one.clientWidth)"))


@pytest.mark.parametrize("width", [1024, 1280])
def test_morning_and_evening_are_told_apart_in_the_filter(width: int, show: Show) -> None:
    field = show("/?since={day}T09:30&until={day}T21:30", width, locale="en-US").locator("input[name=since]")
    room = """(one) => {
      const whole = document.body.appendChild(one.cloneNode());
      whole.style.width = "auto";
      return one.offsetWidth - whole.offsetWidth;
    }"""
    assert field.evaluate(room) >= 0, "AM or PM is out of sight"


def test_of_many_stations_the_queue_names_those_where_frames_wait(
    tmp_path: Path, bank: Path, chromium: Browser
) -> None:
    stations = [StationId.parse(f"plant/hall{1 + n // 10}/line{1 + n // 4}/cam{n}-tile") for n in range(40)]
    with (
        running_site(tmp_path, bank, stations=stations) as here,
        chromium.new_context(viewport={"width": 1280, "height": 800}) as context,
    ):
        for number in (0, 7, 39):
            here.add(station=stations[number])
        page = context.new_page()
        page.goto(f"{here.url}/enter?code={here.sessions.begin_link('olga', 1, by='ada')}")
        chips, chosen = page.locator("#tally .chip"), page.locator("#tally [aria-current=true]")
        named = ["line1/cam0-tile 1", "line2/cam7-tile 1", "line10/cam39-tile 1"]
        expect(chips).to_have_text(["all stations 3", *named])
        expect(chosen).to_have_text("all stations 3")
        assert page.locator("#cards").evaluate("(one) => one.getBoundingClientRect().top") < 400
        page.goto(f"{here.url}/?station={stations[12]}")
        expect(chosen).to_have_text("line4/cam12-tile 0")
        here.add(station=stations[5])
        expect(page.locator(f"#tally [data-station='{stations[5]}']")).to_have_text("line2/cam5-tile 1")


def test_the_audit_is_whole_on_paper(show: Show) -> None:
    page = show("/audit", 718)  # A4, upright
    page.emulate_media(media="print")
    assert page.evaluate("document.querySelector('.card.scroll').scrollWidth") <= 718
    expect(page.get_by_role("cell", name="y" * 80).first).to_be_visible()
    expect(page.locator(".bar")).to_be_hidden()


def test_a_frame_is_whole_on_paper_that_lies_across(show: Show) -> None:
    page = show("/frame/1", 1047)  # A4
    page.set_viewport_size({"width": 1047, "height": 718})
    page.emulate_media(media="print")
    for part in (".side", ".nearest"):
        assert page.locator(part).evaluate("({ scrollHeight, clientHeight }) => scrollHeight - clientHeight") <= 1, part


def test_thresholds_on_paper_say_of_which_station_they_are(show: Show) -> None:
    page = show(f"/thresholds?station={LONG}", 718)
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Thresholds", use_inner_text=True)
    page.emulate_media(media="print")
    expect(heading).to_have_text(f"Thresholds of {LONG}", use_inner_text=True)


def test_charts_keep_their_colours_where_the_system_sets_them(show: Show) -> None:
    page = show("/figures?since={day}T00:00&until={day}T23:00", 1280, forced_colors="active", color_scheme="dark")
    chart = page.locator("svg.chart").first
    assert chart.evaluate("chart => getComputedStyle(chart).backgroundColor") == "rgb(255, 255, 255)"
    chosen = page.locator(".bar nav a[aria-current]")
    other = page.locator(".bar nav a:not([aria-current])").first
    colour = "link => getComputedStyle(link).borderBottomColor"
    assert chosen.evaluate(colour) != other.evaluate(colour)
