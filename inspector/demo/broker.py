"""A broker for the demo on a free port of the loopback: mosquitto where it is installed, else amqtt."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inspector.demo.port import HOST, free_port, listens
from inspector.errors import BrokerError, to_install
from inspector.leash import PYTHON, child, last_words
from inspector.settings import BrokerSettings

_STARTS_WITHIN_S = 30.0
_TRIES = 4
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"

_KEPT = ("max_queued_messages 20000", f"max_queued_bytes {1 << 30}")
"""For a daemon that is late. By default mosquitto loses all but 1000 without a word; it keeps them in memory."""

Kind = Literal["mosquitto", "amqtt"]


@dataclass(frozen=True, slots=True)
class RunningBroker:
    """A broker that accepts connections."""

    kind: Kind
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def settings(self) -> BrokerSettings:
        """How to reach it. The version is said, not sought: amqtt leaves a client that tries MQTT 5 waiting."""
        return BrokerSettings(host=HOST, port=self.port, protocol="5" if self.kind == "mosquitto" else "3.1.1")

    def check(self) -> None:
        """Raises BrokerError where it has ended."""
        if self.process.poll() is not None:
            raise BrokerError(f"broker {self.kind} ended (exit code {self.process.returncode}): {last_words(self.log)}")

    def __str__(self) -> str:
        return f"{self.kind} (MQTT {self.settings.protocol}) on {HOST}:{self.port}"


@contextmanager
def running_broker(folder: Path, kind: Literal["auto", "mosquitto", "amqtt"] = "auto") -> Iterator[RunningBroker]:
    """A broker with its configuration and log in `folder`.

    Raises:
        BrokerError: neither mosquitto nor amqtt is installed, or none of those installed starts.
    """
    kinds: Sequence[Kind] = ("mosquitto", "amqtt") if kind == "auto" else (kind,)
    failures = []
    with ExitStack() as stack:
        for candidate in kinds:
            try:
                broker = _start(folder, candidate, stack)
            except BrokerError as error:
                failures.append(str(error))
                continue
            yield broker
            return
    raise BrokerError("; ".join(failures) + f"; apt-get install mosquitto, or {to_install('demo')}")


def _start(folder: Path, kind: Kind, stack: ExitStack) -> RunningBroker:
    log = folder / f"{kind}.log"
    for _ in range(_TRIES):
        port = free_port()
        command = _mosquitto(folder, port) if kind == "mosquitto" else _amqtt(port)
        with ExitStack() as attempt:
            process = attempt.enter_context(child(command, log))
            end = time.monotonic() + _STARTS_WITHIN_S
            while process.poll() is None and time.monotonic() < end:
                if listens(port):
                    stack.push(attempt.pop_all())
                    return RunningBroker(kind, port, process, log)
                time.sleep(0.03)
    raise BrokerError(f"broker {kind}: does not start ({last_words(log)})")


def _mosquitto(folder: Path, port: int) -> list[str]:
    program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")
    if program is None:
        raise BrokerError("broker mosquitto: is not installed")
    lines = [f"listener {port} {HOST}", "allow_anonymous true", "persistence false", "log_dest stderr", *_KEPT]
    if os.geteuid() == 0:
        lines.insert(0, "user root")
    configuration = folder / "mosquitto.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return [program, "-c", str(configuration)]


def _amqtt(port: int) -> list[str]:
    if importlib.util.find_spec("amqtt") is None:
        raise BrokerError("broker amqtt: is not installed")
    return [*PYTHON, "-m", "inspector.demo.embedded", str(port)]
