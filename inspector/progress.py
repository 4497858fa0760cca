"""How long work reports its progress: through a function that wraps what it iterates over."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Track(Protocol):
    """Wraps a sequence and shows how far through it the work is."""

    def __call__(self, items: Sequence[T], label: str, /) -> Iterable[T]:
        """Yield the items one by one."""
        ...


def silent(items: Sequence[T], _label: str, /) -> Iterable[T]:
    """Shows nothing."""
    return items


def as_one_step(track: Track, label: str, work: Callable[[], T]) -> T:
    """What the work gives; it is shown as under way until it is done."""
    (done,) = (do() for do in track([work], label))
    return done


def named(track: Track, name: str) -> Track:
    """The same with a name before each label."""

    def with_name(items: Sequence[T], label: str, /) -> Iterable[T]:
        return track(items, f"{name}: {label}")

    return with_name
