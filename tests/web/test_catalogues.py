"""The texts in other languages: none missing, none half done, and compiled as they are written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.mofile import write_mo as compile_po
from babel.messages.pofile import read_po

from inspector.web import languages, script_words

ROOT = Path(__file__).parents[2]
CODES = [code for code in languages.NAMES if code != languages.ENGLISH]

PLACES = re.compile(r"%\((\w+)\)s")
MARKUP = re.compile(r"<kbd>.*?</kbd>|<code>.*?</code>|<[^>]+>")


def folder(code: str) -> Path:
    return languages.LOCALE / code.replace("-", "_") / "LC_MESSAGES"


def written(code: str) -> Catalog:
    with (folder(code) / "inspector.po").open("rb") as po:
        return read_po(po, locale=code.replace("-", "_"), abort_invalid=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """All texts that the source has, found as `make words` finds them."""
    pot = tmp_path_factory.mktemp("words") / "inspector.pot"
    keywords = re.findall(r"--keyword (\S+)", (ROOT / "Makefile").read_text())
    named = [part for keyword in keywords for part in ("--keyword", keyword)]
    command = [sys.executable, "-m", "babel.messages.frontend", "-q", "extract", "--mapping-file", "pyproject.toml"]
    done = subprocess.run([*command, *named, "--output", str(pot), "."], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "a text that cannot be translated as it is written"
    with pot.open("rb") as found:
        return read_po(found)


def ids(catalogue: Catalog) -> set[tuple[str, ...]]:
    return {forms(message.id) for message in catalogue if message.id}


def texts(catalogue: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {forms(message.id): forms(message.string) for message in catalogue if message.id}


def forms(said: object) -> tuple[str, ...]:
    return (said,) if isinstance(said, str) else tuple(said)  # type: ignore[arg-type]


def test_every_language_has_a_folder_and_every_folder_a_language() -> None:
    found = {path.name for path in languages.LOCALE.iterdir()}
    assert found == {code.replace("-", "_") for code in CODES}


@pytest.mark.parametrize("code", CODES)
def test_every_text_is_translated(code: str, source: Catalog) -> None:
    catalogue = written(code)
    assert ids(source) - ids(catalogue) == set(), "make words, then translate"
    assert ids(catalogue) - ids(source) == set(), "make words"
    assert catalogue.obsolete == {}
    assert [message.id for message in catalogue if message.fuzzy and message.id] == []
    assert [message.id for message in catalogue if message.id and not all(forms(message.string))] == []
    for message in catalogue:
        if len(forms(message.id)) > 1:
            assert len(forms(message.string)) == catalogue.num_plurals, message.id


@pytest.mark.parametrize("code", CODES)
def test_a_translation_has_the_same_places_and_the_same_markup(code: str) -> None:
    for message in written(code):
        if message.id:
            assert kept(message, PLACES), message.string
            assert kept(message, MARKUP), message.string
            assert not any(re.search(r"^\s|\s$", text) for text in forms(message.string)), message.string


def kept(message: Message, pattern: re.Pattern[str]) -> bool:
    """The form for one may leave out what English leaves out there; the last one, where English has several, not."""
    one, *many = ({*pattern.findall(text)} for text in forms(message.id))
    *earlier, last = ({*pattern.findall(text)} for text in forms(message.string))
    return last == (many or [one])[-1] and all(found in (one, last) for found in earlier)


@pytest.mark.parametrize("code", CODES)
def test_what_is_shipped_is_compiled_from_what_is_written(code: str, tmp_path: Path) -> None:
    again = tmp_path / "inspector.mo"
    with again.open("wb") as mo:
        compile_po(mo, written(code))
    with again.open("rb") as fresh, (folder(code) / "inspector.mo").open("rb") as shipped:
        expected, got = read_mo(fresh), read_mo(shipped)
    assert texts(got) == texts(expected), "make words"
    assert got.plural_forms == expected.plural_forms


def test_what_scripts_say_is_found_without_babel(source: Catalog) -> None:
    said = {forms(m.id) for m in source if any(path.endswith(".js") for path, _ in m.locations)}
    singles, counted = script_words.messages()
    assert {*((text,) for text in singles), *counted} == said
    assert not {one for one, _ in counted} & {*singles}, "a text that is said with and without a number"
