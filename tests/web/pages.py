"""What a page has: its elements and words in HTML, and the frame that a browser shows."""

import re
from collections.abc import Callable
from html.parser import HTMLParser

from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Route
from review_site import ReviewSite
from services import wait_until

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}",
    "\u202egnp.exe\u202c مرحبا",
    "x" * 64,
    "=1+1",
)
"""Words that a camera, an operator or a file name could carry."""


class Page(HTMLParser):
    """Which elements a page has, and its words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """All words, single spaces between."""
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of each element of a name."""
        return [said for tag, said in self.tags if tag == name]

    @property
    def obeys_the_policy(self) -> bool:
        """No script, style or handler inline: the content security policy would drop it."""
        inline = [said for _, said in self.tags if "style" in said or any(name.startswith("on") for name in said)]
        return not inline and not self.all("style") and all("src" in said for said in self.all("script"))


def shows(page: BrowserPage, frame: int) -> None:
    """Waits until the browser shows this frame and takes what is said of it."""
    page.wait_for_selector(f".panel[data-frame='{frame}']:not([data-busy], :has(.coming))")


def say(page: BrowserPage, key: str) -> None:
    """Presses a key once the frame on the screen, if there is one, takes what is said of it."""
    page.wait_for_selector(".panel:is([data-busy], :has(.coming))", state="detached")
    page.keyboard.press(key)


def ahead(page: BrowserPage, *frames: int) -> None:
    """Waits until the browser has these frames, before they are asked for."""
    page.wait_for_function(
        "frames => frames.every((frame) => performance.getEntriesByType('resource').some("
        "(one) => one.responseEnd && new URL(one.name).pathname === `/frame/${frame}/panel`))",
        arg=frames,
    )


def asked(page: BrowserPage, held: list[Route]) -> None:
    """Waits until a request of the page is held."""
    wait_until(lambda: page.wait_for_timeout(20) or held, "the page asks")


def all_sent(page: BrowserPage) -> None:
    """Nothing waits in the browser: it knows the answer to all that it sent."""
    page.wait_for_function("() => !Object.keys(localStorage).some(key => key.startsWith('inspector.outbox.'))")


def on_frame(site: ReviewSite, visit: Callable[..., BrowserPage], number: int = 3) -> tuple[BrowserPage, list[int]]:
    """A page on the first of some frames, in the order in which it shows them; the next ones are there."""
    frames = [site.add() for _ in range(number)][::-1]
    page = visit("olga", f"/frame/{frames[0]}?order=newest")
    page.wait_for_selector(".near")
    ahead(page, *frames[1:5])
    page.wait_for_load_state("networkidle")
    return page, frames
