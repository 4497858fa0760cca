"""What the extra `bank` of the installation brings: whoever makes a bank without it is told what to install."""

from importlib.util import find_spec
from typing import Final

BANK: Final = ("scipy", "sklearn", "threadpoolctl")
"""The libraries of `inspector[bank]`, by the names they are imported by."""


def missing_for_banks() -> str | None:
    """The first of them that is not installed. None of them is imported for it."""
    return next((name for name in BANK if find_spec(name) is None), None)
