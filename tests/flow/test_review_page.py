"""The review page beside the daemon: real broker, real daemon, real processes, real browser."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from line import CAM1, Camera, Daemon, drawn_part, frame
from playwright.sync_api import Browser
from services import DEADLINE_S, Mosquitto, gone, listening, wait_until

from inspector import settings
from inspector.demo.port import free_port
from inspector.store import Accounts, Role, Sessions, open_database
from inspector.web.assets import ASSETS

LOGIN_HEAD = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"


@contextmanager
def review_alone(folder: Path, **review: Any) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """`inspector review` on a folder without a daemon; the process and its port."""
    port = free_port()
    stations = [{"id": str(CAM1), "bank": "bank"}]
    document = {"data_dir": "data", "review": {"port": port, **review}, "stations": stations}
    (folder / "inspector.yaml").write_text(yaml.safe_dump(document))
    process = subprocess.Popen(
        [sys.executable, "-m", "inspector", "review", "-c", str(folder / "inspector.yaml")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process, port
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE_S)


def page_of(daemon: Daemon) -> psutil.Process | None:
    """The process of the review page, once it listens."""
    if not listening(daemon.settings["review"]["port"]):
        return None
    children = psutil.Process(daemon.pid).children(recursive=True)
    return next((child for child in children if "review" in words(child)), None)


def words(process: psutil.Process) -> list[str]:
    """Its command line; none of one that has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:  # and zombies
        return []


def test_whoever_is_slow_is_cut_off(tmp_path: Path) -> None:
    with review_alone(tmp_path) as (_, port), ExitStack() as opened:
        wait_until(lambda: listening(port), "the page listens")

        def sent(data: bytes) -> socket.socket:
            client = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            client.sendall(data)
            return client

        def rest(client: socket.socket) -> bytes:
            said = b""
            with suppress(ConnectionResetError):
                while part := client.recv(65536):
                    said += part
            return said

        whole = f"GET {ASSETS.address}/icon.svg HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        slow = [
            sent(data)
            for data in (b"", b"GET / HT", whole + b"GET / HT", LOGIN_HEAD + b"Content-Length: 9\r\n\r\nname=")
        ]
        nothing, begun, again, body = (rest(client) for client in slow)
        assert (nothing, begun) == (b"", b"")
        assert again.startswith(b"HTTP/1.1 200")
        assert again.count(b"HTTP/1.1") == 1
        assert body.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("begun", [b"", LOGIN_HEAD + b"Content-Length: 9\r\n\r\nname="], ids=["nothing", "half a body"])
def test_however_many_are_connected_the_next_is_answered(tmp_path: Path, begun: bytes) -> None:
    with review_alone(tmp_path) as (process, port), ExitStack() as opened:
        wait_until(lambda: listening(port), "the page listens")
        for _ in range(700):
            client = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
            client.sendall(begun)
        assert httpx.get(f"http://127.0.0.1:{port}/login", timeout=DEADLINE_S).status_code == 200
        assert psutil.Process(process.pid).num_fds() < 600


def test_the_first_start_prints_a_link_that_makes_one_account(tmp_path: Path) -> None:
    with review_alone(tmp_path) as (process, port):
        assert process.stdout is not None
        assert process.stdout.readline() == f"review page http://127.0.0.1:{port}\n"
        link = re.fullmatch(r"first start: make the first account at (\S+)\n", process.stdout.readline())
        assert link is not None
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as browser:
            assert "printed a link" in browser.get("/login").text
            assert browser.get("/setup?code=guessed").status_code == 403
            form = {"code": link[1].partition("code=")[2], "name": "ada", "password": "short", "again": "short"}
            assert browser.post("/setup", data=form).status_code == 400
            form |= {"password": "long enough, really", "again": "long enough, really"}
            assert browser.post("/setup", data=form).headers["location"] == "/"
            assert browser.get("/api/v1/me").json()["role"] == "admin"
            assert browser.get(link[1]).headers["location"] == "/login"
            assert browser.post("/setup", data=form | {"name": "eve"}).headers["location"] == "/login"
    with review_alone(tmp_path) as (process, port):
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda: listening(port), "the page listens")
        process.terminate()
        out, err = process.communicate(timeout=DEADLINE_S)
        assert "first start" not in out + err


