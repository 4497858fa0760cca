"""A page that is not kept up to date says so, and that it is over: the real server stops, and is there again."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect
from review_site import running_site
from services import DEADLINE_S

expect.set_options(timeout=DEADLINE_S * 1000)


def look_only(page: Page) -> None:
    """The page asks by itself."""


def move_a_handle(page: Page) -> None:
    page.locator("#handle-ok").press("ArrowLeft")


@pytest.mark.parametrize(("path", "act"), [("/", look_only), ("/figures", look_only), ("/thresholds", move_a_handle)])
def test_a_server_that_is_away_is_told(path: str, act: object, tmp_path: Path, bank: Path, chromium: Browser) -> None:
    assert callable(act)
    with chromium.new_context() as context:
        with running_site(tmp_path, bank) as site:
            site.add()
            page = context.new_page()
            page.goto(f"{site.url}/enter?code={site.sessions.begin_link('emil', 1)}")
            page.goto(site.url + path)
            act(page)
            expect(page.locator("#notice")).to_be_hidden()
            port = urlsplit(site.url).port or 0
        act(page)
        expect(page.locator("#notice")).to_have_text("The server cannot be reached. What is shown may be old.")
        with running_site(tmp_path, bank, port=port):
            act(page)
            expect(page.locator("#notice")).to_be_hidden()
