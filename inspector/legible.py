"""Text that every database can hold, and text that a terminal can show."""

import re
import unicodedata

_ILLEGIBLE = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of characters, which are no UTF-8."""

_NO_WORD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def legible(text: str) -> bool:
    """Whether a database can hold this text."""
    return not _ILLEGIBLE.search(text)


def is_word(text: str, most: int = 64) -> bool:
    """Whether it has 1 to `most` characters, none of them a control character or half of one."""
    return 0 < len(text) <= most and not _NO_WORD.search(text)


def on_one_line(text: str) -> str:
    """As it is, but for what begins another line, moves a terminal's cursor or turns what follows: named by its number.

    Of names of files, which may have been chosen to deceive.
    """
    return "".join(
        sign.encode("unicode_escape").decode() if unicodedata.category(sign).startswith("C") else sign for sign in text
    )
