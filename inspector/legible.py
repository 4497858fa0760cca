"""Text that every database can hold."""

import re

_ILLEGIBLE = re.compile(r"[\x00\ud800-\udfff]")
"""NUL, which PostgreSQL refuses, and halves of characters, which are no UTF-8."""


def legible(text: str) -> bool:
    """Whether a database can hold this text."""
    return not _ILLEGIBLE.search(text)
