"""The languages of the page, and which one somebody reads: the chosen one, else the browser's, else English."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from gettext import GNUTranslations, NullTranslations
from pathlib import Path

from inspector.web.message import Message

LOCALE = Path(__file__).parent / "locale"
"""What `make words` compiles: `<language>/LC_MESSAGES/inspector.mo`."""

ENGLISH = "en"

NAMES = {ENGLISH: "English", "de": "Deutsch", "es": "Español", "fr": "Français", "zh-Hans": "简体中文"}
"""By code (BCP 47): what those who speak it call it."""

_ALSO = {"zh": "zh-Hans", "zh-cn": "zh-Hans", "zh-sg": "zh-Hans"}
"""Codes that stand for another."""

_ALONE = ("zh",)
"""Codes that do not hold for what is below them: zh-Hant is not zh."""

_MOST_LETTERS = 1000
"""Of an Accept-Language: no browser sends more, and what somebody else sends must not cost time."""


@dataclass(frozen=True, slots=True)
class Language:
    """code: as in `<html lang>`. name: in itself. catalogue: its texts by the English ones."""

    code: str
    name: str
    catalogue: NullTranslations

    def text(self, said: str) -> str:
        """A message in this language; a text that is none as it is."""
        return said.translated(self.catalogue) if isinstance(said, Message) else said


def open_languages() -> dict[str, Language]:
    """Every language by its code, English first."""
    return {code: Language(code, name, _catalogue(code)) for code, name in NAMES.items()}


def chosen(cookie: str | None, accepted: str, among: Container[str]) -> str:
    """The code of the language to answer in.

    cookie: what was chosen on the page. accepted: the browser's Accept-Language.
    """
    if cookie is not None and cookie in among:
        return cookie
    known = {name.lower(): name for name in NAMES} | _ALSO
    for tag in _by_preference(accepted):
        for code in _wider(tag):
            if known.get(code) in among:
                return known[code]
    return ENGLISH


def _by_preference(accepted: str) -> list[str]:
    """The tags of an Accept-Language, lower case, the most wanted first; without those that are refused."""
    found = []
    for entry in accepted[:_MOST_LETTERS].split(","):
        tag, _, parameter = entry.partition(";")
        weight = _weight(parameter)
        if weight > 0:
            found.append((weight, tag.strip().lower()))
    return [tag for _, tag in sorted(found, key=lambda one: -one[0])]


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip().lower() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _wider(tag: str) -> Iterator[str]:
    """`de-at`, `de`."""
    yield tag
    while "-" in tag:
        tag = tag.rpartition("-")[0]
        if tag not in _ALONE:
            yield tag


def _catalogue(code: str) -> NullTranslations:
    if code == ENGLISH:
        return NullTranslations()
    with (LOCALE / code.replace("-", "_") / "LC_MESSAGES" / "inspector.mo").open("rb") as compiled:
        return GNUTranslations(compiled)
