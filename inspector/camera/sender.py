"""Sends frames over one connection after the other, in a thread of its own, and finds out what became of each."""

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Final

from inspector.camera.flight import Flight, Sending
from inspector.camera.session import Answered, Ended, Events, Session
from inspector.camera.source import Answer
from inspector.errors import BrokerError, SettingsError
from inspector.guarded import guarded

_NO_MATCHING_SUBSCRIBERS: Final = 0x10

_AGAIN_S = (0.5, 15.0)
"""The pause after a connection without an answer: the first, and the longest; each is twice the one before."""

_SOON_S = 20.0
"""A connection that ends later than this after a frame was sent did not end because of the frame."""

_HEAD = 1024
"""More bytes than topic and properties of a frame take."""

_LARGER: Final = "raise its limit (mosquitto: max_packet_size, message_size_limit), or send smaller pictures"


class Sender:
    """Begins with a session that is open; another is opened when one has ended, until `close`.

    where: the broker, for notices. reopen: another session; raises what `Session.open` does. became: told what became
    of a frame, once. on_notice: a line worth telling a person. on_fault: told what ended the thread. All in its thread.
    """

    def __init__(
        self,
        session: Session,
        events: Events,
        *,
        where: str,
        reopen: Callable[[], Session],
        became: Callable[[Sending, Answer], None],
        on_notice: Callable[[str], None],
        on_fault: Callable[[Exception], None],
    ) -> None:
        self._first = session
        self._events = events
        self._where = where
        self._reopen = reopen
        self._became = became
        self._on_notice = on_notice
        self._handed: SimpleQueue[Sending] = SimpleQueue()
        self._flight = Flight()
        self._fruitless = 0
        self._sent_at = 0.0
        self._away = False
        self._closing = threading.Event()
        self._thread = guarded("camera sender", self._keep_connected, on_fault)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def close(self) -> None:
        """Disconnects without waiting for answers."""
        self._closing.set()
        self._events.put(None)
        self._thread.join()

    def send(self, frame: Sending) -> None:
        """One more frame, behind all others. From any thread."""
        self._handed.put(frame)
        self._events.put(None)

    def _keep_connected(self) -> None:
        """Until it is closed: sends over the present connection what is due, and makes another when it has ended."""
        session: Session | None = self._first
        while session is not None:
            ended = self._work(session)
            session.close()
            if ended is None:
                return
            at_once = self._flight.sent > 0
            self._lost(ended)
            session = self._connected_again(at_once=at_once)

    def _work(self, session: Session) -> Ended | None:
        """Until the connection has ended, or the uplink is closed. After connections that ended without an answer there
        is a pause before frames are sent: one that ends in the pause was not ended by a frame.
        """
        begins = time.monotonic() + self._pause_s()
        while not self._closing.is_set():
            pause_s = begins - time.monotonic()
            if pause_s <= 0:
                self._send_due(session)
            try:
                event = self._events.get(timeout=pause_s if pause_s > 0 else None)
            except Empty:
                continue
            if isinstance(event, Answered) and event.session is session:
                self._answered(event)
            elif isinstance(event, Ended) and event.session is session:
                return event
        return None

    def _pause_s(self) -> float:
        least, most = _AGAIN_S
        return min(most, least * 2.0 ** (self._fruitless - 1)) if self._fruitless else 0.0

    def _send_due(self, session: Session) -> None:
        while not self._handed.empty():
            self._flight.add(self._handed.get())
        while self._flight.sent < session.most_ahead and (frame := self._flight.due()) is not None:
            payload = session.payload_of(frame.message)
            if session.max_packet is not None and len(payload) + _HEAD > session.max_packet:
                self._flight.leave(frame)
                self._give_up(
                    frame,
                    f"takes packets of at most {session.max_packet} bytes, so frame {_named(frame, payload)} is given "
                    f"up; {_LARGER}",
                )
            else:
                frame.mid = session.publish(frame.message, payload, frame.content_type)
                self._sent_at = time.monotonic()

    def _answered(self, event: Answered) -> None:
        frame = self._flight.answered(event.mid)
        self._fruitless = 0
        if frame is None:
            return
        if event.for_good:
            payload = event.session.payload_of(frame.message)
            self._give_up(frame, f"does not take frame {_named(frame, payload)}: {event.reason}; it is given up")
        elif event.reason.is_failure:
            self._on_notice(f"{self._where}: refused a frame ({event.reason})")
            self._became(frame, Answer.REFUSED)
        else:
            heard = event.reason.value != _NO_MATCHING_SUBSCRIBERS
            self._became(frame, Answer.TAKEN if heard else Answer.UNHEARD)

    def _lost(self, ended: Ended) -> None:
        if not self._flight.one_by_one:
            self._away = True
            self._on_notice(f"{self._where}: connection lost ({ended.reason}); connecting again")
        soon = time.monotonic() - self._sent_at <= _SOON_S
        frame = self._flight.lost(ended.strikes if soon else 0)
        self._fruitless = self._fruitless + 1 if frame is None else 1
        if frame is not None:
            payload = ended.session.payload_of(frame.message)
            self._give_up(
                frame,
                f"ends the connection each time that frame {_named(frame, payload)} is sent{ended.how}, so it is given "
                f"up; {_LARGER}",
            )

    def _connected_again(self, *, at_once: bool) -> Session | None:
        """Another connection, or None where the uplink is closed. at_once: whether a broker that is there would be met
        by an attempt without a pause, which tells one that ended the connection from one that has itself ended.
        """
        least, most = _AGAIN_S
        pause_s = 0.0 if at_once else self._pause_s()
        trouble = ""
        while not self._closing.wait(pause_s):
            try:
                session = self._reopen()
            except (BrokerError, SettingsError) as error:
                self._flight.broker_away()
                if str(error) != trouble:
                    self._away = True
                    trouble = str(error)
                    self._on_notice(f"{trouble}; trying again")
                pause_s = min(most, max(least, 2 * pause_s))
            else:
                if self._away:
                    self._away = False
                    self._on_notice(f"{self._where}: connected again")
                return session
        return None

    def _give_up(self, frame: Sending, why: str) -> None:
        self._on_notice(f"{self._where}: {why}")
        self._became(frame, Answer.GIVEN_UP)


def _named(frame: Sending, payload: bytes) -> str:
    part = "" if frame.message.part_id is None else f"{frame.message.part_id}, "
    return f"{frame.message.frame_id} ({part}{len(payload)} bytes as it is sent)"
