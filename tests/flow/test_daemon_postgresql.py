"""The daemon with its ledger in a real PostgreSQL: the good days, kill -9, and a server that goes and comes back."""

import os
import re
import select
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import faulty_daemon
import pytest
from line import Camera, Daemon, Plc, agrees, drawn_part, frame
from postgres import Postgres, postgres_folder
from services import DEADLINE_S, Mosquitto, wait_until
from sqlalchemy import Engine, text

from inspector.store import Outbox, QueueFilter, ReviewQueue, open_database

pytestmark = pytest.mark.faults

DEPLOYMENT = Path(__file__).parent.parent.parent / "docs" / "deployment.md"


class _Daemon(Daemon):
    database_engine: Engine

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.database_engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]


@pytest.fixture
def daemon(mosquitto: Mosquitto, bank: Path, postgres: Postgres, tmp_path: Path) -> Iterator[_Daemon]:
    """Slow on demand, and with a database of its own on the server."""
    with (
        open_database(postgres.create_database()) as engine,
        _Daemon(tmp_path, port=mosquitto.port, bank=bank, program=(faulty_daemon.__file__,)) as process,
    ):
        process.database_engine = engine
        process.settings["database"] = engine.url.render_as_string(hide_password=False)
        yield process


def test_every_frame_has_one_verdict_and_flagged_ones_wait(daemon: _Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(*(frame(i) for i in range(20)), frame(20, payload=drawn_part(20, scratched=True)))
    camera.send(frame(21, payload=b"no picture"))
    wait_until(lambda: len(plc.answered()) == 22, "an answer to each")
    wait_until(lambda: Outbox(daemon.database_engine).depth() == 0, "the outbox is empty")
    agrees(daemon)
    (row,) = ReviewQueue(daemon.database_engine).page(QueueFilter(decision="ng")).rows
    assert (row.frame_id, row.image) == ("f-20", "png")
    assert daemon.terminate() == 0
    assert not (daemon.folder / "data" / "ledger.sqlite3").exists()


def test_kill_9_and_a_server_that_goes_lose_and_double_nothing(
    daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera
) -> None:
    published = 80
    daemon.start(INSPECT_S="0.03")
    sending = threading.Thread(target=lambda: camera.send(*(frame(i) for i in range(published))))
    sending.start()
    wait_until(lambda: len(plc.answered()) >= 10, "10 verdicts")
    daemon.kill()
    daemon.start(INSPECT_S="0.03")
    wait_until(lambda: len(plc.answered()) >= 25, "25 verdicts")
    postgres.stop()
    try:
        wait_until(lambda: "ledger" in daemon.faults(), "the daemon tells that its ledger is away")
        assert daemon.get("/healthz")[0] == 200
    finally:
        postgres.start()
    sending.join()
    wait_until(lambda: len(plc.answered()) == published, "a verdict for each frame")
    wait_until(daemon.ready, "ready again")
    wait_until(lambda: Outbox(daemon.database_engine).depth() == 0, "the outbox is empty")
    verdicts = daemon.rows("SELECT frame_id, count(*) FROM frames WHERE outcome = 'verdict' GROUP BY frame_id")
    assert sorted(verdicts) == sorted((f"f-{i}", 1) for i in range(published))
    assert len({(d["frame_id"], d["result_id"]) for d in plc.documents("verdict")}) == published


def test_a_server_that_hangs_is_told_and_holds_up_no_end(
    daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera
) -> None:
    """A hanging server raises no error: only that a commit does not come back tells of it."""
    daemon.start()
    camera.send(frame(0))
    wait_until(lambda: len(plc.answered()) == 1, "a verdict")
    postgres.freeze()
    try:
        camera.send(frame(1))
        wait_until(lambda: "has been on its way" in daemon.faults().get("commit", ""), "the hanging commit is told")
        assert daemon.get("/readyz")[0] == 503
        assert daemon.get("/healthz")[0] == 200
        begin = time.monotonic()
        assert daemon.terminate() == 0
        assert time.monotonic() - begin < 30  # what supervisors wait for
        assert daemon.logged("left unwritten")
    finally:
        postgres.thaw()
    daemon.start()
    wait_until(lambda: len(plc.answered()) == 2, "the other verdict")
    assert daemon.faults() == {}


def test_a_ledger_is_backed_up_and_restored_as_the_deployment_says(
    daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera
) -> None:
    url = daemon.database_engine.url
    blocks = re.findall(r"^```sh\n(.*?)^```$", DEPLOYMENT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (backup,) = (block for block in blocks if "pg_dump" in block)
    (restore,) = (block for block in blocks if "pg_restore" in block)
    assert [line.split()[1] for line in restore.splitlines() if line.startswith("systemctl")] == ["stop", "start"]

    def typed(block: str) -> None:
        """On this server, in this database, by the role that the tests have."""
        lines = [line for line in block.splitlines() if not line.startswith("systemctl")]
        script = re.sub(r"\$\(date \+%F\)|\d{4}-\d\d-\d\d", "today", "\n".join(("set -eu", *lines)))
        script = re.sub(r"(?<!--owner )\binspector\b", str(url.database), script)
        programs = f"{postgres_folder()}:{os.environ['PATH']}"
        there = {"PGHOST": "127.0.0.1", "PGPORT": str(postgres.port)}
        role = {"PGUSER": str(url.username), "PGPASSWORD": str(url.password)}
        environment = {**os.environ, "PATH": programs, **there, **role}
        subprocess.run(["bash", "-c", script], check=True, timeout=DEADLINE_S, cwd=daemon.folder, env=environment)

    daemon.start()
    camera.send(frame(0), frame(1))
    wait_until(lambda: len(plc.answered()) == 2, "two verdicts")
    typed(backup)
    camera.send(frame(2))
    wait_until(lambda: len(plc.answered()) == 3, "the third verdict")
    assert daemon.terminate() == 0
    daemon.database_engine.dispose()
    typed(restore)
    assert sorted(daemon.rows("SELECT frame_id FROM frames")) == [("f-0",), ("f-1",)]
    daemon.start()
    camera.send(frame(3))
    wait_until(lambda: len(plc.answered()) == 4, "the line goes on")
    assert sorted(daemon.rows("SELECT frame_id FROM frames")) == [("f-0",), ("f-1",), ("f-3",)]


def test_a_table_that_somebody_else_has_locked_is_told(daemon: _Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    with daemon.database_engine.connect() as other:
        other.execute(text("LOCK TABLE frames IN ACCESS EXCLUSIVE MODE"))
        camera.send(frame(0))
        wait_until(lambda: "lock timeout" in daemon.faults().get("ledger", ""), "the lock is told")
        assert daemon.get("/readyz")[0] == 503
        other.rollback()
    wait_until(lambda: len(plc.answered()) == 1, "a verdict")
    wait_until(daemon.ready, "ready again")


def test_a_second_daemon_is_refused_also_after_the_server_was_away(
    daemon: _Daemon, postgres: Postgres, mosquitto: Mosquitto, bank: Path, plc: Plc, camera: Camera
) -> None:
    daemon.start()
    folder = daemon.folder / "second"
    folder.mkdir()
    with Daemon(folder, port=mosquitto.port, bank=bank) as second:
        second.settings["database"] = daemon.settings["database"]
        for round_ in range(2):
            second.start(ready=False)
            assert second.wait() == 1
            assert second.log.read_text().count("is used by another daemon, expected a database for each") > round_
            camera.send(frame(round_))
            wait_until(lambda: len(plc.answered()) > round_, "a verdict")  # noqa: B023 (called at once)
            if round_ == 0:
                postgres.stop()
                postgres.start()
                wait_until(lambda: daemon.logged("database lock taken again"), "the lock is taken again")
    wait_until(daemon.ready, "ready")
    assert daemon.terminate() == 0


class _CutsAfterCommit:
    """A way to the server that lets one commit of frames through, and not its answer."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.armed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        wrote = False
        with client, socket.create_connection(("127.0.0.1", self._server)) as server, suppress(OSError):
            while True:
                for end in select.select([client, server], [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    (server if end is client else client).sendall(data)
                    if end is client:
                        wrote = wrote or b"INSERT INTO frames" in data or b"UPDATE frames" in data
                        if wrote and b"COMMIT" in data:
                            if self.armed.is_set():
                                self.armed.clear()
                                server.recv(65536)  # it has committed, and says so to nobody
                                return
                            wrote = False  # the next one may only take messages out of the outbox


@contextmanager
def answer_lost(daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera, number: int) -> Iterator[None]:
    """The line has decided frame 1; of what it commits for this frame the answer is lost."""
    with _CutsAfterCommit(postgres.port) as way:
        daemon.settings["database"] = daemon.settings["database"].replace(f":{postgres.port}/", f":{way.port}/")
        daemon.start()
        camera.send(frame(1))
        wait_until(lambda: plc.answered() == {"f-1": 1}, "the first verdict")
        way.armed.set()
        camera.send(frame(number))
        wait_until(lambda: not way.armed.is_set(), "the connection is cut")
        yield


def test_a_commit_whose_answer_is_lost_is_published_and_counted_once(
    daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera
) -> None:
    with answer_lost(daemon, postgres, plc, camera, 2):
        camera.send(*(frame(i) for i in range(3, 9)))
        wait_until(lambda: plc.answered() == {f"f-{i}": 1 for i in range(1, 9)}, "every frame has its verdict")
        wait_until(lambda: Outbox(daemon.database_engine).depth() == 0, "the outbox is empty")
        agrees(daemon)
        wait_until(lambda: daemon.metric("inspector_outbox_depth") == 0, "the gauge says so")
        assert daemon.metric("inspector_verdicts_total") == 8
        assert daemon.rows("SELECT sum(duplicates) FROM frames") == [(0,)]


def test_a_frame_that_comes_again_is_counted_once_where_the_answer_is_lost(
    daemon: _Daemon, postgres: Postgres, plc: Plc, camera: Camera
) -> None:
    with answer_lost(daemon, postgres, plc, camera, 1):
        camera.send(frame(2))
        wait_until(lambda: plc.answered() == {"f-1": 1, "f-2": 1}, "the line goes on")
        agrees(daemon)
        assert daemon.rows("SELECT sum(duplicates) FROM frames") == [(1,)]
