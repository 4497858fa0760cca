"""The page in a browser that speaks another language: read, decided by the same keys, chosen, nothing cut off."""

import re
from collections.abc import Callable

import pytest
from line import drawn_part
from pages import say, shows
from playwright.sync_api import Browser, Page, expect
from review_site import PASSWORD, ReviewSite, minutes_ago, recorded

from inspector.store import Role
from inspector.web.languages import NAMES

Visit = Callable[..., Page]


CUT_OFF = """() => [...document.querySelectorAll(
    "button, .button, .badge, .chip, .segments, .says, .moves, .tools, .caption .row, .batch, .hour, .languages, dialog"
  )].filter((one) => one.offsetParent && one.scrollWidth > one.clientWidth + 1).map((one) => one.textContent.trim())"""
"""What does not fit where it stands."""


@pytest.fixture
def german(visit: Visit) -> Callable[..., Page]:
    return lambda name, path="/": visit(name, path, locale="de-DE")


def test_an_operator_logs_in_and_decides_in_german(site: ReviewSite, german: Callable[..., Page]) -> None:
    first, last = site.add(), site.add()
    page = german(None, "/login")
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_title("Anmelden · inspector")
    page.get_by_label("Name").fill("olga")
    page.get_by_label("Passwort").fill(PASSWORD)
    page.get_by_role("button", name="Anmelden").click()
    expect(page.get_by_role("heading", name="Warteschlange")).to_be_visible()
    expect(page.locator("#matching")).to_have_text("2 Aufnahmen offen")
    expect(page.get_by_role("navigation", name="Seiten", exact=True).get_by_role("link")).to_have_text(
        ["Warteschlange", "Linie", "Kennzahlen", "Kontrollen", "Hilfe"]
    )
    page.goto("/?order=newest")
    page.keyboard.press("Enter")
    shows(page, last)
    expect(page.get_by_role("group", name="Entscheiden").get_by_role("button")).to_have_text(
        ["Fehler D", "Pseudofehler F", "Unklar U"]
    )
    expect(page.locator(".legend")).to_contain_text("die ähnlichsten Ausschnitte der Gutmuster")
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Tasten")
    expect(keys.get_by_role("row").nth(1)).to_contain_text("Pseudofehler")
    expect(keys).to_contain_text("zurück zur Warteschlange")
    keys.get_by_role("button", name="Schließen").click()
    say(page, "f")
    shows(page, first)
    recorded(site, last, ("false_alarm", None, "olga"))
    page.keyboard.press("z")
    shows(page, last)
    recorded(site, last, (None, None, None))
    expect(page.locator(".history")).to_contain_text("olga hat zurückgenommen")
    say(page, "2")
    shows(page, first)
    recorded(site, last, ("defect", "dent", "olga"))


def test_the_strip_is_german_while_the_server_is_away(site: ReviewSite, german: Callable[..., Page]) -> None:
    site.decide_all()
    frames = [site.add() for _ in range(3)][::-1]
    page = german("olga", f"/frame/{frames[0]}?order=newest")
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    strip = page.locator("#notice")
    say(page, "d")
    shows(page, frames[1])
    expect(strip).to_contain_text("Der Server ist nicht erreichbar. 1 Entscheidung bleibt hier erhalten und wird")
    say(page, "u")
    expect(strip).to_contain_text("2 Entscheidungen bleiben hier erhalten und werden gesendet")
    page.context.set_offline(False)
    recorded(site, frames[0], ("defect", None, "olga"))
    recorded(site, frames[1], ("unsure", None, "olga"))
    expect(strip).to_be_hidden()


def test_a_conflict_is_told_in_german(site: ReviewSite, german: Callable[..., Page]) -> None:
    site.decide_all()
    _, frame = site.add(), site.add()
    page = german("olga", f"/frame/{frame}?order=newest")
    page.wait_for_load_state("networkidle")
    site.reviews.dispose(frame, to="false_alarm", reviewer="emil", version=0)
    say(page, "d")
    told = page.get_by_role("dialog", name="Jemand anderes war schneller")
    expect(told).to_have_accessible_description(re.compile("emil: „Pseudofehler“, 20.*Sie: „Fehler“"))
    page.get_by_role("button", name="Fremde Entscheidung behalten").click()


