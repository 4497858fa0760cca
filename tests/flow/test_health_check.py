"""The image's health check finds the daemon where file and environment say that it is."""

import os
import subprocess
import sys
from pathlib import Path

from line import Daemon
from services import wait_until

from inspector.demo.port import free_port

PROGRAM = Path(__file__).parent.parent.parent / "docker" / "health.py"


def healthy(settings: Path, **environment: str) -> bool:
    command = [sys.executable, str(PROGRAM), str(settings)]
    return subprocess.run(command, env={**os.environ, **environment}, timeout=60).returncode == 0


def test_the_environment_moves_daemon_and_health_check_alike(daemon: Daemon, tmp_path: Path) -> None:
    elsewhere = str(free_port())
    in_file, daemon.http = daemon.http, int(elsewhere)
    daemon.settings["metrics"]["port"] = in_file
    daemon.start(INSPECTOR_METRICS__PORT=elsewhere)
    settings = tmp_path / "inspector.yaml"
    assert healthy(settings, INSPECTOR_METRICS__PORT=elsewhere)
    assert not healthy(settings)


def test_the_environment_may_hold_the_whole_section(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    daemon.settings["metrics"] = {"port": daemon.http, "token_file": "nowhere"}
    daemon.http = free_port()
    section = f"{{port: {free_port()}, token_file: token}}"
    said = {"INSPECTOR_METRICS": section, "INSPECTOR_METRICS__PORT": str(daemon.http)}
    daemon.start(ready=False, **said)
    wait_until(lambda: daemon.get("/readyz", Authorization="Bearer secret")[0] == 200, "the daemon is ready")
    assert healthy(tmp_path / "inspector.yaml", **said)


def test_the_token_is_read_as_the_daemon_reads_it(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfa long secret\r\nof last year\r\n")
    daemon.settings["metrics"]["token_file"] = str(tmp_path / "token")
    daemon.start(ready=False)
    wait_until(lambda: healthy(tmp_path / "inspector.yaml"), "the health check to find it well")
