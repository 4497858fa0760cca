"""Fixtures that every test may use: a real mosquitto of its own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from services import Mosquitto


@pytest.fixture
def start_mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers with extra configuration lines: `start_mosquitto("max_packet_size 100000")`."""
    started: list[Mosquitto] = []

    def start(*options: str) -> Mosquitto:
        broker = Mosquitto(Path(tmp_path_factory.mktemp("mosquitto")), options=options)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running broker with persistence, `.host`, `.port`, `.stop()`, `.kill()`, `.start()`."""
    return start_mosquitto()