def test_the_choice_wins_over_the_browser(site: ReviewSite, visit: Visit) -> None:
    page = visit(None, "/login?next=%2Fline", locale="de-DE")
    page.locator("input[name=password]").press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="简体中文")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Se connecter")).to_be_visible()
    page.get_by_label("Nom").fill("olga")
    page.get_by_label("Mot de passe").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Ligne")).to_be_visible()
    page.goto("/account")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="olga, operator")).to_be_visible()
    expect(page).to_have_url(f"{site.url}/account")


def test_a_browser_whose_language_there_is_not_gets_english(site: ReviewSite, visit: Visit) -> None:
    page = visit(None, "/login", locale="pl-PL")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert page.locator("#words").count() == 0


@pytest.mark.parametrize("code", [code for code in NAMES if code != "en"])
def test_nothing_is_cut_off(code: str, site: ReviewSite, chromium: Browser) -> None:
    site.add(drawn_part(7), minutes=minutes_ago(1), sampled=True)
    decided = site.add(minutes=minutes_ago(1))
    site.reviews.dispose(decided, to="false_alarm", reviewer="emil", version=0)
    frame = site.add(minutes=minutes_ago(0))
    name = f"maximilian.mustermann.{code}@werk-sued.example"
    site.accounts.create(name, PASSWORD, Role.ADMIN, by="ada")
    for width, height in ((1280, 800), (1024, 768), (390, 844), (320, 640)):
        with chromium.new_context(viewport={"width": width, "height": height}, base_url=site.url) as context:
            context.add_cookies([{"name": "language", "value": code, "url": site.url}])
            page = context.new_page()
            page.goto("/login")
            expect(page.locator("html")).to_have_attribute("lang", code)
            assert whole(page, width)
            page.goto(f"/enter?code={site.sessions.begin_link(name, 1, by='ada')}")
            for path in ("/?state=all&order=newest", f"/frame/{frame}?state=all", "/line", "/help", "/account"):
                page.goto(path)
                assert whole(page, width), path
                if path.startswith("/frame"):
                    page.wait_for_selector(".near")
                    page.keyboard.press("m")
                    assert whole(page, width)
                    page.keyboard.press("Escape")
                    page.keyboard.press("?")
                    assert whole(page, width)
                if path.startswith("/?"):
                    page.locator("input[name=pick]").first.check()
                    say(page, "f")
                    assert whole(page, width)


@pytest.mark.parametrize("code", NAMES)
def test_every_button_of_a_frame_is_seen_without_scrolling(code: str, site: ReviewSite, chromium: Browser) -> None:
    frame = site.add(part_id="line1-2026-11-29-000144.jpg")
    with chromium.new_context(viewport={"width": 1280, "height": 800}, base_url=site.url) as context:
        context.add_cookies([{"name": "language", "value": code, "url": site.url}])
        page = context.new_page()
        page.goto(f"/enter?code={site.sessions.begin_link('olga', 1, by='ada')}")
        page.goto(f"/frame/{frame}")
        page.wait_for_selector(".near")
        assert page.evaluate(BELOW) == []


BELOW = """() => {
    const end = document.querySelector(".side").getBoundingClientRect().bottom;
    return [...document.querySelectorAll(".side button, .side .button")].filter((one) => one.offsetParent)
        .filter((one) => one.getBoundingClientRect().bottom > end).map((one) => one.textContent.trim());
}"""
"""Buttons that reach below the end of the panel."""


def whole(page: Page, width: int) -> bool:
    assert page.evaluate(CUT_OFF) == [], (width, page.url)
    return int(page.evaluate("document.documentElement.scrollWidth")) <= width
