"""The daemon's own topics: status, info, health and drift, and commands to it."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import Any

from inspector import contract
from inspector.line.allowance import Allowance
from inspector.logs import RateLimited
from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity

log = logging.getLogger(__name__)

HEALTH_EVERY_S = 10.0

_MOST_LEVELS = 100
"""Of a response topic; a broker ends the connection of a client that publishes to a deeper one: mosquitto above 200."""

_COMMANDS_A_SECOND = 20
"""Verdicts go out over the same connection, and must not wait behind the answers."""

Command = Callable[[], Mapping[str, Any]]


def client_name(instance: str, role: str) -> str:
    """How the client id of one of the daemon's connections begins; stable, as the broker keeps sessions by it."""
    return f"inspector:{instance}:{role.replace('/', ':')}"


def control_identity(instance: str, key: str) -> Identity:
    """Subscribes to commands; the broker says `offline` when the daemon is gone without a word."""
    return Identity(
        client_name(instance, "control"),
        key=key,
        subscriptions=[(contract.instance_topic(instance, "cmd/+"), 1)],
        will=(contract.instance_topic(instance, "status"), b"offline"),
    )


class Control:
    """Tells the broker about the daemon, and answers commands: `cmd/{name}` with Response Topic.

    warn: told which of these topics the broker refuses.
    """

    def __init__(
        self,
        instance: str,
        connection: Connection,
        *,
        info: Command,
        health: Command,
        drift: Callable[[Mapping[str, object]], Mapping[str, tuple[object, bytes]]],
        commands: Mapping[str, Command],
        warn: Callable[[str, str | None], None],
    ) -> None:
        self._instance = instance
        self._connection = connection
        self._info = info
        self._health = health
        self._drift = drift
        self._commands = commands
        self._warn = warn
        self._answers: SimpleQueue[tuple[int, int, str | None]] = SimpleQueue()
        self._sent: dict[tuple[int, int], str] = {}
        self._refused: set[str] = set()
        self._link: int | None = None
        self._all_told_s = self._health_told_s = 0.0
        self._told_info: Mapping[str, Any] | None = None
        self._told_wrong: tuple[object, object] | None = None
        self._told_drift: dict[str, object] = {}
        self._allowance = Allowance(_COMMANDS_A_SECOND)
        self._limited = RateLimited(log)

    def tell(self) -> None:
        """Publishes what is new. Over each new connection that is everything, and every ten seconds while the broker
        refuses some of it; else it is info when it changes, health when its faults or warnings change and every ten
        seconds, and a station's drift when its state changes.
        """
        link = self._connection.link
        if link is None:
            return
        self._take_answers()
        now = time.monotonic()
        if link != self._link or (self._refused and now - self._all_told_s >= HEALTH_EVERY_S):
            self._begin_anew(link, now)
        if (info := dict(self._info())) != self._told_info:
            self._publish("info", _json(info))
            self._told_info = info
        health = dict(self._health())
        wrong = health.get("faults"), health.get("warnings")
        if wrong != self._told_wrong or now - self._health_told_s >= HEALTH_EVERY_S:
            self._publish("health", _json({**health, "at": contract.timestamp(datetime.now(UTC))}))
            self._told_wrong, self._health_told_s = wrong, now
        self._tell_drift()

    def _begin_anew(self, link: int, now: float) -> None:
        """Nothing of what was told before counts."""
        self._link, self._all_told_s = link, now
        self._sent.clear()
        self._told_info = self._told_wrong = None
        self._told_drift.clear()
        self._publish("status", b"online")

    def _tell_drift(self) -> None:
        for topic, (news, document) in self._drift(self._told_drift).items():
            if self._hand_over(topic, document):
                self._told_drift[topic] = news

    def stopped(self) -> None:
        """The last word: the daemon ends as it was told to."""
        self._publish("status", b"stopped")

    def failed(self) -> None:
        """The last word: the daemon ends by a fault."""
        self._publish("status", b"offline")

    def answered(self, link: int, mid: int, refusal: str | None) -> None:
        """The broker confirmed a message, or refused it with a reason. Called in the network thread."""
        self._answers.put((link, mid, refusal))

    def command(self, arrival: Arrival) -> None:
        """Answers one command. Retained ones, those that ask to be answered in a place of ours, and what is above
        _COMMANDS_A_SECOND are ignored.
        """
        name = arrival.topic.rsplit("/", 1)[-1]
        answer_to = arrival.response_topic
        self._connection.ack(arrival.link, arrival.mid)
        if not self._allowance.take():
            self._limited.warning("many", "commands ignored", expected=f"at most {_COMMANDS_A_SECOND} a second")
            return
        if arrival.retain or answer_to is None or not _may_answer(answer_to, self._instance):
            self._limited.warning(name, "command ignored", command=name, retained=arrival.retain, answer_to=answer_to)
            return
        command = self._commands.get(name)
        if command is None:
            known = ", ".join(sorted(self._commands))
            answer: dict[str, Any] = {"ok": False, "error": f"command {name!r}: expected one of {known}"}
        else:
            answer = {"ok": True, **command()}
        self._connection.publish(answer_to, _json(answer), qos=1, correlation=arrival.correlation)

    def _publish(self, name: str, payload: bytes) -> None:
        self._hand_over(contract.instance_topic(self._instance, name), payload)

    def _hand_over(self, topic: str, payload: bytes) -> bool:
        sent = self._connection.publish(topic, payload, retain=True)
        if sent is not None:
            self._sent[sent] = topic
        return sent is not None

    def _take_answers(self) -> None:
        while not self._answers.empty():
            link, mid, refusal = self._answers.get()
            topic = self._sent.pop((link, mid), None)
            if topic is not None and refusal is not None:
                self._refused.add(topic)
            elif topic is not None:
                self._refused.discard(topic)
        told = ", ".join(sorted(self._refused)[:3])
        self._warn("own topics", f"the broker refuses {told}" if told else None)


def _may_answer(topic: str, instance: str) -> bool:
    if not topic or any(sign in topic for sign in "+#\0") or topic.startswith("$") or topic.count("/") >= _MOST_LEVELS:
        return False
    return not topic.startswith(f"{contract.ROOT}/") or topic.startswith(contract.instance_topic(instance, "reply/"))


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
