"""Frames that the broker does not take, and says so in its own way: one is told and passed over, the others arrive."""

import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner
from line import drawn_part
from listening import STATION, listening_line
from services import DEADLINE_S, Mosquitto, wait_until

from inspector.camera import CameraOptions, publish
from inspector.cli.camera import camera
from inspector.errors import BrokerError
from inspector.settings import BrokerSettings

LIMIT = 50_000
LARGE = 60_000


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Five pictures; the second and third are larger than the broker takes."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(5):
        (folder / f"{number}.png").write_bytes(drawn_part(number) + (bytes(LARGE) if number in (1, 2) else b""))
    return folder


@pytest.mark.parametrize(
    ("protocol", "limit", "announced"),
    [("3.1.1", "max_packet_size", False), ("5", "max_packet_size", True), ("5", "message_size_limit", False)],
    ids=["closes", "announces", "answers"],
)
def test_what_is_larger_than_the_broker_takes_is_told_and_the_line_goes_on(
    start_mosquitto: Callable[..., Mosquitto], mixed: Path, protocol: str, limit: str, *, announced: bool
) -> None:
    broker = start_mosquitto(f"{limit} {LIMIT}")
    notices: list[str] = []
    settings = BrokerSettings(port=broker.port, protocol=protocol)  # type: ignore[arg-type]
    asked = CameraOptions(source=str(mixed), station=STATION, broker=settings, fps=0)
    sent = count(1)

    def all_on_their_way(*_: object) -> None:
        """Both large ones before the broker looks at the first: how often it ends the connection depends on that."""
        number = next(sent)
        if number == 1:
            broker.pause()
        elif number == 5:
            broker.go_on()

    with listening_line(broker.port) as line:
        summary = publish(asked, on_frame=all_on_their_way, on_notice=notices.append)
        wait_until(lambda: len({frame.seq for frame in line.frames}) >= 3, "the others arrive")
    tally = summary.tally
    assert (tally.sent, tally.acknowledged, tally.given_up, tally.refused) == (5, 3, 2, 0)
    arrived = {(frame.seq, frame.part_id, frame.frame_id) for frame in line.frames}  # each may come twice
    assert [(seq, part_id) for seq, part_id, _ in sorted(arrived)] == [(0, "0.png"), (3, "3.png"), (4, "4.png")]
    told = [notice for notice in notices if "or send smaller pictures" in notice]
    assert [name in notice for name, notice in zip(("(1.png, ", "(2.png, "), told, strict=True)] == [True, True]
    assert sum("connection lost" in notice for notice in notices) == (0 if announced else 1)


def test_the_command_says_how_many_were_too_large_and_fails(
    start_mosquitto: Callable[..., Mosquitto], mixed: Path
) -> None:
    broker = start_mosquitto(f"max_packet_size {LIMIT}")
    arguments = [str(mixed), "--station", str(STATION), "--broker", f"127.0.0.1:{broker.port}", "--fps", "0"]
    result = CliRunner().invoke(camera, [*arguments, "--protocol", "3.1.1"])
    assert "5 frames published, 3 acknowledged" in result.stdout
    assert "2 GIVEN UP" in result.stdout
    assert isinstance(result.exception, BrokerError)
    assert "did not take 2 of 5 frames" in str(result.exception)
    assert json.loads(CliRunner().invoke(camera, [*arguments, "--json"]).stdout)["given_up"] == 2


