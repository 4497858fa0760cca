"""The publisher on a real outbox, and a connection on which the moment of each answer is known."""

import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from services import DEADLINE_S, wait_until
from sqlalchemy import Engine

from inspector.line import aside, publisher, refusals
from inspector.line.health import Health
from inspector.line.publisher import _MAX_AHEAD, _MAX_FRESH, Publisher
from inspector.mqtt.connection import Connection
from inspector.store import Outbox, OutboxMessage, open_database
from inspector.store.tables import outbox

ANSWER_S = 0.2


class Line:
    """A connection that ends when its `link` is another. From the third on the broker answers, after ANSWER_S."""

    def __init__(self) -> None:
        self.link = 1
        self.sent: list[bytes] = []
        self.publisher: Any = None

    def takes(self, *_: object) -> bool:
        return True

    def publish(self, _topic: str, payload: bytes) -> tuple[int, int]:
        self.sent.append(payload)
        sent = self.link, len(self.sent)
        if self.link == 3:
            threading.Timer(ANSWER_S, lambda: self.publisher.answered(*sent, None)).start()
        return sent


def test_what_waits_apart_is_tried_again_also_while_others_are_always_on_their_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aside, "_AGAIN_S", 0.5)
    line, faults = Line(), list[BaseException]()
    with open_database(f"sqlite:///{tmp_path}/ledger.sqlite3") as engine:
        line.publisher = publisher = Publisher(
            Outbox(engine),
            cast(Connection, line),
            Health(),
            confirm=lambda _: None,
            on_held=lambda _: None,
            on_fault=faults.append,
        )

        def commit(row: int) -> None:
            message = OutboxMessage(row, "verdict", str(row).encode())
            with engine.begin() as connection:
                connection.execute(outbox.insert().values(id=row, topic=message.topic, payload=message.payload))
            publisher.publish([message])

        with publisher:
            commit(1)
            for _ in range(2):
                wait_until(lambda: len(line.sent) == line.link, "it is on its way, alone")
                line.link += 1
            until = time.monotonic() + DEADLINE_S
            row = 1
            while line.sent.count(b"1") < 3 and time.monotonic() < until:
                commit(row := row + 1)
                time.sleep(0.02)
            assert line.sent.count(b"1") == 3
            wait_until(lambda: len(line.sent) == row + 2, "the others go on")
    assert faults == []


class Broker:
    """A connection to one that answers at once, and refuses what it is told to."""

    def __init__(self, refuses: Callable[[str, bytes], bool]) -> None:
        self.link = 1
        self.refuses = refuses
        self.tried: list[bytes] = []
        self.taken: list[bytes] = []
        self.publisher: Any = None

    def takes(self, *_: object) -> bool:
        return True

    def publish(self, topic: str, payload: bytes) -> tuple[int, int]:
        self.tried.append(payload)
        refused = self.refuses(topic, payload)
        if not refused:
            self.taken.append(payload)
        self.publisher.answered(self.link, len(self.tried), "Not authorized" if refused else None)
        return self.link, len(self.tried)


