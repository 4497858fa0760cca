"""The publisher on a real outbox, and a connection on which the moment of each answer is known."""

import threading
import time
from pathlib import Path
from typing import Any, cast

import pytest
from services import wait_until

from inspector.line import aside
from inspector.line.health import Health
from inspector.line.publisher import Publisher
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
            until = time.monotonic() + 4
            row = 1
            while line.sent.count(b"1") < 3 and time.monotonic() < until:
                commit(row := row + 1)
                time.sleep(0.02)
            assert line.sent.count(b"1") == 3
            wait_until(lambda: len(line.sent) == row + 2, "the others go on")
    assert faults == []
