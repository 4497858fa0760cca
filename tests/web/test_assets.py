"""Scripts and styles: fetched once, and anew when they are others."""

from collections.abc import Callable

from playwright.sync_api import Page
from review_site import ReviewSite

from inspector.web.assets import ADDRESS


def test_a_browser_fetches_scripts_and_styles_once(visit: Callable[..., Page], site: ReviewSite) -> None:
    frame = site.add()
    page = visit("olga", f"/frame/{frame}")
    page.wait_for_load_state("load")
    page.goto(f"/frame/{frame}", wait_until="load")
    again = "performance.getEntriesByType('resource').map(({ name, transferSize }) => [name, transferSize])"
    loaded = {name: size for name, size in page.evaluate(again) if ADDRESS in name}
    assert len(loaded) > 10
    assert {name: size for name, size in loaded.items() if size} == {}


def test_only_what_is_there_is_kept(site: ReviewSite) -> None:
    with site.client() as olga:
        assert olga.get(f"{ADDRESS}/style.css").headers["cache-control"] == "public, max-age=31536000, immutable"
        for gone in (f"{ADDRESS}/nothing.css", "/static/0123456789abcdef/style.css"):
            assert (olga.get(gone).status_code, olga.get(gone).headers["cache-control"]) == (404, "no-store")
