"""Scripts and styles: fetched once, and anew when they are others."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page
from review_site import ReviewSite, running_site

from inspector.web import app
from inspector.web.assets import ASSETS, FOLDER, Assets


def test_a_browser_fetches_scripts_and_styles_once(visit: Callable[..., Page], site: ReviewSite) -> None:
    frame = site.add()
    page = visit("olga", f"/frame/{frame}")
    page.wait_for_load_state("load")
    page.goto(f"/frame/{frame}", wait_until="load")
    again = "performance.getEntriesByType('resource').map(({ name, transferSize }) => [name, transferSize])"
    loaded = {name: size for name, size in page.evaluate(again) if ASSETS.address in name}
    assert len(loaded) > 10
    assert {name: size for name, size in loaded.items() if size} == {}


def test_only_what_is_there_is_kept(site: ReviewSite) -> None:
    with site.client() as olga:
        assert olga.get(f"{ASSETS.address}/style.css").headers["cache-control"] == "public, max-age=31536000, immutable"
        for gone in (f"{ASSETS.address}/nothing.css", "/static/0123456789abcdef/style.css"):
            assert (olga.get(gone).status_code, olga.get(gone).headers["cache-control"]) == (404, "no-store")


def test_what_an_upgrade_brings_is_not_served_under_the_old_address(
    bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / "style.css").write_text("a {}")
    before = Assets(folder)
    monkeypatch.setattr(app, "ASSETS", before)
    with running_site(tmp_path, bank) as running, running.client(None) as browser:
        (folder / "style.css").write_text("b {}")
        (folder / "more.css").write_text("c {}")
        assert browser.get(f"{before.address}/style.css").text == "a {}"
        assert browser.get(f"{before.address}/more.css").status_code == 404
    assert Assets(folder).address != before.address


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("style.css", "text/css; charset=utf-8"),
        ("frame.js", "text/javascript; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_each_is_served_as_what_it_is(site: ReviewSite, name: str, kind: str) -> None:
    content = (FOLDER / name).read_bytes()
    with site.client(None) as browser:
        asked, headed = browser.get(f"{ASSETS.address}/{name}"), browser.head(f"{ASSETS.address}/{name}")
        assert (asked.content, asked.headers["content-type"]) == (content, kind)
        assert (headed.content, headed.headers["content-type"]) == (b"", kind)
        assert headed.headers["content-length"] == str(len(content))
        assert browser.post(f"{ASSETS.address}/{name}").status_code == 405
