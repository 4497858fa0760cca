"""What tests start and provoke for real: a mosquitto on a free port with its own configuration, a full disk."""

import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from inspector.demo.port import free_port
from inspector.file_lock import is_locked

DEADLINE_S = 60.0
"""How long a test waits for something that should happen at once: generous, for busy two-core machines."""


def mosquitto_program() -> str | None:
    """Where Debian puts it, or anywhere on the path."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def wait_until(condition: Callable[[], object], what: str, *, deadline_s: float = DEADLINE_S) -> None:
    """Polls until the condition holds; fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"after {deadline_s:.0f} s still not: {what}")
        time.sleep(0.02)


def listening(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answered(request: urllib.request.Request) -> tuple[int, str]:
    """Status and body of a request, errors of HTTP included."""
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def holder_of(lock: Path) -> psutil.Process:
    """The process that holds a lock: the kernel says so."""
    inode = lock.stat().st_ino
    for line in Path("/proc/locks").read_text().splitlines():
        fields = line.split()
        if fields[5].endswith(f":{inode}"):
            return psutil.Process(int(fields[4]))
    raise AssertionError(f"nobody holds {lock}")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler of this signal; without one most of them end it."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, also where nobody has asked for its exit code; it may go while we look."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Mosquitto:
    """A real broker; `stop` and `start` keep its port and its sessions, which live in `folder`."""

    host = "127.0.0.1"

    def __init__(
        self,
        folder: Path,
        *,
        options: tuple[str, ...] = (),
        configuration: str | None = None,
        included: str | None = None,
    ) -> None:
        """options: lines added to the configuration. configuration: used instead, `{port}` filled in.

        included: `conf.d/inspector.conf` in `folder`, `{port}` filled in, which the configuration has to include.
        """
        self.folder = folder
        self._own = configuration
        self._included = included
        self.port = 0
        self.log = folder / "mosquitto.log"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def _configure(self) -> Path:
        path = self.folder / "mosquitto.conf"
        if self._included is not None:
            (self.folder / "conf.d").mkdir(exist_ok=True)
            (self.folder / "conf.d" / "inspector.conf").write_text(self._included.replace("{port}", str(self.port)))
        path.write_text(self._lines() if self._own is None else self._own.replace("{port}", str(self.port)))
        return path

    def _lines(self) -> str:
        lines = [
            f"listener {self.port} {self.host}",
            "allow_anonymous true",
            "persistence true",
            f"persistence_location {self.folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
            "max_queued_messages 100000",
            *self._options,
        ]
        if os.geteuid() == 0:
            lines.insert(0, "user root")
        return "\n".join(lines) + "\n"

    def start(self) -> None:
        """Starts it, on the port it had before or on a free one, and returns when it accepts connections."""
        program = mosquitto_program()
        if program is None:
            raise AssertionError("mosquitto is not installed: apt-get install mosquitto, or make setup")
        self.folder.mkdir(parents=True, exist_ok=True)
        keep_port = self.port != 0
        for _ in range(5):
            if not keep_port:
                self.port = free_port()
            configuration = self._configure()
            with self.log.open("ab") as log:
                process = subprocess.Popen([program, "-c", str(configuration)], stdout=log, stderr=log)
            self._process = process
            wait_until(
                lambda process=process: listening(self.port) or process.poll() is not None,  # type: ignore[misc]
                f"mosquitto listens on port {self.port}",
            )
            if process.poll() is None:
                return
        raise AssertionError(f"mosquitto does not start: {self.log.read_text()}")

    def stop(self) -> None:
        """Ends it cleanly, so that it writes its sessions to disk."""
        self._end(kill=False)

    def reload(self) -> None:
        """Reads passwords and access lists anew, and returns when its log, which has to be ours, says that it does.

        mosquitto listens a moment before it has a handler, and SIGHUP would end it until then.
        """
        process = self._process
        if process is None:
            return
        told = self._reloads()
        wait_until(lambda: catches(process.pid, signal.SIGHUP), "mosquitto has a handler of SIGHUP")
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: self._reloads() > told, "mosquitto reloads its configuration")

    def _reloads(self) -> int:
        return self.log.read_text().count("Reloading config")

    def pause(self) -> None:
        """Stands still until `go_on`; what is sent to it waits."""
        if self._process is not None:
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """As before `pause`."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it without a word."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(timeout=DEADLINE_S)
        self._process = None


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """As on a full disk: the kernel refuses to write on."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def small_disk(place: Path, *, size: int) -> Iterator[None]:
    """A disk of so many bytes at a folder, of its own; a test of whoever may not mount one is skipped."""
    place.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no disk of its own: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill_up(folder: Path) -> Path:
    """Writes a file until its disk has no byte left; returns it."""
    file = folder / "filling"
    with file.open("wb", buffering=0) as stream, suppress(OSError):
        while stream.write(bytes(4096)):
            pass
    return file


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights until the end of the block: root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def no_descriptors_left(*, spare: int) -> Iterator[None]:
    """This process can open no more files and sockets than `spare`, until the end of the block."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Path(os.devnull).open() as highest:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(highest.fileno() + 1 + spare, 64), limits[1]))
    taken: list[int] = []
    try:
        with suppress(OSError):
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        for descriptor in taken[len(taken) - spare :]:
            os.close(descriptor)
        del taken[len(taken) - spare :]
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for descriptor in taken:
            os.close(descriptor)


@contextmanager
def no_threads_left() -> Iterator[None]:
    """This process can start no thread until the end of the block, as where a container's limit of them is reached."""
    before = threading.stack_size(1 << 40)
    try:
        yield
    finally:
        threading.stack_size(before)


def looks_at_locks(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """What whoever is about to begin work sees of the lock of others, look by look: whether it is held."""
    found: list[bool] = []

    def look(at: Path) -> bool:
        found.append(is_locked(at))
        return found[-1]

    monkeypatch.setattr("inspector.alone.is_locked", look)
    return found
