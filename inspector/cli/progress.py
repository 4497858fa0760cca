"""Progress on a terminal: a bar where work takes time, nothing where the output goes to a file."""

import sys
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

import click

T = TypeVar("T")

LONGEST: Final = 40
"""Characters of a label: bars begin behind as many, whatever it says."""

_WIDE: Final = 18
"""Of a bar; with share and time left its line fits a terminal of 80 columns. A longer one would be begun anew."""


def track(items: Sequence[T], label: str) -> Iterable[T]:
    """Yield the items while a bar on stderr shows how far through they are."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=f"{_fitted(label):<{LONGEST}}", file=sys.stderr, width=_WIDE) as bar:
        yield from bar


def _fitted(label: str) -> str:
    """A label of at most LONGEST characters: of whose work it is, which a long one begins with, the end is cut off."""
    if len(label) <= LONGEST:
        return label
    whose, colon, step = label.partition(": ")
    return f"{whose[: max(0, LONGEST - len(colon + step) - 1)]}…{colon}{step}"[:LONGEST]
