"""Debian's PostgreSQL, a server for the tests alone: on a free port of the loopback, in a folder that goes away."""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import count
from pathlib import Path

from services import DEADLINE_S, wait_until
from sqlalchemy import create_engine, text

from inspector.demo.port import free_port
from inspector.store import open_database

_USER = "nobody"
"""Who runs the server where the tests run as root, as which it refuses to."""


def postgres_folder() -> Path | None:
    """Where the newest server's programs are, in Debian's place or on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parent.parent.name))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).parent if on_path else None


class Postgres:
    """A running server; `stop` and `start` keep its port and its databases."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self._data = folder / "data"
        self._programs = programs
        self._password = secrets.token_urlsafe(16)
        self._numbers = count()
        self._log = folder / "postgres.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    def initialise(self, folder: Path) -> None:
        """Makes an empty cluster with one user, who needs a password."""
        password = folder / "password"
        password.write_text(self._password)
        self._log.touch()
        if os.geteuid() == 0:
            owner = pwd.getpwnam(_USER)
            for path in (folder, password, self._log):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        options = ("--username=inspector", f"--pwfile={password}", "--auth=scram-sha-256", "--encoding=UTF8")
        command = self._command("initdb", "-D", str(self._data), *options, "--locale=C", "--no-sync")
        subprocess.run(command, check=True, capture_output=True, timeout=DEADLINE_S, cwd=folder)

    def _command(self, program: str, *arguments: str) -> Sequence[str]:
        user = ("setpriv", f"--reuid={_USER}", "--clear-groups", "--regid=nogroup") if os.geteuid() == 0 else ()
        return *user, str(self._programs / program), *arguments

    def start(self) -> None:
        """Starts it, on the port it had before or on a free one, and returns when it answers."""
        self.port = self.port or free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "shared_buffers": "128MB",
        }
        said = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", str(self._data), *said), stdout=log, stderr=log, cwd=self._data.parent
            )
        wait_until(lambda: self._answers() or not self._runs(), "PostgreSQL answers")
        assert self._runs(), self._log.read_text()

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _answers(self) -> bool:
        ready = [str(self._programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(ready, timeout=DEADLINE_S).returncode == 0

    def stop(self) -> None:
        """Ends it at once, without a word to its clients."""
        assert self._process is not None
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(DEADLINE_S)

    def freeze(self) -> None:
        """It answers nobody, and closes no connection: as on a disk that hangs."""
        self._signal_all("STOP")

    def thaw(self) -> None:
        """It goes on from there."""
        self._signal_all("CONT")

    def _signal_all(self, name: str) -> None:
        assert self._process is not None
        pid = str(self._process.pid)
        subprocess.run(["pkill", f"-{name}", "-P", pid], timeout=DEADLINE_S)
        subprocess.run(["kill", f"-{name}", pid], check=True, timeout=DEADLINE_S)

    def url(self, database: str) -> str:
        """As it would be written into the settings."""
        return f"postgresql://inspector:{self._password}@127.0.0.1:{self.port}/{database}"

    def create_database(self, *, like: str | None = None, encoding: str = "UTF8") -> str:
        """An empty database, or a copy of another one by name; returns its URL."""
        name = f"test{next(self._numbers)}"
        engine = create_engine(self.url("postgres").replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
        try:
            with engine.connect() as connection:
                connection.execute(text(f"CREATE DATABASE {name} ENCODING {encoding} TEMPLATE {like or 'template0'}"))
        finally:
            engine.dispose()
        return self.url(name)

    @cached_property
    def migrated(self) -> str:
        """The name of a database with the newest tables, for copies of it."""
        url = self.create_database()
        with open_database(url):
            pass
        return url.rpartition("/")[2]


@contextmanager
def running_postgres(programs: Path) -> Iterator[Postgres]:
    """A server until the end of the block."""
    with tempfile.TemporaryDirectory(prefix="inspector-postgres-") as name:
        folder = Path(name)
        server = Postgres(folder, programs)
        server.initialise(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
