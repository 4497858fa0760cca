"""The real daemon as a process of its own, up and ready."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inspector.demo.machine import DemoError
from inspector.demo.port import HOST
from inspector.http_status import status_of
from inspector.leash import PYTHON, child, last_words

_READY_WITHIN_S = 90.0
_ANSWERS_S = 2.0


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A daemon that inspects frames. seconds: how long it took to be ready."""

    process: subprocess.Popen[bytes]
    config: Path
    url: str
    log: Path
    seconds: float

    def check(self) -> None:
        """Raises DemoError where it has ended."""
        if self.process.poll() is not None:
            raise DemoError(f"the daemon ended (exit code {self.process.returncode}): {last_words(self.log)}")


@contextmanager
def running_daemon(folder: Path, config: Path, *, metrics_port: int) -> Iterator[RunningDaemon]:
    """`inspector run` on a configuration that serves /metrics on that port; its log goes to `folder`.

    Raises:
        DemoError: it ends, or is not ready within a minute and a half.
    """
    log = folder / "daemon.log"
    started = time.monotonic()
    with child([*PYTHON, "-m", "inspector", "run", "-c", str(config)], log) as process:
        url = f"http://{HOST}:{metrics_port}"
        while status_of(f"{url}/readyz", within_s=_ANSWERS_S) != 200:
            RunningDaemon(process, config, url, log, 0.0).check()
            if time.monotonic() - started > _READY_WITHIN_S:
                raise DemoError(f"the daemon is not ready after {_READY_WITHIN_S:.0f} s: {last_words(log)}")
            time.sleep(0.05)
        yield RunningDaemon(process, config, url, log, time.monotonic() - started)