@contextmanager
def relay(broker: Mosquitto, through: Callable[[int], None]) -> Iterator[int]:
    """A load balancer before the broker, which takes connections whether or not the broker is there. Gives its port.

    through: told how many bytes came over a connection so far, before they are passed on; may end it with an OSError.
    """
    server = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection((broker.host, broker.port)) as inner:
            threading.Thread(target=back, args=(inner, client), daemon=True).start()
            came = 0
            while data := client.recv(65536):
                came += len(data)
                through(came)
                inner.sendall(data)

    def back(inner: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while data := inner.recv(65536):
                client.sendall(data)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with server:
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.faults
@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_a_broker_that_goes_down_each_time_the_frame_comes_is_not_taken_for_one_that_refuses_it(
    mosquitto: Mosquitto, tmp_path: Path, protocol: str
) -> None:
    """Four times in a row it is killed with the frame half read, and is back soon; then the frame arrives."""
    (tmp_path / "part.png").write_bytes(drawn_part(0) + bytes(LARGE))
    notices: list[str] = []
    killed: list[int] = []

    def met_nobody() -> int:
        return sum("trying again" in notice for notice in notices)

    def kill_it(came: int) -> None:
        if came > LARGE and len(killed) < 4:
            killed.append(met_nobody())
            mosquitto.kill()
            wait_until(lambda: met_nobody() > killed[-1], "the camera has seen that the broker is down")
            mosquitto.start()
            raise ConnectionResetError

    with relay(mosquitto, kill_it) as port:
        settings = BrokerSettings(port=port, protocol=protocol)  # type: ignore[arg-type]
        asked = CameraOptions(
            source=str(tmp_path / "part.png"), station=STATION, broker=settings, fps=0, ack_timeout_s=DEADLINE_S
        )
        summary = publish(asked, on_notice=notices.append)
    assert len(killed) == 4
    assert (summary.tally.sent, summary.tally.acknowledged, summary.tally.given_up) == (1, 1, 0)
    assert not any("given up" in notice for notice in notices)


@contextmanager
def answering(verdict: Callable[[int, bytes], bytes], *, announced: bytes = b"") -> Iterator[int]:
    """As much of MQTT 5 as a camera station meets, for answers that mosquitto does not give. Gives its port.

    verdict: given the size of a frame's packet in bytes and its number, the packet to answer with; a DISCONNECT ends
    the connection. announced: properties of the answer to CONNECT.
    """
    connected = bytes([0x20, 3 + len(announced), 0, 0, len(announced)]) + announced

    class Broker(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                while first := self.rfile.read(1):
                    size = shift = 0
                    while True:
                        (byte,) = self.rfile.read(1)
                        size, shift = size | (byte & 127) << shift, shift + 7
                        if byte < 128:
                            break
                    answer = self.answer(first[0] >> 4, self.rfile.read(size))
                    self.wfile.write(answer)
                    if answer[:1] == b"\xe0":
                        return

        def answer(self, kind: int, body: bytes) -> bytes:
            if kind == 3:
                topic = int.from_bytes(body[:2], "big")
                return verdict(len(body), body[2 + topic : 4 + topic])
            plain = {1: connected, 8: b"\x90\x04" + body[:2] + b"\0\0", 10: b"\xb0\x04" + body[:2] + b"\0\0"}
            return {**plain, 12: b"\xd0\0"}.get(kind, b"")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Broker) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def acknowledged(mid: bytes, code: int = 0) -> bytes:
    return b"\x40\x04" + mid + bytes([code, 0])


def disconnected(code: int) -> bytes:
    return b"\xe0\x02" + bytes([code, 0])


@pytest.mark.parametrize(
    ("refusal", "said", "became"),
    [
        (lambda _: disconnected(0x95), "Packet too large", "given up"),
        (lambda _: disconnected(0x83), "Implementation specific error", "given up"),
        (lambda mid: acknowledged(mid, 0x99), "Payload format invalid", "given up"),
        (lambda mid: acknowledged(mid, 0x97), "Quota exceeded", "refused"),
    ],
    ids=["ends: too large", "ends: some error", "answers: invalid", "answers: quota"],
)
def test_brokers_that_say_what_they_do_not_take(
    mixed: Path, refusal: Callable[[bytes], bytes], said: str, became: str
) -> None:
    notices: list[str] = []
    with answering(lambda size, mid: refusal(mid) if size > LARGE else acknowledged(mid)) as port:
        settings = BrokerSettings(port=port, protocol="5")
        summary = publish(
            CameraOptions(source=str(mixed), station=STATION, broker=settings, fps=0), on_notice=notices.append
        )
    counted = {"given up": summary.tally.given_up, "refused": summary.tally.refused}
    assert (summary.tally.sent, summary.tally.acknowledged, counted.pop(became), counted.popitem()[1]) == (5, 3, 2, 0)
    assert sum(f"({said})" in notice or f": {said}" in notice for notice in notices) >= 2


def test_a_broker_that_goes_away_with_a_word_each_time_is_not_taken_for_one_that_refuses_the_frame(
    mixed: Path,
) -> None:
    """Four times it says that it is shut down, as the frame comes."""
    left = [disconnected(0x8B)] * 4
    with answering(lambda _, mid: left.pop() if left else acknowledged(mid)) as port:
        settings = BrokerSettings(port=port, protocol="5")
        summary = publish(CameraOptions(source=str(mixed), station=STATION, broker=settings, fps=0))
    assert (summary.tally.sent, summary.tally.acknowledged, summary.tally.given_up) == (5, 5, 0)


def test_no_more_frames_are_on_their_way_than_the_broker_announces(mixed: Path) -> None:
    """Brokers end the connection of a client that sends more, and HiveMQ takes ten where nobody says otherwise."""
    came: list[bytes] = []

    def strict(_: int, mid: bytes) -> bytes:
        came.append(mid)
        return b""

    with answering(strict, announced=b"\x21\x00\x02") as port:
        asked = CameraOptions(
            source=str(mixed), station=STATION, broker=BrokerSettings(port=port, protocol="5"), fps=0, ack_timeout_s=1.0
        )
        with pytest.raises(BrokerError, match="5 of 5 frames were not acknowledged"):
            publish(asked)
    assert len(came) == 2


def test_a_broker_that_takes_few_frames_ahead_gets_all(mixed: Path) -> None:
    with answering(lambda _, mid: acknowledged(mid), announced=b"\x21\x00\x02") as port:
        settings = BrokerSettings(port=port, protocol="5")
        summary = publish(CameraOptions(source=str(mixed), station=STATION, broker=settings, fps=0))
    assert (summary.tally.sent, summary.tally.acknowledged) == (5, 5)
