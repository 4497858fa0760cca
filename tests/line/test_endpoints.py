"""The HTTP server that tells readiness and the metrics."""

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry
from services import DEADLINE_S, answered, listening, no_descriptors_left, wait_until

from inspector.errors import SettingsError
from inspector.line.endpoints import serve
from inspector.line.health import Health


def get(port: int, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    return answered(urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers, method=method))


def test_what_is_served() -> None:
    health = Health("ledger")
    with serve(health, CollectorRegistry(), host="127.0.0.1", port=0, token=None) as port:
        assert get(port, "/readyz") == (503, '{"ready": false, "faults": {"ledger": "starting"}, "warnings": {}}\n')
        health.set("ledger", None)
        assert get(port, "/readyz")[0] == 200
        assert get(port, "/healthz")[0] == 200
        assert get(port, "/metrics")[0] == 200
        assert get(port, "/")[0] == 404
        assert get(port, "/metrics", "POST")[0] == 405
        health.fail("a bug")
        assert get(port, "/healthz")[0] == 503
    assert not listening(port)


def test_warnings_are_served_while_it_is_ready() -> None:
    health = Health()
    health.warn("bank tile", "refused: damaged")
    with serve(health, CollectorRegistry(), host="127.0.0.1", port=0, token=None) as port:
        status, body = get(port, "/readyz")
    assert (status, json.loads(body)["warnings"]) == (200, {"bank tile": "refused: damaged"})


def test_with_a_token_nothing_is_served_without_it() -> None:
    with serve(Health(), CollectorRegistry(), host="127.0.0.1", port=0, token="s3cret") as port:
        for path in ("/metrics", "/healthz", "/readyz"):
            status, body = get(port, path)
            assert status == 401
            assert "Bearer" in json.loads(body)["error"]
            assert get(port, path, Authorization="Bearer wrong")[0] == 401
            assert get(port, path, Authorization="Bearer s3cret")[0] == 200


def test_it_listens_on_ipv6_too() -> None:
    with (
        serve(Health(), CollectorRegistry(), host="::1", port=0, token=None) as port,
        urllib.request.urlopen(f"http://[::1]:{port}/readyz", timeout=10) as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_port_that_is_taken_is_told(host: str, told: str) -> None:
    with (
        serve(Health(), CollectorRegistry(), host=host, port=0, token=None) as port,
        pytest.raises(SettingsError, match=re.escape(f"cannot listen on {told}:{port}:")),
        serve(Health(), CollectorRegistry(), host=host, port=port, token=None),
    ):
        pass


def test_a_process_without_a_file_left_does_not_spin_and_answers_later() -> None:
    with serve(Health(), CollectorRegistry(), host="127.0.0.1", port=0, token=None) as port, socket.socket() as client:
        client.settimeout(DEADLINE_S)
        with no_descriptors_left(spare=0):
            client.connect(("127.0.0.1", port))
            busy = time.process_time()
            time.sleep(2)
            busy = time.process_time() - busy
        client.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        answer = client.recv(100)
    assert b"200 OK" in answer
    assert busy < 1, f"{busy} s of two spent on trying again"


def test_however_many_say_nothing_the_next_is_answered_and_the_daemon_keeps_its_threads(
    capfd: pytest.CaptureFixture[str],
) -> None:
    threads = threading.active_count()
    with serve(Health(), CollectorRegistry(), host="127.0.0.1", port=0, token="s3cret") as port, ExitStack() as opened:
        silent = []
        for _ in range(200):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            client.sendall(b"GET /metr")
            silent.append(client)
        assert get(port, "/healthz", Authorization="Bearer s3cret")[0] == 200
        assert silent[0].recv(1) == b"", "who came first is cut off"
        wait_until(lambda: threading.active_count() <= threads + 70, "threads for a bounded number of connections")
    wait_until(lambda: threading.active_count() <= threads, "their threads end")
    assert capfd.readouterr().err == ""
