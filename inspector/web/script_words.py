"""What the pages' scripts say, for those who do not read English: a block of data in each page, read by words.js."""

import gettext
import json
import re
from functools import cache
from typing import Any

from markupsafe import Markup

from inspector.web.assets import ASSETS
from inspector.web.glossary import PLANT_WORDS
from inspector.web.languages import ENGLISH, Language

_TEXT = r'"((?:[^"\\]|\\.)*)"'
_SINGLE = re.compile(rf"\bt\({_TEXT}")
_COUNTED = re.compile(rf"\bn\(\s*{_TEXT},\s*{_TEXT}")

_NUMBERS = 200
"""Rules of plurals look at the last two digits at most: what holds from 100 to 199 holds from there on."""


def script_words(language: Language) -> Markup | None:
    """JSON that can stand in HTML: `texts` by the English one, by form where a number decides; `plural` has the form of
    each number below _NUMBERS, a digit each; `plant` has the defect types and shifts that there are by default. None
    for English, which the scripts have themselves.
    """
    if language.code == ENGLISH:
        return None
    singles, counted = messages()
    form = gettext.c2py(language.catalogue.info().get("plural-forms", "").partition("plural=")[2].strip(" ;") or "0")
    forms = [form(number) for number in range(_NUMBERS)]
    texts: dict[str, Any] = {text: language.catalogue.gettext(text) for text in singles}
    for one, many in counted:
        texts[one] = {at: language.catalogue.ngettext(one, many, forms.index(at)) for at in sorted({*forms})}
    plant = {word: language.text(message) for word, message in PLANT_WORDS.items()}
    said = json.dumps({"plural": "".join(map(str, forms)), "texts": texts, "plant": plant}, ensure_ascii=False)
    return Markup(re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", said))


@cache
def messages() -> tuple[list[str], list[tuple[str, str]]]:
    """All that the scripts give to `t`, and the pairs that they give to `n`."""
    singles: set[str] = set()
    counted: set[tuple[str, str]] = set()
    for name, content in ASSETS.files.items():
        if not name.endswith(".js"):
            continue
        source = content.decode()
        singles |= {_unquoted(found[1]) for found in _SINGLE.finditer(source)}
        counted |= {(_unquoted(found[1]), _unquoted(found[2])) for found in _COUNTED.finditer(source)}
    return sorted(singles), sorted(counted)


def _unquoted(text: str) -> str:
    return str(json.loads(f'"{text}"'))
