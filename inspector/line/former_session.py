"""What waits for a station under the client id that it had before ids had a key."""

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Self

from inspector import contract
from inspector.guarded import guarded
from inspector.line.reception import Reception
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity

log = logging.getLogger(__name__)

_LOOK_S = 0.05

Connect = Callable[[Identity, Callable[[Arrival], None]], Connection]
"""Makes a connection, not yet open, given who it is and what takes its messages."""


class FormerSession:
    """Empties the former session of a station, ends it, and then lets its frames come by the session that it has now.

    Nothing is lost between the two. The one of now has its subscription first. Then the daemon publishes a mark to the
    former one: what comes before the mark may have waited there alone, what comes after it waits in the other too. What
    came between the two subscriptions is in both, and the ledger knows it the second time.

    identity: who the station is now. on_gone: called when the broker has forgotten the former session.
    """

    def __init__(
        self,
        reception: Reception,
        identity: Identity,
        connect: Connect,
        *,
        instance: str,
        on_gone: Callable[[], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._reception = reception
        self._identity = identity
        self._connect = connect
        self._on_gone = on_gone
        self._frames = contract.station_topic(reception.station.id, "frame")
        self._marks = contract.instance_topic(instance, "former")
        self._mark = secrets.token_hex(16).encode()
        self._marked = False
        self._asked: int | None = None
        former = replace(identity, key="")
        self._ending = connect(replace(former, subscriptions=(), persistent=False), _leave)
        self._former = connect(replace(former, subscriptions=[(self._frames, 1), (self._marks, 1)]), self._arrived)
        reception.connection = self._former
        self._closing = threading.Event()
        self._thread = guarded(f"former session of {reception.name}", self._run, on_fault)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """What is left in the former session waits for the next start."""
        self._closing.set()
        self._thread.join()
        self._reception.connection.close()

    def _run(self) -> None:
        with self._connect(self._identity, _leave) as subscribing:
            if not self._wait(lambda: subscribing.link is not None):
                return
        with self._former:
            if not self._wait(self._is_empty):
                return
        with self._ending:
            if not self._wait(lambda: self._ending.link is not None):
                return
        self._reception.connection = self._connect(self._identity, self._reception.arrived)
        self._reception.connection.open()
        log.info("former session emptied", extra={"station": self._reception.name})
        self._on_gone()

    def _wait(self, condition: Callable[[], bool]) -> bool:
        """Until it holds; False where the daemon ends before."""
        while not condition():
            if self._closing.wait(_LOOK_S):
                return False
        return True

    def _is_empty(self) -> bool:
        """Whether all before the mark is durable. A mark is sent over each new connection, as one may be lost."""
        link = self._former.link
        if link is not None and link != self._asked and self._former.publish(self._marks, self._mark) is not None:
            self._asked = link
        return self._marked and self._reception.open_frames == 0

    def _arrived(self, arrival: Arrival) -> None:
        if arrival.topic != self._frames:  # a mark, also one of an earlier start; or what a stranger subscribed to
            self._marked = self._marked or arrival.payload == self._mark
            self._reception.pass_over(arrival)
        elif not self._marked:
            self._reception.arrived(arrival)


def _leave(_: Arrival) -> None:
    """Not acknowledged: it comes again."""
