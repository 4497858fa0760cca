"""What the daemon does for those who review: pictures, a sample, counts, retention; on a real line."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import faulty_daemon
import numpy as np
import pytest
from line import CAM1, Camera, Daemon, Plc, agrees, drawn_part, frame
from reviewing import verdict
from services import Mosquitto, wait_until
from sqlalchemy import Engine

from inspector.demo.port import free_port
from inspector.exchange import exchange
from inspector.frame import decode
from inspector.store import Ledger, NewestPictures, QueueFilter, ReviewQueue, Reviews, open_database


@contextmanager
def beside(daemon: Daemon) -> Iterator[Engine]:
    """The daemon's own database, opened by another process: as the review page does."""
    with open_database(f"sqlite:///{daemon.folder}/data/ledger.sqlite3") as engine:
        yield engine


def picture(daemon: Daemon, sha256: str, suffix: str) -> bytes:
    return (daemon.folder / "data" / "frames" / sha256[:2] / f"{sha256}.{suffix}").read_bytes()


def test_what_is_flagged_or_drawn_waits_with_its_picture(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.settings["review"] = {"sample_rate": 0.0}
    daemon.start()
    scratched = frame(3, payload=drawn_part(3, scratched=True))
    camera.send(*(frame(i) for i in range(3)), scratched)
    wait_until(lambda: len(plc.answered()) == 4, "four verdicts")
    wait_until(lambda: daemon.metric("inspector_review_backlog", station=str(CAM1)) == 1, "the backlog is told")
    with beside(daemon) as engine:
        (row,) = ReviewQueue(engine).page(QueueFilter()).rows
        assert (row.frame_id, row.decision, row.sampled, row.image) == ("f-3", "ng", False, "png")
        assert row.score_ratio is not None
        assert row.score_ratio > 1
        assert picture(daemon, row.sha256, "png") == scratched.payload
        Reviews(engine).dispose(row.id, to="defect", defect_type="scratch", reviewer="ann", version=0)
        said = {"station": str(CAM1), "outcome": "defect"}
        wait_until(lambda: daemon.metric("inspector_reviews_total", **said) == 1, "what was said is counted")
        wait_until(lambda: daemon.metric("inspector_review_backlog") == 0, "and waits no longer, from the next look on")
        daemon.terminate()
        daemon.settings["review"] = {"sample_rate": 1.0}
        daemon.start()
        camera.send(frame(4))
        wait_until(lambda: len(plc.answered()) == 5, "the fifth verdict")
        (row,) = ReviewQueue(engine).page(QueueFilter()).rows
        assert (row.frame_id, row.decision, row.sampled) == ("f-4", "ok", True)
        assert hashlib.sha256(picture(daemon, row.sha256, "png")).hexdigest() == row.sha256
    assert daemon.metric("inspector_archive_failures_total") == 0


@pytest.mark.faults
def test_kill_9_loses_neither_picture_nor_disposition(
    mosquitto: Mosquitto, bank: Path, plc: Plc, tmp_path: Path
) -> None:
    published = 90
    said: dict[int, str] = {}
    with (
        Daemon(tmp_path, port=mosquitto.port, bank=bank, program=(faulty_daemon.__file__,)) as faulty,
        Camera(mosquitto.port) as camera,
    ):
        faulty.settings["review"] = {"sample_rate": 1.0}
        faulty.start(INSPECT_S="0.02")
        sending = threading.Thread(target=lambda: camera.send(*(frame(i) for i in range(published))))
        sending.start()
        with beside(faulty) as engine:
            queue, reviews = ReviewQueue(engine), Reviews(engine)
            for until in (10, 30, 50):
                wait_until(lambda until=until: len(plc.answered()) >= until, f"{until} verdicts")  # type: ignore[misc]
                for row in queue.page(QueueFilter(order="newest"), limit=5).rows:
                    reviews.dispose(row.id, to="unsure", reviewer="ann", version=row.version)
                    said[row.id] = row.frame_id
                faulty.kill()
                faulty.start(ready=False, INSPECT_S="0.02")
            sending.join()
            wait_until(lambda: len(plc.answered()) == published, "a verdict for each frame")
            wait_until(lambda: faulty.rows("SELECT count(*) FROM frames") == [(published,)], "each in the ledger")
            rows = queue.page(QueueFilter(state="all"), limit=2 * published).rows
    assert sorted(row.frame_id for row in rows) == sorted(f"f-{i}" for i in range(published))
    for row in rows:
        assert row.image is not None
        assert hashlib.sha256(picture(faulty, row.sha256, row.image)).hexdigest() == row.sha256
    assert {row.id: row.frame_id for row in rows if row.disposition == "unsure"} == said


@pytest.mark.faults
def test_a_picture_that_cannot_be_kept_is_told_and_the_line_goes_on(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    (daemon.folder / "data").mkdir()
    in_the_way = daemon.folder / "data" / "frames"
    in_the_way.write_text("no folder")
    daemon.start()
    camera.send(frame(0, payload=drawn_part(0, scratched=True)))
    wait_until(lambda: plc.documents("verdict"), "the verdict")
    assert plc.documents("verdict")[0]["decision"] == "ng"
    wait_until(lambda: daemon.metric("inspector_archive_failures_total", station=str(CAM1)) == 1, "it is counted")
    assert daemon.ready()
    assert '"archive": "archive ' in daemon.get("/readyz")[1]
    assert daemon.rows("SELECT queued, image FROM frames") == [(1, None)]
    in_the_way.unlink()
    camera.send(frame(1, payload=drawn_part(1, scratched=True)))
    wait_until(lambda: len(plc.answered()) == 2, "the next verdict")
    assert daemon.rows("SELECT image FROM frames WHERE frame_id = 'f-1'") == [("png",)]
    assert '"warnings": {}' in daemon.get("/readyz")[1]
    agrees(daemon)


@pytest.mark.faults
def test_a_page_that_cannot_start_is_a_warning_until_it_can(daemon: Daemon) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port()))
        taken.listen()
        daemon.settings["review"] = {"enabled": True, "port": taken.getsockname()[1]}
        daemon.start()
        wait_until(lambda: '"review": "its process ended with' in daemon.get("/readyz")[1], "it is told")
        assert daemon.ready()
    wait_until(lambda: '"warnings": {}' in daemon.get("/readyz")[1], "all is well again", deadline_s=120)


