"""Fixtures of the review page."""

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from banks import roomy_bank
from playwright.sync_api import Browser, BrowserContext, Page, expect
from review_site import ReviewSite, running_site
from services import DEADLINE_S

BY_HAND_S = 0.11


@pytest.fixture(autouse=True)
def patience() -> None:
    """How long `expect` waits: one setting for all modules, so each test sets it."""
    expect.set_options(timeout=DEADLINE_S * 1000)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bank: Path) -> Iterator[ReviewSite]:
    """A running review page, without frames at first; the tests of a module share it."""
    with running_site(tmp_path_factory.mktemp("site"), bank) as running:
        yield running


@pytest.fixture(scope="session")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return roomy_bank(tmp_path_factory.mktemp("roomy"))


@pytest.fixture
def roomy_site(tmp_path: Path, roomy: Path) -> Iterator[ReviewSite]:
    """A page of one test alone, whose bank has room for more vectors."""
    place = Path(shutil.copytree(roomy, tmp_path / "banks" / "tile"))
    with running_site(tmp_path, place) as running:
        yield running


@pytest.fixture
def empty_queue(site: ReviewSite) -> None:
    """What earlier tests left open is decided."""
    site.decide_all()


def by_hand(page: Page) -> None:
    """Each key is pressed by itself: those within a tenth of a second of one another are taken for a scanner's."""
    last = 0.0

    def paced(strike: Callable[..., None]) -> Callable[..., None]:
        def after_a_moment(key: str, **options: Any) -> None:
            nonlocal last
            page.wait_for_timeout(max(0.0, last + BY_HAND_S - time.monotonic()) * 1000)
            strike(key, **options)
            last = time.monotonic()

        return after_a_moment

    keys = page.keyboard
    keys.press, keys.down = paced(keys.press), paced(keys.down)  # type: ignore[method-assign]


@pytest.fixture
def visit(chromium: Browser, site: ReviewSite) -> Iterator[Callable[..., Page]]:
    """Opens a browser of its own for somebody who is logged in: `visit("olga", "/")`. Fails on any script error."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def open_page(name: str | None = "olga", path: str = "/", **options: Any) -> Page:
        context = chromium.new_context(base_url=site.url, viewport={"width": 1280, "height": 800}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(DEADLINE_S * 1000)
        by_hand(page)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(path if name is None else f"/enter?code={site.sessions.begin_link(name, 1, by='ada')}")
        if name is not None and path != "/":
            page.goto(path)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert faults == []