@pytest.fixture
def trust(tmp_path: Path) -> ssl.SSLContext:
    """Trusts the new certificate beside the settings: cert.pem, key.pem."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", "key.pem", "-out", "cert.pem", *subject],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    return ssl.create_default_context(cafile=tmp_path / "cert.pem")


def test_however_many_never_begin_with_tls_the_next_is_answered(tmp_path: Path, trust: ssl.SSLContext) -> None:
    with (
        review_alone(tmp_path, cert_file="cert.pem", key_file="key.pem") as (process, port),
        ExitStack() as opened,
    ):
        wait_until(lambda: listening(port), "the page listens")
        for _ in range(700):
            opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S))
        answer = httpx.get(f"https://127.0.0.1:{port}/login", verify=trust, timeout=DEADLINE_S)
        assert answer.status_code == 200
        assert psutil.Process(process.pid).num_fds() < 600


def test_with_a_certificate_of_its_own_it_speaks_tls_alone(tmp_path: Path, trust: ssl.SSLContext) -> None:
    with review_alone(tmp_path, cert_file="cert.pem", key_file="key.pem") as (process, port):
        assert process.stdout is not None
        assert process.stdout.readline() == f"review page https://127.0.0.1:{port}\n"
        code = process.stdout.readline().strip().partition("code=")[2]
        form = {"code": code, "name": "ada", "password": "long enough, really", "again": "long enough, really"}
        with httpx.Client(base_url=f"https://127.0.0.1:{port}", verify=trust, timeout=DEADLINE_S) as browser:
            cookie = browser.post("/setup", data=form).headers["set-cookie"]
            assert cookie.startswith(f"__Host-inspector-{port}=")
            assert "Secure" in cookie
            assert browser.get("/api/v1/me").json()["name"] == "ada"
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{port}/login", timeout=DEADLINE_S)


def test_a_certificate_that_is_renewed_in_place_is_shown_to_who_connects_then(
    tmp_path: Path, trust: ssl.SSLContext
) -> None:
    """Also where it is of another kind than the first."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "800", "-nodes"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", "new-key.pem", "-out", "new.pem"]
    subprocess.run(["openssl", "req", "-x509", *curve, *subject], cwd=tmp_path, check=True, capture_output=True)
    first, second = ((tmp_path / name).read_text() for name in ("cert.pem", "new.pem"))
    with review_alone(tmp_path, cert_file="cert.pem", key_file="key.pem") as (_, port):
        wait_until(lambda: listening(port), "the page listens")
        page = f"https://127.0.0.1:{port}/login"
        with httpx.Client(verify=trust, timeout=DEADLINE_S) as browser:
            assert browser.get(page).status_code == 200
            (tmp_path / "new.pem").rename(tmp_path / "cert.pem")
            assert ssl.get_server_certificate(("127.0.0.1", port)) == first, "the key is not there yet"
            (tmp_path / "new-key.pem").rename(tmp_path / "key.pem")
            assert ssl.get_server_certificate(("127.0.0.1", port)) == second
            assert browser.get(page).status_code == 200, "whoever was connected stays"
        renewed = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        assert httpx.get(page, verify=renewed, timeout=DEADLINE_S).status_code == 200


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    with review_alone(tmp_path) as (_, port):
        wait_until(lambda: listening(port), "the page listens")
        command = [sys.executable, "-m", "inspector", "review", "-c", str(tmp_path / "inspector.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 2
    assert done.stderr == f"error: review: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_without_its_libraries_the_page_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "inspector.yaml").write_text("data_dir: data\nstations: [{id: a/b/c/d, bank: bank}]\n")
    program = f"""
import sys
class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "fastapi":
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, NotInstalled())
from inspector.cli import main
main(["review", "-c", {str(tmp_path / "inspector.yaml")!r}])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "error: review: fastapi is not installed; install inspector[review] from its wheels or its repository\n",
    )


def test_the_page_beside_the_daemon_is_that_of_the_installation_whatever_the_current_folder_holds(
    mosquitto: Mosquitto, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inspector").mkdir()
    (tmp_path / "inspector" / "__init__.py").write_text("raise SystemExit('code of the current folder')")
    monkeypatch.chdir(tmp_path)
    with Daemon(tmp_path, port=mosquitto.port, bank=bank, program=("-P", "-m", "inspector", "run", "-c")) as daemon:
        daemon.settings["review"] = {"enabled": True, "port": free_port()}
        daemon.start()
        wait_until(lambda: page_of(daemon) or daemon.logged("companion ended"), "the page listens or ends")
        assert page_of(daemon), daemon.log.read_text()


@pytest.fixture
def reviewed(daemon: Daemon) -> Daemon:
    """The daemon with its page, started."""
    daemon.settings["review"] = {"enabled": True, "port": free_port()}
    daemon.start()
    wait_until(lambda: page_of(daemon), "the review page listens")
    return daemon


def test_a_page_that_ends_comes_back_and_the_line_never_notices(reviewed: Daemon, camera: Camera) -> None:
    page = page_of(reviewed)
    assert page is not None
    page.kill()
    camera.send(frame(1))
    wait_until(lambda: reviewed.metric("inspector_verdicts_total") == 1, "a verdict without the page")
    wait_until(lambda: (again := page_of(reviewed)) is not None and again.pid != page.pid, "the page is back")
    assert reviewed.logged("companion ended")[0]["exit_code"] == -9


@pytest.mark.parametrize("end", ["terminate", "kill"])
def test_the_page_ends_with_the_daemon(reviewed: Daemon, end: str) -> None:
    page = page_of(reviewed)
    assert page is not None
    getattr(reviewed, end)()
    wait_until(lambda: gone(page), "the page is gone")


def test_from_the_camera_to_the_operators_decision(reviewed: Daemon, camera: Camera, chromium: Browser) -> None:
    loaded = settings.load(reviewed.folder / "inspector.yaml")
    with open_database(loaded.database_url) as engine:
        Accounts(engine).create("olga", "correct horse battery", Role.OPERATOR, by="ada")
        code = Sessions(engine).begin_link("olga", 1, by="ada")
    with chromium.new_context(base_url=f"http://127.0.0.1:{loaded.review.port}") as context:
        page = context.new_page()
        page.set_default_timeout(DEADLINE_S * 1000)
        page.goto(f"/enter?code={code}")
        page.get_by_text("Nothing waits").wait_for()
        camera.send(frame(1), frame(2, payload=drawn_part(2, scratched=True)), frame(3))
        page.wait_for_selector(".frame-card")  # it comes by itself
        assert page.locator(".frame-card").count() == 1
        page.locator(".picture").click()
        page.wait_for_selector(".map", state="attached")
        page.keyboard.press("1")
        page.get_by_text("Nothing waits").wait_for()
    rows = reviewed.rows("SELECT frame_id, disposition, defect_type, reviewer FROM frames WHERE queued")
    assert rows == [("f-2", "defect", "scratch", "olga")]
    assert len(reviewed.rows("SELECT 1 FROM reviews")) == 1
