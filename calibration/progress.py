"""How long work tells of itself: a wrapper around what it iterates over."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Wraps a sequence and shows how far through it the work is."""

    def __call__(self, items: Sequence[T], label: str, /) -> Iterable[T]:
        """Yield the items one by one."""
        ...


def silent(items: Sequence[T], label: str, /) -> Iterable[T]:  # noqa: ARG001
    """Shows nothing."""
    return items


def named(track: Track, name: str) -> Track:
    """Shows the same, each label after a name."""

    def told(items: Sequence[T], label: str, /) -> Iterable[T]:
        return track(items, f"{name}: {label}")

    return told
