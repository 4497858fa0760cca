"""Publishes the outbox, oldest first, a bounded number ahead of the broker's confirmations."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import TypeVar

from inspector.errors import StoreError
from inspector.guarded import guarded
from inspector.line.aside import Aside
from inspector.line.health import Health
from inspector.line.refusals import Refusals
from inspector.logs import RateLimited
from inspector.mqtt.connection import Connection
from inspector.store import Outbox, OutboxMessage

log = logging.getLogger(__name__)

CONDITION = "outbox"

_Item = TypeVar("_Item")

_MAX_AHEAD = 100
_MAX_FRESH = 1000
_LOOK_EVERY_S = 0.5
_LOOK_BACK_S = 30.0
"""How often it looks for what it was not told of."""

_DRAIN_S = 5.0


class Publisher:
    """One thread that sends what the ledger committed.

    New messages are handed to it and, while it keeps up, sent without reading them back. A message leaves the outbox
    when the broker has confirmed it; until then it is sent again over each new connection. What the broker refuses is
    tried again later, and holds back its own topic alone. What ends the connection each time, as it is too large, waits
    apart and is tried again seldom.

    confirm: told which rows of the outbox the broker has. on_held: told how many messages the broker does not take.
    """

    def __init__(
        self,
        outbox: Outbox,
        connection: Connection,
        health: Health,
        *,
        confirm: Callable[[Sequence[int]], None],
        on_held: Callable[[int], None],
        on_fault: Callable[[BaseException], None],
    ) -> None:
        self._outbox = outbox
        self._connection = connection
        self._health = health
        self._confirm = confirm
        self._on_held = on_held
        self._wake = threading.Event()
        self._answers: SimpleQueue[tuple[int, int, str | None]] = SimpleQueue()
        self._gone: SimpleQueue[Sequence[int]] = SimpleQueue()
        self._link: int | None = None
        self._after = 0
        self._keeps_up = False
        self._fell_behind = False
        self._look_back_from = 0.0
        self._fresh: deque[OutboxMessage] = deque()
        self._in_flight: dict[int, OutboxMessage] = {}
        self._aside = Aside()
        self._apart: dict[int, str] = {}
        self._held: set[int] = set()
        self._confirmed: set[int] = set()
        self._refusals = Refusals()
        self._limited = RateLimited(log)
        self._closing = False
        self._thread = guarded("publisher", self._run, on_fault)

    def __enter__(self) -> "Publisher":
        self._health.set(CONDITION, None)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Gives the broker a few seconds to confirm what was sent; the rest is published at the next start."""
        self._closing = True
        self._wake.set()
        self._thread.join(_DRAIN_S + 1)
        if self._thread.is_alive():
            log.error("left unpublished", extra={"fault": "the database does not answer"})

    @property
    def calm(self) -> bool:
        """Whether no message is looked for that ends the connection: another one would mislead. From any thread."""
        return not self._aside.one_by_one

    def publish(self, messages: Sequence[OutboxMessage]) -> None:
        """These were just committed to the outbox. Called by one thread, in the order of commits.

        Once there is no room, none is kept until the outbox is read again: none is sent behind a gap.
        """
        if self._fell_behind or len(self._fresh) + len(messages) > _MAX_FRESH:
            self._fell_behind = True
        else:
            self._fresh.extend(messages)
        self._wake.set()

    def answered(self, link: int, mid: int, refusal: str | None) -> None:
        """The broker confirmed a message, or refused it with a reason. Called in the network thread."""
        self._answers.put((link, mid, refusal))
        self._wake.set()

    def removed(self, ids: Sequence[int]) -> None:
        """These messages are no longer in the outbox."""
        self._gone.put(ids)

    def _run(self) -> None:
        give_up = None
        while True:
            self._wake.wait(_LOOK_EVERY_S)
            self._wake.clear()
            done = self._step()
            if self._closing:
                give_up = give_up or time.monotonic() + _DRAIN_S
                if done or self._connection.link is None or time.monotonic() > give_up:
                    return

    def _step(self) -> bool:
        """Takes answers, sends what there is room for; returns whether nothing is left to send or to wait for."""
        self._take_answers()
        link = self._connection.link
        if link is None:
            return False
        now = time.monotonic()
        if link != self._link:
            self._lost(now)
            self._link = link
        if (row := self._refusals.over(now)) is not None:
            self._begin_at(row)
        try:
            everything = self._send(now)
        except StoreError as error:
            self._health.set(CONDITION, str(error))
            return False
        self._tell_health()
        return everything and not self._in_flight

    def _take_answers(self) -> None:
        confirmed, now = [], time.monotonic()
        for link, mid, refusal in _drain(self._answers):
            if link != self._link or mid not in self._in_flight:
                continue
            message = self._in_flight.pop(mid)
            self._settled(message.id)
            if refusal is None:
                confirmed.append(message.id)
                self._refusals.taken(message.topic)
            else:
                self._refusals.refused(message.topic, min(message.id, self._after + 1), now)
                self._limited.warning(message.topic, "broker refused a message", topic=message.topic, fault=refusal)
        self._confirmed.update(confirmed)
        self._confirm(confirmed)
        for ids in _drain(self._gone):
            self._confirmed.difference_update(ids)

    def _settled(self, row: int) -> None:
        self._apart.pop(row, None)
        waited = self._aside.rows
        if self._aside.settled(row):
            self._begin_at(min(waited | {row}))

    def _lost(self, now: float) -> None:
        """Another connection than that over which messages went."""
        sent = {message.id: message for message in self._in_flight.values()}
        self._in_flight.clear()
        self._begin_at(min(sent.keys() | self._aside.rows | {self._after + 1}))
        self._aside.lost({row: len(message.payload) for row, message in sent.items()}, now)
        self._aside.connected()
        self._apart |= {row: _named(sent[row]) for row in self._aside.rows & sent.keys()}

    def _begin_at(self, row: int) -> None:
        """Messages from this one on may have to be sent: the outbox is read, from there at least."""
        self._after, self._keeps_up = min(self._after, row - 1), False
        self._refusals.passed_over_from(row)

    def _send(self, now: float) -> bool:
        """Returns whether all that waits was handed to the network thread.

        Where one is due to be tried alone, no other goes before it: on a busy line one would always be on its way.
        """
        if self._in_flight and self._aside.is_due(now):
            return False
        if (row := self._aside.due(now)) is not None:
            self._try_alone(row)
        if self._fell_behind:
            self._fell_behind = self._keeps_up = False
        self._look_back(now)
        self._try_refused(now)
        if not self._keeps_up:
            self._keeps_up = self._send_from_outbox()
        return self._keeps_up and self._send_fresh()

    def _try_alone(self, row: int) -> None:
        message = next(iter(self._outbox.waiting(after=row - 1, most=1)), None)
        if message is None or message.id != row:
            self._settled(row)
        elif not self._hand_over(message):
            self._begin_at(row)

    def _look_back(self, now: float) -> None:
        """Finds what was committed behind our back: a server may finish a commit late, such as that of a daemon that
        was killed, and its rows may have lower ids than what went already, or higher ones than what comes now.
        """
        if now < self._look_back_from or not self._keeps_up or self._refusals.topics:  # those may have days of rows
            return
        self._look_back_from = now + _LOOK_BACK_S
        skip = self._skipped()
        row = next((row for row in self._outbox.oldest(len(skip) + 1) if row not in skip), None)
        if row is not None:
            self._begin_at(row)

    def _try_refused(self, now: float) -> None:
        """The first message of a topic that was refused, and the next, as the first may be refused for itself."""
        for topic, row in self._refusals.due(now).items():
            if len(self._in_flight) >= _MAX_AHEAD:
                return
            near = [one for one in self._outbox.waiting(after=row - 1, most=_MAX_AHEAD) if one.topic == topic]
            if not near:  # what waits for it, if anything does, is far behind: it is read as any other
                self._refusals.taken(topic)
            for message in near[:2]:
                if message.id not in self._skipped() and not self._hand_over(message):
                    return
            self._refusals.tried(topic, now)

    def _skipped(self) -> set[int]:
        """Messages that are on their way, confirmed, or waiting apart."""
        return {message.id for message in self._in_flight.values()} | self._confirmed | self._aside.rows

    def _send_from_outbox(self) -> bool:
        """Returns whether all of the outbox is on its way."""
        newest = self._fresh[-1].id if self._fresh else 0
        skip = self._skipped()
        most = _MAX_AHEAD + len(skip)
        messages = self._outbox.waiting(after=self._after, most=most, but=self._refusals.topics)
        for message in messages:
            if message.id not in skip and not self._hand_over(message):
                return False
            self._after = message.id
        if len(messages) == most:
            return False
        # What was handed to us before we read was in the outbox, or is confirmed already.
        self._after = max(self._after, newest)
        return True

    def _send_fresh(self) -> bool:
        while self._fresh:
            message = self._fresh[0]
            if message.id > self._after:
                if message.topic not in self._refusals.topics and not self._hand_over(message):
                    return False
                self._after = message.id
            self._fresh.popleft()
        return True

    def _hand_over(self, message: OutboxMessage) -> bool:
        if len(self._in_flight) >= (1 if self._aside.one_by_one else _MAX_AHEAD):
            return False
        if not self._connection.takes(message.topic, message.payload):
            self._aside.larger_than_announced(message.id)
            self._apart[message.id] = _named(message)
            return True
        sent = self._connection.publish(message.topic, message.payload)
        if sent is None or sent[0] != self._link:
            return False
        self._in_flight[sent[1]] = message
        return True

    def _tell_health(self) -> None:
        held = self._aside.held
        for row in held - self._held:
            log.warning("message held", extra={"fault": f"{self._apart[row]} is larger than the broker takes"})
        self._held = held
        self._on_held(len(held))
        refused = ", ".join(sorted(self._refusals.topics)[:3])
        told = [f"the broker refuses {refused}"] if refused else []
        if held:
            told.append(
                f"{len(held)} messages are larger than the broker takes, such as {self._apart[min(held)]}; "
                "raise its limit (mosquitto: max_packet_size)"
            )
        self._health.set(CONDITION, "; ".join(told) or None)


def _named(message: OutboxMessage) -> str:
    return f"{message.topic} ({len(message.payload)} bytes)"


def _drain(queue: SimpleQueue[_Item]) -> list[_Item]:
    taken = []
    while True:
        try:
            taken.append(queue.get_nowait())
        except Empty:
            return taken
