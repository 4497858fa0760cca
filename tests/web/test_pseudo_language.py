"""No text is forgotten: in a language in which every text stands between marks, no page has a word without them."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from fastapi.testclient import TestClient
from line import CAM1, CAM2, drawn_part
from pages import say, shows
from playwright.sync_api import Page, Route, expect
from review_site import ReviewSite, minutes_ago, recorded, running_site
from reviewing import check

from inspector.store import Ledger, open_database
from inspector.store.ledger import Entry
from inspector.web import languages
from inspector.web.app import create_app
from inspector.web.assets import ASSETS
from inspector.web.desk import Desk
from inspector.web.pages import find, queue

Visit = Callable[..., Page]


GERMAN = languages.LOCALE / "de" / "LC_MESSAGES" / "inspector.po"

OWN = (
    *(
        "plant/hall1/line1/cam1",
        "plant/hall1/line1/cam2",
        "line1/cam1",
        "line1/cam2",
        "olga",
        "emil",
        "inspector",
        "none/such/part",
    ),
    *("disc", "near the rim"),
    *("ok", "ng", "p"),
)
"""Words of the plant, and marks: the same in every language. Numbered ones: see `left`."""

WORDS_OF = """() => {
  const said = [document.title];
  const foreign = (element) => element.closest("[lang]") !== document.documentElement;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const around = walker.currentNode.parentElement;
    if (!around.closest("script, style, kbd, code, time") && !foreign(around)) said.push(walker.currentNode.data);
  }
  for (const element of document.querySelectorAll("[aria-label], [title], [placeholder], [alt]")) {
    if (element.matches("time") || foreign(element)) continue;
    for (const name of ["aria-label", "title", "placeholder", "alt"]) said.push(element.getAttribute(name) ?? "");
  }
  return said;
}"""
"""All that a page says: visible or not, text and attributes, but for what it says is in another language."""


def between_marks(text: str) -> str:
    """Each stretch of text, as markup and values come out as elements of their own."""
    parts = re.split(r"(<[^>]+>|%\(\w+\)s)", text)
    return "".join(part if n % 2 or not part.strip() else f"⟦{part}⟧" for n, part in enumerate(parts))


def pseudo(folder: Path, plural_forms: str = "nplurals=2; plural=(n != 1);", forms: int = 2) -> None:
    """Every language of the page made this one, from the texts of a real one."""
    with GERMAN.open("rb") as po:
        source = read_po(po)
    made = Catalog(locale="de", fuzzy=False)
    made.mime_headers = [("Plural-Forms", plural_forms)]
    for message in source:
        if isinstance(message.id, str):
            made.add(message.id, between_marks(message.id))
        else:
            texts = tuple(message.id[min(n, 1)] + f" #{n}" for n in range(forms))
            made.add(message.id, tuple(map(between_marks, texts)))
    compiled = io.BytesIO()
    write_mo(compiled, made)
    for code in languages.NAMES:
        place = folder / code.replace("-", "_") / "LC_MESSAGES"
        place.mkdir(parents=True)
        (place / "inspector.mo").write_bytes(compiled.getvalue())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, bank: Path) -> Iterator[ReviewSite]:
    folder = tmp_path_factory.mktemp("locale")
    pseudo(folder, "nplurals=3; plural=(n==1 ? 0 : n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20) ? 1 : 2);", 3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(languages, "LOCALE", folder)
        with running_site(tmp_path_factory.mktemp("site"), bank) as running:
            yield running


def left(said: list[str]) -> list[str]:
    """The words that stand between no marks, and are not the plant's."""
    found = []
    for text in said:
        rest = text
        while (fewer := re.sub(r"⟦[^⟦⟧]*⟧", " ", rest)) != rest:
            rest = fewer
        for own in sorted(OWN, key=len, reverse=True):
            rest = re.sub(rf"(?<!\w){re.escape(own)}(?!\w)", " ", rest)
        rest = re.sub(r"\b(part|f|lot)-\d+|\b[0-9a-f]{12}\b|\b[0-9a-f]{64}\b|\d+\.png|[\d.]+e-\d+|[\d.]+×", " ", rest)
        if re.search(r"[^\W\d_]", rest):
            found.append(text.strip())
    return found


def all_marked(page: Page) -> None:
    assert left(page.evaluate(WORDS_OF)) == [], page.url


def fails(site: ReviewSite, outcome: str, word: str) -> None:
    """A frame that became no verdict, just now."""
    at = datetime.now(UTC)
    named = {"result_id": f"r-{word}", "frame_id": f"f-{word}", "sha256": "0" * 64}
    entry = Entry(station=str(CAM1), outcome=outcome, word=word, received_at=at, decided_at=at, **named)  # type: ignore[arg-type]
    Ledger(site.engine).commit([entry])