def test_what_has_had_its_time_goes_while_the_line_runs(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=10)
    (daemon.folder / "data").mkdir()
    with beside(daemon) as engine:
        old = {"received_at": long_ago, "decided_at": long_ago, "document": None, "topic": None}
        today = {**old, "received_at": datetime.now(UTC) - timedelta(hours=2), "decided_at": datetime.now(UTC)}
        before = [verdict(i, "ok", **old) for i in range(2000)] + [verdict(3000, **old)]
        Ledger(engine).commit([*before, verdict(3001, "ok", **today)])
        (row,) = ReviewQueue(engine).page(QueueFilter()).rows
        Reviews(engine).dispose(row.id, to="defect", reviewer="ann", version=0)
    daemon.settings["retention"] = {"records_days": 5}
    daemon.start()
    camera.send(*(frame(i) for i in range(20)))
    wait_until(lambda: len(plc.answered()) == 20, "the line runs")
    wait_until(
        lambda: daemon.metric("inspector_retention_removed_total", kind="records") == 2000, "what is old is gone"
    )
    left = {name for (name,) in daemon.rows("SELECT frame_id FROM frames")}
    assert left == {"f3000", "f3001", *(f"f-{i}" for i in range(20))}


def test_what_a_station_sees_is_drawn_while_somebody_looks(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    pictures, numbers = NewestPictures(daemon.folder / "data"), count(1)
    folder = daemon.folder / "data" / "newest" / "plant"

    def warned() -> bool:
        pictures.ask()  # whoever looks goes on looking
        camera.send(frame(next(numbers)))
        state = json.loads(daemon.get("/readyz")[1])
        assert state["ready"]
        return "pictures of the line" in state["warnings"]

    camera.send(frame(0))
    wait_until(lambda: len(plc.answered()) == 1, "the verdict")
    assert not folder.parent.exists()
    wait_until(lambda: not warned() and pictures.read(str(CAM1)), "a picture of the line")
    shown = decode(pictures.read(str(CAM1)) or b"").pixels
    assert np.abs(shown.astype(int) - decode(drawn_part(1)).pixels).mean() < 6
    aside = daemon.folder / "aside"
    aside.write_bytes(b"in the way")
    exchange(aside, folder)  # in one step: the daemon may be about to draw
    wait_until(warned, "that pictures cannot be written is told")
    folder.unlink()
    wait_until(lambda: not warned() and pictures.read(str(CAM1)), "all is well again")
    sent = next(numbers)
    wait_until(lambda: len(plc.answered()) == sent, "each frame has its verdict")
