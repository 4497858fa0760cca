"""What was asked for last is kept."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """Keeps the values of the `most` keys that were asked for last, or fewer of them, so that they are no more than
    `most_bytes` together. weigh: how many bytes a value is. Threads may share it.
    """

    def __init__(self, most: int, *, most_bytes: int = 0, weigh: Callable[[_Value], int] = lambda _: 0) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._weigh = weigh
        self._bytes = 0
        self._lock = threading.Lock()
        self._values: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key, make: Callable[[], _Value]) -> _Value:
        """The value, made where it is not kept; two threads may make it twice."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            if key in self._values:
                return self._values[key]
            self._values[key] = value
            self._bytes += self._weigh(value)
            while len(self._values) > self._most or self._bytes > self._most_bytes:
                self._bytes -= self._weigh(self._values.popitem(last=False)[1])
        return value
