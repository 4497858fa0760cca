"""Asking a server of this machine, also where the environment names a proxy, as it does in many plants."""

import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from inspector.demo.port import free_port
from inspector.http_status import status_of


class Answering(BaseHTTPRequestHandler):
    """401 without the token; the server keeps what it was asked."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200 if self.headers["Authorization"] == "Bearer secret" else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@pytest.fixture
def start() -> Iterator[Callable[[], Server]]:
    running: list[Server] = []

    def one_more() -> Server:
        running.append(Server())
        threading.Thread(target=running[-1].serve_forever, daemon=True).start()
        return running[-1]

    yield one_more
    for server in running:
        server.shutdown()
        server.server_close()


def test_a_proxy_is_not_asked_for_this_machine(start: Callable[[], Server], monkeypatch: pytest.MonkeyPatch) -> None:
    ours, proxy = start(), start()
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy.url)
    assert status_of(f"{ours.url}/metrics", within_s=5) == 401
    assert status_of(f"{ours.url}/metrics", "secret", within_s=5) == 200
    assert (ours.asked, proxy.asked) == (["/metrics"] * 2, [])


def test_nobody_answers_with_0() -> None:
    assert status_of(f"http://127.0.0.1:{free_port()}", within_s=1) == 0


def test_neither_does_who_speaks_something_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def say() -> None:
            caller, _ = other.accept()
            with caller:
                caller.recv(1000)
                caller.sendall(b"-ERR unknown command\r\n")

        threading.Thread(target=say, daemon=True).start()
        assert status_of(f"http://127.0.0.1:{other.getsockname()[1]}", within_s=5) == 0
