"""A connection to the broker: kept, made anew, and what ends it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from queue import SimpleQueue

import pytest
from services import DEADLINE_S, Mosquitto, no_descriptors_left, wait_until

from inspector.mqtt.arrival import Arrival
from inspector.mqtt.connection import Connection
from inspector.mqtt.identity import Identity
from inspector.settings import BrokerSettings


class Seen:
    """What a connection told."""

    def __init__(self) -> None:
        self.changes: list[str | None] = []
        self.faults: list[BaseException] = []
        self.messages: SimpleQueue[Arrival] = SimpleQueue()
        self.published: SimpleQueue[tuple[int, int, str | None]] = SimpleQueue()


Connect = Callable[..., tuple[Connection, Seen]]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens connections that are closed at the end."""
    with ExitStack() as opened:

        def open_one(
            port: int,
            identity: Identity,
            on_message: Callable[[Arrival], None] | None = None,
            **broker: str,
        ) -> tuple[Connection, Seen]:
            seen = Seen()
            connection = Connection(
                BrokerSettings.model_validate({"port": port, **broker}),
                identity,
                on_change=seen.changes.append,
                on_fault=seen.faults.append,
                on_message=on_message or seen.messages.put,
                on_published=lambda *answer: seen.published.put(answer),
            )
            opened.enter_context(connection)
            return connection, seen

        yield open_one


def up(connection: Connection) -> int:
    wait_until(lambda: connection.link is not None, "the connection is up")
    assert connection.link is not None
    return connection.link


@pytest.mark.parametrize("version", ["5", "3.1.1"])
def test_what_is_not_acknowledged_comes_again(version: str, mosquitto: Mosquitto, connect: Connect) -> None:
    reader = Identity("reader", subscriptions=[("t", 1)], persistent=True, receive_maximum=10)
    first, seen = connect(mosquitto.port, reader, protocol=version)
    up(first)
    writer, told = connect(mosquitto.port, Identity("writer"), protocol=version)
    up(writer)
    for word in (b"one", b"two"):
        assert writer.publish("t", word) is not None
        assert told.published.get(timeout=DEADLINE_S)[2] is None
    one, two = (seen.messages.get(timeout=DEADLINE_S) for _ in range(2))
    assert (one.payload, one.dup, one.retain) == (b"one", False, False)
    first.ack(one.link, one.mid)
    first.ack(two.link + 1, two.mid)
    first.close()
    _, seen = connect(mosquitto.port, reader, protocol=version)
    again = seen.messages.get(timeout=DEADLINE_S)
    assert (again.payload, again.dup) == (b"two", True)


def test_a_lost_connection_is_made_anew_with_another_number(mosquitto: Mosquitto, connect: Connect) -> None:
    connection, seen = connect(mosquitto.port, Identity("c"))
    before = up(connection)
    mosquitto.kill()
    wait_until(lambda: connection.link is None, "the loss is seen")
    assert connection.publish("t", b"x") is None
    mosquitto.start()
    assert up(connection) > before
    assert seen.changes[0] is None
    wait_until(lambda: seen.changes[-1] is None, "that it is up is told, a moment after it is")
    assert any(change is not None for change in seen.changes)
    assert seen.faults == []


def test_user_properties_count_in_how_large_a_message_is(
    start_mosquitto: Callable[..., Mosquitto], connect: Connect
) -> None:
    connection, seen = connect(start_mosquitto("max_packet_size 2000").port, Identity("c"), protocol="5")
    link = up(connection)
    said = [("frame_id", "\u96f6" * 128), ("result_id", "r" * 36)]
    largest = max(size for size in range(2000) if connection.takes("t", bytes(size), said))
    connection.publish("t", bytes(largest), properties=said)
    assert seen.published.get(timeout=DEADLINE_S)[2] is None
    assert connection.link == link


def test_an_exception_in_a_handler_is_told(mosquitto: Mosquitto, connect: Connect) -> None:
    def fail(_: Arrival) -> None:
        raise RuntimeError("a bug")

    connection, seen = connect(mosquitto.port, Identity("c", subscriptions=[("t", 1)]), fail)
    up(connection)
    connection.publish("t", b"x")
    wait_until(lambda: seen.faults, "the fault")
    assert str(seen.faults[0]) == "a bug"


