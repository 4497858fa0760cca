"""The camera's connection to the broker: publishes frames at QoS 1 and counts what became of each.

MQTT 5 where the broker speaks it, else 3.1.1 with the JSON envelope. At most `window` frames are on their way at a
time. A connection that was lost is made anew with nothing of the old one left, and what was not acknowledged is sent
again.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any, Self

import paho.mqtt.client as paho

from inspector.camera.flight import Sending
from inspector.camera.sender import Sender
from inspector.camera.session import Events, RefusedError, Session, UnreachableError
from inspector.camera.source import Answer
from inspector.errors import BrokerError
from inspector.mqtt.protocol import Greeting, ProtocolChoice, Version
from inspector.settings import BrokerSettings
from inspector.types import FrameMessage

_ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class FrameTally:
    """What became of frames. `unheard`: acknowledged by a broker that had no subscriber for them. `given_up`: the
    broker says, or shows, that it never takes them, mostly because they are too large.
    """

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unheard: int = 0
    given_up: int = 0

    @property
    def in_flight(self) -> int:
        """Sent, and nothing became of them yet."""
        return self.sent - self.acknowledged - self.refused - self.given_up


class Uplink:
    """A connection for frames. Entering it connects; leaving it disconnects without waiting. on_notice: a line worth
    telling a person. on_tally: after each frame and each answer. Both from any thread.

    Raises on entering:
        BrokerError: nothing answers there, or it refuses the connection.
        SettingsError: the password or the certificates cannot be read.
    """

    def __init__(
        self,
        broker: BrokerSettings,
        *,
        client_id: str,
        window: int,
        on_notice: Callable[[str], None],
        on_tally: Callable[[FrameTally], None],
    ) -> None:
        self._broker = broker
        self._where = f"broker {broker.address}"
        self._client_id = client_id
        self._window = window
        self._on_notice = on_notice
        self._on_tally = on_tally
        self._changed = threading.Condition()
        self._tally = FrameTally()
        self._fault: Exception | None = None
        self._events: Events = SimpleQueue()
        self._session: Session | None = None
        self._sender: Sender | None = None
        self._choice = ProtocolChoice(broker.protocol)
        self.waited_s = 0.0
        """How long the last frame had to wait until there was room for it."""

    def __enter__(self) -> Self:
        try:
            self._session = self._first()
        except UnreachableError as error:
            raise BrokerError(f"{error}; is it running, and is the address right?") from error
        self._sender = Sender(
            self._session,
            self._events,
            where=self._where,
            reopen=self._opened,
            became=self._became,
            on_notice=self._on_notice,
            on_fault=self._failed,
        )
        self._sender.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._sender is not None:
            self._sender.close()

    @property
    def protocol(self) -> Version:
        """What is spoken, from the first connection to the last."""
        return self._choice.now

    @property
    def tally(self) -> FrameTally:
        """The counts up to now."""
        with self._changed:
            return self._tally

    def send(
        self, message: FrameMessage, content_type: str, stop: threading.Event, on_answer: Callable[[Answer], None]
    ) -> bool:
        """Publishes when the window has room; waits for that, through broken connections as well.

        on_answer: called once with what became of the frame, from any thread.

        Returns:
            False where `stop` was set before there was room: nothing was published.
        """
        assert self._sender is not None, "enter the uplink first"
        begin = time.monotonic()
        with self._changed:
            self._check()
            full = self._tally.in_flight >= self._window
            while self._tally.in_flight >= self._window:
                if stop.is_set():
                    return False
                self._changed.wait(0.2)
                self._check()
        self.waited_s = time.monotonic() - begin if full else 0.0
        self._count(sent=1)
        self._sender.send(Sending(message, content_type, on_answer))
        return True

    def drain(self, timeout_s: float) -> FrameTally:
        """Waits until something became of every frame; the timeout begins anew with every answer.

        Raises:
            BrokerError: no answer for `timeout_s`.
        """
        with self._changed:
            while self._tally.in_flight > 0:
                before = self._tally
                moved = self._changed.wait_for(lambda before=before: self._fault or self._tally != before, timeout_s)  # type: ignore[misc]
                self._check()
                if not moved:
                    raise BrokerError(
                        f"{self._where}: {self._tally.in_flight} of {self._tally.sent} frames were not "
                        f"acknowledged within {timeout_s:.0f} s; the line may not have got them"
                    )
            return self._tally

    def retained(self, topic_filter: str, wait_s: float) -> dict[str, bytes] | None:
        """Retained messages that match, by topic; None where the broker did not answer in time, so nobody knows. Before
        the first frame.

        Brokers send them behind the answer to the subscription. At QoS 0 none waits for an acknowledgement, so those
        that were queued in that order are here when a later request is answered. wait_s: for a broker that looks them
        up aside, so long at least.
        """
        assert self._session is not None, "enter the uplink first"
        client = self._session.client
        found: dict[str, bytes] = {}
        subscribed, unsubscribed = threading.Event(), threading.Event()

        def take(_client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
            if message.retain:
                found[message.topic] = bytes(message.payload)

        client.on_subscribe = lambda *_: subscribed.set()
        client.on_unsubscribe = lambda *_: unsubscribed.set()
        client.message_callback_add(topic_filter, take)
        client.subscribe(topic_filter, qos=0)
        if answered := subscribed.wait(_ANSWER_S):
            time.sleep(wait_s)
        client.unsubscribe(topic_filter)
        answered = answered and unsubscribed.wait(_ANSWER_S)
        client.message_callback_remove(topic_filter)
        return dict(found) if answered else None

    def _check(self) -> None:
        """Raises what ended the thread that sends."""
        if self._fault is not None:
            raise self._fault

    def _first(self) -> Session:
        """A session over MQTT 5; over 3.1.1 where the broker refuses that, or is silent to it a second time."""
        while True:
            try:
                session = self._opened()
            except RefusedError as error:
                if not self._choice.ended(error.greeting):
                    raise
                continue
            if not self._choice.in_doubt:
                break
            session.close()
            self._choice.ended(Greeting.ACCEPTED)
        if self.protocol != "5" and self._broker.protocol == "auto":
            self._on_notice(
                f"{self._where}: takes no MQTT 5, so MQTT 3.1.1 is spoken; over that it does not tell where nobody "
                "listens to a frame"
            )
        return session

    def _opened(self) -> Session:
        session = Session(
            self._broker, self.protocol, client_id=self._client_id, window=self._window, events=self._events
        )
        session.open()
        return session

    def _failed(self, error: Exception) -> None:
        with self._changed:
            self._fault = error
            self._changed.notify_all()

    def _became(self, frame: Sending, answer: Answer) -> None:
        self._count(
            acknowledged=int(answer in (Answer.TAKEN, Answer.UNHEARD)),
            refused=int(answer is Answer.REFUSED),
            unheard=int(answer is Answer.UNHEARD),
            given_up=int(answer is Answer.GIVEN_UP),
        )
        frame.told(answer)

    def _count(self, **more: int) -> None:
        with self._changed:
            was = self._tally
            self._tally = replace(was, **{name: getattr(was, name) + number for name, number in more.items()})
            self._on_tally(self._tally)
            self._changed.notify_all()
