"""The image's health check finds the daemon where file and environment say that it is."""

import os
import subprocess
import sys
from pathlib import Path

from line import Daemon

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