@pytest.fixture
def open_page(visit: Visit) -> Callable[[str], Page]:
    return lambda path: visit("olga", path, locale="de-DE")


def test_the_queue(site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    lost = site.add()
    seen = site.add()
    site.archive.path(*stored(site, lost)).unlink()
    site.add(kept=False)
    site.add(drawn_part(77), sampled=True)
    site.reviews.dispose(seen, to="false_alarm", reviewer="emil", version=0)
    page = open_page("/?state=all&order=newest")
    all_marked(page)
    page.locator("input[name=pick]").nth(0).check()
    page.locator("input[name=pick]").nth(1).check()
    say(page, "d")
    expect(page.locator("#confirm-title")).to_have_text("2⟦ frames: ⟧⟦defect⟧⟦ #1⟧⟦?⟧")
    all_marked(page)
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Z takes it back")
    all_marked(page)
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("2⟦ taken back. #1⟧")
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("There is nothing to take back.")
    all_marked(page)
    for query in (
        "?state=done",
        "?state=open",
        "?state=done&lot=lot-1",
        "?state=all",
        "?lot=lot-1",
        "?lot=none/such/part",
    ):
        page.goto(f"/{query}")
        all_marked(page)
    site.decide_all()
    page.goto("/")
    expect(page.locator(".empty h2")).to_be_visible()
    all_marked(page)


def stored(site: ReviewSite, frame: int) -> tuple[str, str]:
    with site.engine.connect() as connection:
        row = connection.exec_driver_sql(f"SELECT sha256, image FROM frames WHERE id = {frame}").one()
    return row[0], row[1]


def test_a_frame(site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    passed, lost, last, first = site.add(drawn_part(8)), site.add(kept=False), site.add(), site.add()
    site.reviews.dispose(last, to="defect", defect_type="dent", reviewer="emil", version=0, note="near the rim")
    site.reviews.undo(last, reviewer="emil", version=1)
    site.reviews.escape(passed, reviewer="emil", version=0)
    page = open_page(f"/frame/{first}?order=newest")
    page.wait_for_selector(".near")
    all_marked(page)
    page.keyboard.press("?")
    all_marked(page)
    page.keyboard.press("Escape")
    page.keyboard.press("m")
    page.locator(".note-editor textarea").fill("x" * 2005)
    page.keyboard.press("Enter")
    expect(page.locator(".note-editor .fault")).to_contain_text(
        "⟦The note is ⟧5⟦ characters too long: at most ⟧2000⟦ are kept. #2⟧"
    )
    all_marked(page)
    page.locator(".note-editor textarea").fill("near the rim")
    page.keyboard.press("Enter")
    expect(page.locator(".note-open")).to_have_attribute("title", "⟦Goes with what you decide: ⟧near the rim")
    all_marked(page)
    site.reviews.dispose(first, to="unsure", reviewer="emil", version=0)
    say(page, "f")
    expect(page.locator("#conflict")).to_be_visible()
    expect(page.locator("#conflict-theirs")).to_contain_text("emil⟦: ⟧⟦“⟧⟦unsure⟧⟦”⟧")
    expect(page.locator("#notice")).to_contain_text("1⟦ decision of yours met")
    all_marked(page)
    page.keyboard.press("Enter")
    for frame in (last, passed, lost):
        page.goto(f"/frame/{frame}")
        page.wait_for_selector(".near, .nearest .told")
        all_marked(page)
    page.keyboard.press("z")
    page.keyboard.press("z")
    expect(page.locator("#notice")).to_contain_text("nothing to take back")


def refuse(status: int, route: Route) -> None:
    route.fulfill(status=status, json={"error": "none/such/part"})


def test_the_strip(site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    frames = [site.add() for _ in range(3)][::-1]
    page = open_page(f"/frame/{frames[0]}?order=newest")
    page.wait_for_load_state("networkidle")
    strip = page.locator("#notice")
    sent = "**/api/v1/frames/*/*"
    for status, expected in (
        (503, "The database does not answer. ⟧1⟦ decision is"),
        (401, "Your session has ended. ⟧2"),
    ):
        page.context.route(sent, partial(refuse, status))  # the newest goes first: none reaches the server between
        say(page, "u")
        expect(strip).to_contain_text(expected)
        all_marked(page)
    page.context.route(sent, lambda route: route.abort())
    page.reload()
    expect(strip).to_contain_text("The server cannot be reached. ⟧2⟦ decisions are kept here")
    all_marked(page)
    page.context.clear_cookies()
    page.goto("/login")
    expect(strip).to_contain_text("2⟦ decisions wait in this browser and will be sent after ⟧olga⟦ logs in. #1⟧")
    all_marked(page)


def test_what_was_refused(site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    frames = [site.add() for _ in range(2)][::-1]
    page = open_page(f"/frame/{frames[0]}?order=newest")
    page.wait_for_load_state("networkidle")
    page.context.route("**/disposition", lambda route: route.fulfill(status=404, json={}))
    say(page, "1")
    shows(page, frames[1])
    expect(page.locator("#notice")).to_contain_text("The server refused it.")
    all_marked(page)
    page.get_by_role("button", name="OK").click()
    expect(page.locator("#notice")).to_be_hidden()
    page.context.unroute("**/disposition")
    say(page, "2")
    recorded(site, frames[1], ("defect", "dent", "olga"))


def test_the_line(site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    page = open_page("/line")
    page.wait_for_selector(".station")
    all_marked(page)  # CAM2 has no frame
    site.add(station=CAM2, minutes=minutes_ago(4 * 24 * 60))
    for minutes in (2, 1, 0):
        site.add(minutes=minutes_ago(minutes))
    fails(site, "drop", "superseded")
    fails(site, "error", "damaged")
    site.add(kept=False, minutes=minutes_ago(0))
    for number, station, expected in ((901, CAM1, "ng"), (902, CAM2, "ok")):
        said = {"station": str(station), "part_id": f"part-{number}", "received_at": datetime.now(UTC)}
        Ledger(site.engine).commit([check(number, expected, "ok", **said)])
    page.reload()
    expect(page.locator(".checked .badge")).to_have_text("⟦check failed⟧")
    expect(page.locator(".checked").nth(1)).to_contain_text("1⟦ of ⟧1⟦ as expected⟧")
    expect(page.locator(".station").nth(1)).to_contain_text("⟦Silent for ⟧4.0⟦ days⟧")
    expect(page.locator(".course g.error title").first).to_contain_text("⟦damaged picture⟧")
    expect(page.locator(".course").first).to_have_attribute("aria-label", re.compile(r"\d ⟦error⟧, \d ⟦dropped⟧"))
    all_marked(page)


@pytest.mark.parametrize(
    "path",
    [
        "/help",
        "/account",
        "/find?part={part}",
        "/find?part=none/such/part",
        "/frame/999999",
        "/none/such/part",
        "/audit",
    ],
)
def test_other_pages(path: str, site: ReviewSite, open_page: Callable[[str], Page]) -> None:
    frame = site.add(part_id="part-0")
    site.reviews.dispose(frame, to="unsure", reviewer="emil", version=0)
    all_marked(open_page(path.format(part="part-0")))


def test_a_page_of_many(site: ReviewSite, open_page: Callable[[str], Page], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "PAGE", 2)
    monkeypatch.setattr(queue, "PAGE", 2)
    for _ in range(5):
        site.add(part_id="part-00")
    for path in ("/find?part=part-00", "/"):
        page = open_page(path)
        all_marked(page)
        with page.expect_navigation():
            page.locator("[rel=next]").click()
        all_marked(page)


def test_a_script_that_is_given_a_number_has_the_form_for_it(open_page: Callable[[str], Page]) -> None:
    page = open_page("/login")
    asked = """([address, numbers]) => import(address).then(({ n }) =>
      numbers.map((number) => n("%(number)s decided.", "%(number)s decided.", number)))"""
    numbers = [0, 1, 2, 4, 5, 12, 22, 99, 100, 101, 102, 112, 122, 1002, 1012, 1001]
    found = page.evaluate(asked, [f"{ASSETS.address}/words.js", numbers])
    expected = [2, 0, 1, 1, 2, 2, 1, 2, 2, 2, 1, 2, 1, 1, 2, 2]
    assert found == [f"{number}⟦ decided. #{form}⟧" for number, form in zip(numbers, expected, strict=True)]


def test_before_anybody_can_log_in(site: ReviewSite, tmp_path: Path, open_page: Callable[[str], Page]) -> None:
    page = open_page("/account")
    page.context.clear_cookies()
    page.goto("/login")
    all_marked(page)
    page.goto("/login?unsent=yes")
    all_marked(page)
    page.fill("input[name=name]", "olga")
    page.fill("input[name=password]", "none/such/part")
    page.keyboard.press("Enter")
    expect(page.locator(".fault")).to_be_visible()
    all_marked(page)
    with open_database(f"sqlite:///{tmp_path / 'empty.db'}") as engine:
        app = create_app(site.settings, engine)
        desk: Desk = app.state.desk
        code = desk.setup.begin()
        with TestClient(app, headers={"accept": "text/html", "accept-language": "de"}) as stranger:
            for path in ("/login", f"/setup?code={code}", "/setup?code=guessed"):
                page.set_content(stranger.get(path).text)
                all_marked(page)
            form = {"code": code, "name": "olga", "password": "x" * 12, "again": "y" * 12}
            page.set_content(stranger.post("/setup", data=form).text)
            expect(page.locator(".fault")).to_contain_text("The two passwords differ.")
            all_marked(page)