class Watched(Outbox):
    """after: from where it was read, each time."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.after: list[tuple[int, int]] = []

    def waiting(self, *, after: int = 0, most: int, but: Collection[str] = ()) -> list[OutboxMessage]:
        found = super().waiting(after=after, most=most, but=but)
        self.after.append((after, len(found)))
        return found


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Broker, Watched, Callable[..., None]]]:
    """A broker that refuses the topic `a`, the outbox, and a function that commits messages to both."""
    monkeypatch.setattr(refusals, "WAIT_S", 0.2)
    monkeypatch.setattr(publisher, "_LOOK_BACK_S", 0.2)
    broker, faults = Broker(lambda topic, _: topic == "a"), list[BaseException]()
    with open_database(f"sqlite:///{tmp_path}/ledger.sqlite3") as engine:

        def confirm(rows: Sequence[int]) -> None:
            with engine.begin() as connection:
                connection.execute(outbox.delete().where(outbox.c.id.in_(rows)))
            broker.publisher.removed(rows)

        def commit(topic: str, rows: Sequence[int]) -> None:
            messages = [OutboxMessage(row, topic, str(row).encode()) for row in rows]
            with engine.begin() as connection:
                connection.execute(
                    outbox.insert(), [{"id": one.id, "topic": topic, "payload": one.payload} for one in messages]
                )
            broker.publisher.publish(messages)

        watched = Watched(engine)
        broker.publisher = Publisher(
            watched,
            cast(Connection, broker),
            Health(),
            confirm=confirm,
            on_held=lambda _: None,
            on_fault=faults.append,
        )
        with broker.publisher:
            yield broker, watched, commit
    assert faults == []


def test_what_waits_for_a_refused_topic_is_read_once_and_goes_in_order_once_it_is_taken(
    line: tuple[Broker, Watched, Callable[..., None]],
) -> None:
    broker, watched, commit = line
    commit("a", range(1, 1501))
    wait_until(lambda: broker.tried.count(b"1") > 1, "it is tried again")
    commit("b", [1501])
    wait_until(lambda: broker.taken == [b"1501"], "another topic goes")
    begun = len(watched.after)
    broker.link += 1
    seen = broker.tried.count(b"1")
    wait_until(lambda: broker.tried.count(b"1") > seen + 2, "it is tried again and again")
    assert [after for after, found in watched.after[begun:] if after < 1500 and found != 100] == []
    assert len(set(broker.tried)) <= 102, "of a refused topic no more than what was on its way at first"
    broker.refuses = lambda *_: False
    commit("a", [1502])
    wait_until(lambda: len(broker.taken) == 1502, "all goes")
    assert [one for one in map(int, broker.taken) if one != 1501] == [*range(1, 1501), 1502]


def test_a_message_that_is_refused_for_itself_holds_back_none_behind_it(
    line: tuple[Broker, Watched, Callable[..., None]],
) -> None:
    broker, _, commit = line
    broker.refuses = lambda _, payload: payload == b"1"
    commit("a", [1])
    wait_until(lambda: broker.tried == [b"1"], "it is refused")
    commit("a", range(2, 40))
    wait_until(lambda: [int(one) for one in broker.taken] == list(range(2, 40)), "the others go")
    broker.refuses = lambda *_: False
    wait_until(lambda: broker.taken[-1] == b"1", "it is tried again")


def test_what_is_committed_while_messages_are_handed_over_pushes_none_out(
    line: tuple[Broker, Watched, Callable[..., None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, watched, commit = line
    last = _MAX_AHEAD + _MAX_FRESH + 50

    def publish(_topic: str, payload: bytes) -> tuple[int, int]:
        broker.taken.append(payload)
        mid = len(broker.taken)
        if mid == _MAX_AHEAD + 1:
            commit("b", range(last - 59, last + 1))
        if mid > _MAX_AHEAD:
            broker.publisher.answered(broker.link, mid, None)
        return broker.link, mid

    monkeypatch.setattr(broker, "publish", publish)
    wait_until(lambda: watched.after, "it has read that nothing waits")
    commit("b", range(1, _MAX_AHEAD + 1))
    wait_until(lambda: len(broker.taken) == _MAX_AHEAD, "no more may be on their way")
    commit("b", range(_MAX_AHEAD + 1, last - 59))
    for mid in range(1, _MAX_AHEAD + 1):
        broker.publisher.answered(broker.link, mid, None)
    wait_until(lambda: broker.taken[-1] == str(last).encode(), "the newest goes")
    wait_until(lambda: watched.depth() == 0, "the outbox is empty")
    assert [int(one) for one in broker.taken] == list(range(1, last + 1))


def test_what_is_committed_late_goes_all_the_same_and_what_has_a_lower_number_then_too(
    line: tuple[Broker, Watched, Callable[..., None]], tmp_path: Path
) -> None:
    broker, watched, commit = line
    broker.refuses = lambda *_: False
    commit("b", [2, 3])
    wait_until(lambda: broker.taken == [b"2", b"3"], "they go")
    with open_database(f"sqlite:///{tmp_path}/ledger.sqlite3") as other, other.begin() as connection:
        rows = [{"id": row, "topic": "b", "payload": str(row).encode()} for row in (1, 9)]
        connection.execute(outbox.insert(), rows)
    wait_until(lambda: broker.taken[2:] == [b"1", b"9"], "what came late goes", deadline_s=10)
    commit("b", [4])
    wait_until(lambda: watched.depth() == 0, "it goes")
    assert broker.taken == [b"2", b"3", b"1", b"9", b"4"]


def test_no_more_than_so_many_messages_are_kept_in_memory_while_the_broker_is_away() -> None:
    publisher = Publisher(
        cast(Outbox, None),
        cast(Connection, None),
        Health(),
        confirm=lambda _: None,
        on_held=lambda _: None,
        on_fault=lambda _: None,
    )
    publisher.publish([OutboxMessage(row, "verdict", b"") for row in range(1, _MAX_FRESH + 1)])
    publisher.publish([OutboxMessage(_MAX_FRESH + 1, "verdict", b"")])
    assert len(publisher._fresh) == _MAX_FRESH
