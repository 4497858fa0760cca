"""A page that is not kept up to date says so, and that it is over: the real server stops and starts again, or hangs."""

import re
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from review_site import ReviewSite, running_site

from inspector.demo.port import free_port
from inspector.web import app, environment
from inspector.web.assets import ASSETS, FOLDER, Assets


def look_only(page: Page) -> None:
    """The page asks by itself."""


def look_again(page: Page) -> None:
    page.evaluate("document.activeElement.blur()")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def move_a_handle(page: Page) -> None:
    page.locator("#handle-ok").press("ArrowLeft")


@pytest.mark.parametrize(("path", "act"), [("/", look_only), ("/figures", look_only), ("/thresholds", move_a_handle)])
def test_a_server_that_is_away_is_told(path: str, act: object, tmp_path: Path, bank: Path, chromium: Browser) -> None:
    assert callable(act)
    port = free_port()
    with chromium.new_context() as context:
        with running_site(tmp_path, bank, port=port) as site:
            site.add()
            page = context.new_page()
            page.goto(f"{site.url}/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
            page.goto(site.url + path)
            act(page)
            expect(page.locator("#notice")).to_be_hidden()
        act(page)
        expect(page.locator("#notice")).to_have_text("The server cannot be reached. What is shown may be old.")
        with running_site(tmp_path, bank, port=port):
            act(page)
            expect(page.locator("#notice")).to_be_hidden()


class Cable:
    """Between a browser and the server; once cut, nothing comes through and no connection ends."""

    def __init__(self, server: int) -> None:
        self._server = server
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._whole = True
        self._threads = [threading.Thread(target=self._accept)]
        self.port = int(self._listener.getsockname()[1])
        self._threads[0].start()

    def cut(self) -> None:
        self._whole = False

    def mend(self) -> None:
        """For new connections: the machine at the other end knows none of before, and says so."""
        for end in self._ends[:]:
            _hang_up(end)
        self._whole = True

    def take_away(self) -> None:
        _hang_up(self._listener)
        self._threads[0].join()  # from now on there are no more of either
        for end in self._ends:
            _hang_up(end)
        for thread in self._threads[1:]:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                browser, _ = self._listener.accept()
                self._ends.append(browser)
                server = socket.create_connection(("127.0.0.1", self._server))
                self._ends.append(server)
                for source, sink in ((browser, server), (server, browser)):
                    self._threads.append(threading.Thread(target=self._carry, args=(source, sink)))
                    self._threads[-1].start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self._whole:
                    sink.sendall(data)
            if self._whole:
                sink.shutdown(socket.SHUT_WR)


def _hang_up(end: socket.socket) -> None:
    """Wakes whoever waits for it."""
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


@contextmanager
def cabled(server: int) -> Iterator[Cable]:
    cable = Cable(server)
    try:
        yield cable
    finally:
        cable.take_away()


def test_a_machine_that_is_silent_is_told(site: ReviewSite, chromium: Browser) -> None:
    """Without power or network it ends no connection."""
    with chromium.new_context() as context, cabled(urlsplit(site.url).port or 0) as cable:
        page = context.new_page()
        here = f"http://127.0.0.1:{cable.port}"
        page.goto(f"{here}/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
        with page.expect_event("request", lambda request: request.url.endswith("/live")):
            page.goto(f"{here}/")
        expect(page.locator("#notice")).to_be_hidden()
        cable.cut()
        expect(page.locator("#notice")).to_have_text("The server cannot be reached. What is shown may be old.")
        site.add()
        cable.mend()
        expect(page.locator("#notice")).to_be_hidden()
        expect(page.locator("#cards > li")).to_have_count(1)


def test_frames_that_could_not_be_fetched_are_fetched_later(site: ReviewSite, chromium: Browser) -> None:
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{site.url}/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
        page.goto(site.url)
        shown = page.locator("#cards > li").count()
        page.route(re.compile(r"/$"), lambda route: route.abort())
        with page.expect_event("requestfailed"):
            site.add()
        page.unroute(re.compile(r"/$"))
        expect(page.locator("#cards > li")).to_have_count(shown + 1)


@pytest.mark.parametrize("path", ["/line", "/"])
def test_a_page_that_stays_open_takes_over_an_upgrade(
    path: str, tmp_path: Path, bank: Path, chromium: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "static"
    shutil.copytree(FOLDER, folder)
    (folder / "style.css").write_text("a {}")
    before = Assets(folder)
    port = free_port()
    style = "() => document.querySelector('link[rel=stylesheet]').getAttribute('href')"
    with chromium.new_context() as context:
        page = context.new_page()
        for module in (app, environment):
            monkeypatch.setattr(module, "ASSETS", before)
        with running_site(tmp_path, bank, port=port) as site:
            page.goto(f"{site.url}/enter?code={site.sessions.begin_link('emil', 1, by='ada')}")
            page.goto(site.url + path)
            assert page.evaluate(style) == f"{before.address}/style.css"
        monkeypatch.undo()
        with running_site(tmp_path, bank, port=port) as site:
            site.add()
            page.wait_for_function(f"address => ({style})() === address", arg=f"{ASSETS.address}/style.css")
            page.close()


SOONER = "const limit = AbortSignal.timeout; AbortSignal.timeout = (ms) => limit.call(AbortSignal, ms / 20);"


@pytest.mark.parametrize(("path", "act"), [("/figures", look_again), ("/thresholds", move_a_handle)])
def test_a_server_that_hangs_is_told(path: str, act: object, site: ReviewSite, visit: Callable[..., Page]) -> None:
    assert callable(act)
    site.add()
    page = visit("emil", path)
    page.add_init_script(SOONER)
    page.reload()
    held: list[Route] = []
    page.route(re.compile(r"/figures$|/api/v1/thresholds"), lambda route: held.append(route))
    act(page)
    expect(page.locator("#notice")).to_have_text("The server cannot be reached. What is shown may be old.")
    page.unroute_all()
    act(page)
    expect(page.locator("#notice")).to_be_hidden()
    assert held


HASTE = """
    window.pauses = [];
    const later = setTimeout;
    setTimeout = (act, ms, ...more) => { pauses.push(ms); return later(act, ms / 10, ...more); };
"""
"""Time runs ten times as fast."""


def test_one_lost_answer_is_told_while_it_is_due_and_stops_no_page(
    site: ReviewSite, visit: Callable[..., Page]
) -> None:
    page = visit("emil", "/line")
    page.add_init_script(HASTE)
    page.reload()
    held: list[Route] = []
    page.route(re.compile(r"/line$"), lambda route: held.append(route))
    strip = page.locator("#notice")
    expect(strip).to_have_text("The server cannot be reached. What is shown may be old.", timeout=30000)
    page.evaluate("pauses.length = 0")
    held[0].abort()
    page.unroute_all()
    expect(strip).to_be_hidden()
    assert 4000 in page.evaluate("pauses")
    assert max(page.evaluate("pauses")) <= 30000
