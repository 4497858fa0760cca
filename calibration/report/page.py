"""A page and its pieces: headline, tiles, tables, cards with pictures. Everything lies inside the one file."""

from collections.abc import Iterable, Sequence
from importlib.resources import files
from pathlib import Path

from calibration.report.pictures import data_uri
from inspector.charts.markup import Child, Markup, el, join
from inspector.charts.wording import count
from inspector.errors import UsageError, in_words
from inspector.folder import refuse_bank
from inspector.types import UInt8Image

NOTES = 30
"""Notes that are written out; the others are counted."""

LONG = 1.6
"""A picture at least so many times as wide as high is shown above its map, not beside it."""

_PROBE = ".probe"

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def document(title: str, headline: Sequence[str], *sections: Child) -> str:
    """The whole page. Its policy forbids the browser to load anything from anywhere, or to run anything."""
    style = files("calibration.report").joinpath("report.css").read_text(encoding="utf-8")
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", Markup(style)),
    )
    body = el("main", el("header", el("h1", title), [el("p", line, class_="headline") for line in headline]), *sections)
    return "<!doctype html>\n" + el("html", head, el("body", body), lang="en") + "\n"


def write(folder: Path, name: str, page: str) -> Path:
    """Write a page into a folder, which is made where it is missing; returns its path.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(page, encoding="utf-8", errors="replace")
    except (FileExistsError, NotADirectoryError) as error:
        there = next(each for each in (folder, *folder.parents) if each.exists())
        which = "it" if there == folder else there
        raise UsageError(f"report {folder}: {which} is a file, expected a folder; choose another one") from error
    except OSError as error:
        raise UsageError(
            f"report {folder}: cannot be written there ({error.strerror}); choose another folder"
        ) from error
    return path


def check_writable(folder: Path) -> None:
    """Check that a page can be written into a folder, which is made where it is missing, before the long work.

    Raises:
        UsageError: it cannot, or lies in a bank.
    """
    refuse_bank(folder, "report")
    write(folder, _PROBE, "")
    (folder / _PROBE).unlink(missing_ok=True)


def section(heading: str, lead: str, *children: Child) -> Markup:
    """A part of the page: what it is, and in a sentence what it says."""
    return el("section", el("h2", heading), el("p", lead, class_="lead"), *children)


def tiles(figures: Iterable[tuple[str, str, str]]) -> Markup:
    """Figures side by side: name, value, and what it means."""
    return el(
        "dl",
        [
            el(
                "div",
                el("dt", name),
                el("dd", el("div", value, class_="value"), el("div", meaning, class_="meaning")),
                class_="tile",
            )
            for name, value, meaning in figures
        ],
        class_="tiles",
    )


def table(head: Sequence[str], rows: Iterable[Sequence[Child]], *, figures: Sequence[int] = ()) -> Markup:
    """A table; the columns numbered in `figures` are flushed right."""

    def cells(name: str, row: Sequence[Child]) -> list[Markup]:
        return [el(name, cell, class_="figure" if index in figures else _kind(cell)) for index, cell in enumerate(row)]

    body = [el("tr", cells("td", row)) for row in rows]
    return el(
        "div",
        el("table", el("thead", el("tr", cells("th", head))), el("tbody", body)),
        class_="scroll",
        tabindex="0",
        role="region",
        aria_label=f"Table: {', '.join(head)}",
    )


def card(before: UInt8Image, after: UInt8Image, name: str, *said: Child) -> Markup:
    """A picture, the same with its anomaly map, and below what is said of it."""
    long = before.shape[1] >= LONG * before.shape[0]
    return el(
        "figure",
        el(
            "div",
            el("img", src=data_uri(before), alt=name),
            el("img", src=data_uri(after), alt=f"anomaly map over {name}"),
            class_="pair long" if long else "pair",
        ),
        el("figcaption", *said),
        class_="card",
    )


def card_without_picture(error: Exception, *said: Child) -> Markup:
    """A card for a picture that was moved away or changed meanwhile: why there is none, and what is said of it."""
    why = f"The picture cannot be shown: {in_words(error)}"
    return el("figure", el("div", el("p", why), class_="pair gone"), el("figcaption", *said), class_="card")


def cards(figures: Sequence[Markup]) -> Markup:
    """Cards in rows."""
    return el("div", figures, class_="cards")


def legend(*items: tuple[str, str]) -> Markup:
    """What each colour means: colour, meaning."""
    return el("ul", [el("li", el("i", "", style=f"background:{colour}"), said) for colour, said in items],
              class_="legend")  # fmt: skip


def map_scale(stretched: bool = False) -> Markup:
    """How the anomaly map is coloured, in a line: by the bank's pixel threshold, or stretched to each map's own."""
    low, high = (
        ("its median", "its highest value") if stretched else ("normal", "well above the bank's pixel threshold")
    )
    return el("p", f"Anomaly map: {low}", el("span", "", class_="scale"), high, class_="note")


def notes(items: Sequence[str]) -> Markup:
    """Remarks in a list, so many at most."""
    if not items:
        return Markup("")
    more = [f"… and {count(len(items) - NOTES, 'more note')}"] if len(items) > NOTES else []
    return join(el("h2", "Notes"), el("ul", [el("li", item) for item in [*items[:NOTES], *more]], class_="notes"))


def _kind(cell: Child) -> str | None:
    return "bar" if isinstance(cell, Markup) and cell.startswith("<svg") else None
