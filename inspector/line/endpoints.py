"""The HTTP server that tells liveness, readiness and the metrics."""

import errno
import hmac
import json
import logging
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import CollectorRegistry, make_wsgi_app

from inspector.errors import SettingsError
from inspector.line.health import Health
from inspector.settings import address_of

log = logging.getLogger(__name__)

_FULL_S = 0.2
_MOST_CONNECTIONS = 64
"""Each has a thread and a file of the daemon's; a Prometheus and a supervisor need two."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = _MOST_CONNECTIONS

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._lock = threading.Lock()
        self._open: dict[socket.socket, None] = {}
        super().__init__(*arguments, **named)

    def process_request(self, request: Any, client_address: Any) -> None:
        """As in the base class. Where too many are connected, the one that came first is cut off: whoever asks is
        answered, however many say nothing, or say it slowly.
        """
        with self._lock:
            self._open[request] = None
            if len(self._open) > _MOST_CONNECTIONS:
                first = next(iter(self._open))
                del self._open[first]
                with suppress(OSError):
                    first.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """As in the base class."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (as the base class has it)
        """Whoever goes away in the middle, or says nothing, is no event."""
        log.debug("request not answered", exc_info=True)

    def get_request(self) -> Any:
        """As in the base class. Where the process has no file left to open, who asks waits, and so does the server: the
        connection stays in line and would be tried again without end.
        """
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                time.sleep(_FULL_S)
            raise

    def server_bind(self) -> None:
        """As in the base class, without asking a name server for our own name: the plant may have none."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])
        self.setup_environ()


class _Server6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:
        log.debug(format, *args)


@contextmanager
def serve(health: Health, registry: CollectorRegistry, *, host: str, port: int, token: str | None) -> Iterator[int]:
    """Serves /metrics, /healthz and /readyz until the end of the block; gives the port.

    token: the bearer token that requests must carry; None asks for none.

    Raises:
        SettingsError: the address cannot be listened on.
    """
    app = _App(health, make_wsgi_app(registry), token)
    try:
        kind = _Server6 if ":" in host else _Server
        server = make_server(host, port, app, server_class=kind, handler_class=_QuietHandler)
    except OSError as error:
        raise SettingsError(
            f"metrics: cannot listen on {address_of(host, port)}: {error.strerror or error}; is another daemon "
            "running? metrics.port names another one"
        ) from error
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _App:
    def __init__(self, health: Health, metrics: Any, token: str | None) -> None:
        self._health = health
        self._metrics = metrics
        self._token = token

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if not self._allowed(environ.get("HTTP_AUTHORIZATION", "")):
            return _answer(start, "401 Unauthorized", {"error": "expected the header Authorization: Bearer TOKEN"})
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD"):
            return _answer(start, "405 Method Not Allowed", {"error": "expected GET"})
        if path == "/metrics":
            exposed: Iterable[bytes] = self._metrics(environ, start)
            return exposed
        if path == "/healthz":
            return _answer(start, _status(self._health.alive), {"alive": self._health.alive})
        if path == "/readyz":
            ready = self._health.ready
            body = {"ready": ready, "faults": self._health.faults(), "warnings": self._health.warnings()}
            return _answer(start, _status(ready), body)
        return _answer(start, "404 Not Found", {"error": "expected /metrics, /healthz or /readyz"})

    def _allowed(self, authorization: str) -> bool:
        if self._token is None:
            return True
        return hmac.compare_digest(authorization.encode(), f"Bearer {self._token}".encode())


def _status(well: bool) -> str:
    return "200 OK" if well else "503 Service Unavailable"


def _answer(start: StartResponse, status: str, body: dict[str, object]) -> list[bytes]:
    data = json.dumps(body).encode() + b"\n"
    start(status, [("Content-Type", "application/json"), ("Content-Length", str(len(data)))])
    return [data]
