"""What is wrong is told once, not at each look."""

from collections.abc import Callable, Hashable

_MOST = 10_000


class Told:
    """Remembers what was told, up to ten thousand things."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._wrong: set[Hashable] = set()

    def once(self, what: Hashable, line: str) -> None:
        """Tells it, unless it was told and is not over."""
        if what in self._wrong:
            return
        if len(self._wrong) >= _MOST:
            self._wrong.clear()
        self._wrong.add(what)
        self._tell(line)

    def over(self, what: Hashable, line: str) -> None:
        """Tells that it is over, if it was told."""
        if what in self._wrong:
            self._wrong.remove(what)
            self._tell(line)