def test_two_clients_with_one_id_are_told_so(mosquitto: Mosquitto, connect: Connect) -> None:
    first, seen = connect(mosquitto.port, Identity("same"))
    up(first)
    connect(mosquitto.port, Identity("same"))
    hint = "does another client use the id same?"
    wait_until(lambda: any(change and hint in change for change in seen.changes), "the hint")


@pytest.mark.parametrize("host", ["broker..plant", "b" * 64 + ".plant"])
def test_a_host_that_cannot_be_is_trouble_and_no_fault(host: str, connect: Connect) -> None:
    _, seen = connect(1883, Identity("c"), host=host)
    wait_until(lambda: any(change and host in change for change in seen.changes), "the trouble is told")
    assert seen.faults == []


def test_without_file_descriptors_it_tries_again(mosquitto: Mosquitto, connect: Connect) -> None:
    up(connect(mosquitto.port, Identity("before"))[0])  # what a first one imports is there
    with no_descriptors_left(spare=1):
        connection, seen = connect(mosquitto.port, Identity("c"))
        wait_until(lambda: seen.changes or seen.faults, "the trouble is told")
    assert seen.faults == []
    assert "Too many open files" in str(seen.changes[0])
    up(connection)
    assert connection.protocol == "5"


def test_closing_does_not_wait_for_a_broker_that_is_away(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connection, _ = connect(silent.getsockname()[1], Identity("c"))
        connection.close()


def test_a_broker_that_refuses_the_version_is_spoken_to_in_the_other(connect: Connect) -> None:
    levels: list[int] = []

    def serve(server: socket.socket) -> None:
        for _ in range(2):
            peer, _ = server.accept()
            with peer:
                packet = peer.recv(1000)
                levels.append(packet[packet.index(b"MQTT") + 4])
                refuse = levels[-1] == 5
                peer.sendall(bytes([0x20, 2, 0, 1 if refuse else 0]))
                if not refuse:
                    peer.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        connection, _ = connect(server.getsockname()[1], Identity("c"))
        up(connection)
        assert levels == [5, 4]
        assert connection.protocol == "3.1.1"
        connection.close()
        thread.join(DEADLINE_S)


def test_a_message_of_a_kept_session_says_before_the_broker_that_the_subscription_holds(connect: Connect) -> None:
    answer = threading.Event()

    def serve(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            peer.recv(1000)
            peer.sendall(bytes([0x20, 2, 1, 0]))  # CONNACK: session present
            subscribe = peer.recv(1000)
            peer.sendall(b"\x32\x06\x00\x01t\x00\x01x")  # PUBLISH
            answer.wait(DEADLINE_S)
            peer.sendall(b"\x90\x03" + subscribe[2:4] + b"\x01")  # SUBACK
            peer.sendall(b"\x32\x06\x00\x01t\x00\x02y")
            peer.recv(1000)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE_S)
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        reader = Identity("c", subscriptions=[("t", 1)], persistent=True)
        connection, seen = connect(server.getsockname()[1], reader, protocol="3.1.1")
        first = seen.messages.get(timeout=DEADLINE_S)
        assert (first.payload, connection.link, seen.changes) == (b"x", first.link, [None])
        answer.set()
        assert seen.messages.get(timeout=DEADLINE_S).payload == b"y"
        assert seen.changes == [None], "it is told once"
        connection.close()
        thread.join(DEADLINE_S)


def test_what_nobody_waits_for_is_left_out_while_the_network_is_too_slow_for_it(
    mosquitto: Mosquitto, connect: Connect
) -> None:
    connection, seen = connect(mosquitto.port, Identity("c"))
    up(connection)
    mosquitto.pause()
    maps = [connection.publish("map", bytes(1_000_000), qos=0) for _ in range(100)]
    taken = sum(each is not None for each in maps)
    assert 8 <= taken < 40, "what the sockets hold, and a few more"
    sent = connection.publish("verdict", b"ng")
    mosquitto.go_on()
    assert sent is not None
    assert any(seen.published.get(timeout=DEADLINE_S) == (*sent, None) for _ in range(taken + 1))
    wait_until(lambda: connection.publish("map", b"small", qos=0) is not None, "maps go on")
