"""Progress on a terminal: a bar where work takes time, nothing where the output goes to a file."""

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

import click

T = TypeVar("T")


def track(items: Sequence[T], label: str) -> Iterable[T]:
    """Yield the items while a bar on stderr shows how far through they are."""
    if not sys.stderr.isatty():
        yield from items
        return
    with click.progressbar(items, label=f"{label:<26}", file=sys.stderr, width=32) as bar:
        yield from bar
