"""How long a connection may say nothing, and how many there may be: nobody keeps others out by being slow."""

import asyncio
import gc
import socket
from contextlib import suppress
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_S = 10.0
"""From the beginning of a connection, or the end of an answer, until the next request has come whole."""

_MOST_CONNECTIONS = 500
"""A browser holds up to six, one of them for the stream."""

_MOST_COMING = 300
"""Connections that are there and not yet made, as TLS has not been agreed on: each takes a third of a megabyte."""

_coming: dict[int, socket.socket] = {}
"""By their descriptor, the oldest first."""


class Door(socket.socket):
    """A listener. Where too many come in and say nothing, the older half is let go: of who never begins with TLS
    Patience does not hear.
    """

    def accept(self) -> tuple[socket.socket, Any]:
        """As in the base class."""
        client, address = super().accept()
        _coming.pop(client.fileno(), None)  # of one that has gone
        _coming[client.fileno()] = client
        if len(_coming) > _MOST_COMING:
            for descriptor in list(_coming)[: _MOST_COMING // 2]:
                with suppress(OSError):  # it may have gone by itself
                    _coming.pop(descriptor).shutdown(socket.SHUT_RDWR)
            gc.collect()  # what those of last time took: they are few objects, and many megabytes
        return client, address


class Patience(H11Protocol):
    """As uvicorn has it, but a request must come within _HEAD_S to twice that. Where too many are connected, the one
    whose client has let it wait the longest is cut off: for a request, for the rest of one, or to take its answer.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """As in the base class."""
        super().connection_made(transport)
        _coming.pop(transport.get_extra_info("socket").fileno(), None)
        self._since = self.loop.time()
        self._timer = self.loop.call_later(_HEAD_S, self._look)
        if len(self.connections) > _MOST_CONNECTIONS:
            waiting = [one for one in self.connections if isinstance(one, Patience) and one._waits_for_client]
            first = min(waiting, key=lambda one: one._since)
            first.transport.abort()
            self.connections.discard(first)  # now: many may come before the loop tells it of its end

    def connection_lost(self, exc: Exception | None) -> None:
        """As in the base class."""
        self._timer.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """As in the base class."""
        self._since = self.loop.time()
        super().on_response_complete()

    @property
    def _waits(self) -> bool:
        """Whether no request is being answered."""
        cycle: Any = self.cycle
        return cycle is None or bool(cycle.response_complete)

    @property
    def _waits_for_client(self) -> bool:
        """Whether nothing goes on before the client sends more, or takes more."""
        return self._waits or bool(self.cycle.more_body) or self.flow.write_paused

    def _look(self) -> None:
        if self._waits and self.loop.time() - self._since >= _HEAD_S:
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(_HEAD_S, self._look)
