"""Check parts on a real line: they are inspected and answered as any, recorded as checks, and counted as such."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import faulty_daemon
import httpx
import pytest
from click.testing import CliRunner
from line import CAM1, Camera, Daemon, Plc, agrees, drawn_part, frame
from services import Mosquitto, listening, wait_until

from inspector.cli.camera import camera as command
from inspector.contract import station_topic
from inspector.demo.port import free_port
from inspector.samples.collect import CollectOptions, collect
from inspector.settings import BrokerSettings
from inspector.store import Accounts, Role, Sessions, open_database
from inspector.types import Expected

GOOD, SCRATCHED = drawn_part(1), drawn_part(2, scratched=True)


def checks(daemon: Daemon, expected: str, result: str) -> float:
    return daemon.metric("inspector_checks_total", station=str(CAM1), expected=expected, result=result)


def published(port: int, source: Path, *options: str) -> None:
    """What `inspector camera` does with these options."""
    arguments: Sequence[str] = (str(source), "--station", str(CAM1), "--broker", f"127.0.0.1:{port}", *options)
    done = CliRunner().invoke(command, [*arguments, "--json"])
    assert done.exit_code == 0, done.output


@contextmanager
def logged_in(daemon: Daemon) -> Iterator[httpx.Client]:
    """The daemon's review page, for an engineer."""
    with open_database(f"sqlite:///{daemon.folder}/data/ledger.sqlite3") as engine:
        Accounts(engine).create("emil", "correct horse battery", Role.ENGINEER, by="ada")
        code = Sessions(engine).begin_link("emil", 1, by="ada")
    url = f"http://127.0.0.1:{daemon.settings['review']['port']}"
    with httpx.Client(base_url=url, headers={"accept": "text/html"}, timeout=30) as client:
        assert client.get("/enter", params={"code": code}).status_code == 303
        yield client


def test_check_parts_prove_the_station_and_are_no_production(
    mosquitto: Mosquitto, daemon: Daemon, plc: Plc, tmp_path: Path
) -> None:
    parts = tmp_path / "parts"
    for name, picture in {"good": GOOD, "scratched": SCRATCHED}.items():
        (parts / name).mkdir(parents=True)
        (parts / name / "part.png").write_bytes(picture)
    daemon.settings["review"] = {"enabled": True, "port": free_port(), "sample_rate": 1.0}
    daemon.start()
    published(mosquitto.port, parts / "good", "--expected", "ok")
    published(mosquitto.port, parts / "scratched", "--expected", "ng", "--lot", "masters")
    published(mosquitto.port, parts / "good", "--expected", "ng")
    wait_until(lambda: len(plc.documents("verdict")) == 3, "three verdicts")
    assert [(v["decision"], v["check"]) for v in plc.documents("verdict")] == [
        ("ok", {"expected": "ok", "passed": True}),
        ("ng", {"expected": "ng", "passed": True}),
        ("ok", {"expected": "ng", "passed": False}),
    ]
    assert {v["seq"] for v in plc.documents("verdict")} == {None}, "the production camera counts"
    assert daemon.rows("SELECT outcome, word, queued, image FROM frames ORDER BY id") == [
        ("check", "ok", 0, None),
        ("check", "ng", 0, None),
        ("check", "ok", 0, None),
    ]

    def last(result: str) -> float:
        return daemon.metric("inspector_check_timestamp_seconds", station=str(CAM1), result=result)

    wait_until(lambda: last("failed") > 0, "the failed check is counted, and when it was is told")
    assert checks(daemon, "ng", "failed") == 1
    assert (checks(daemon, "ok", "passed"), checks(daemon, "ok", "failed"), checks(daemon, "ng", "passed")) == (1, 0, 1)
    assert 0 < last("passed") < last("failed")
    assert daemon.metric("inspector_score_ratio_count") == 0
    assert daemon.metric("inspector_review_backlog") == 0
    agrees(daemon)
    wait_until(lambda: not daemon.rows("SELECT * FROM outbox"), "the outbox is empty")
    assert not list((daemon.folder / "data" / "frames").rglob("*.png"))
    wait_until(lambda: listening(daemon.settings["review"]["port"]), "the review page listens")
    with logged_in(daemon) as page:
        assert page.get("/api/v1/figures").json()["outcomes"] == {
            "ok": 0,
            "uncertain": 0,
            "ng": 0,
            "error": 0,
            "drop": 0,
        }
        assert page.get("/api/v1/frames", params={"state": "all"}).json()["frames"] == []
        found = page.get("/api/v1/checks").json()
        assert [(one["part_id"], one["passed"]) for one in found["checks"]] == [
            ("part.png", False),
            ("part.png", True),
            ("part.png", True),
        ]
        assert "2 of 3 as expected" in page.get("/checks").text
        assert "check failed" in page.get("/line").text


def test_a_watched_folder_may_be_one_of_check_parts(
    mosquitto: Mosquitto, daemon: Daemon, plc: Plc, tmp_path: Path
) -> None:
    folder = tmp_path / "challenge"
    folder.mkdir()
    (folder / "part.png").write_bytes(SCRATCHED)
    daemon.start()
    published(mosquitto.port, folder, "--expected", "ng", "--watch", "--count", "1")
    wait_until(lambda: plc.documents("verdict"), "the verdict")
    assert plc.documents("verdict")[0]["check"] == {"expected": "ng", "passed": True}


def test_a_check_part_that_cannot_be_inspected_has_failed(daemon: Daemon, plc: Plc, camera: Camera) -> None:
    daemon.start()
    camera.send(frame(1, payload=b"no picture", expected=Expected.NG))
    nameless = [("expected", "ok")]
    camera.send_raw(station_topic(CAM1, "frame"), GOOD, nameless)
    camera.send_raw(station_topic(CAM1, "frame"), GOOD, [("frame_id", "f-3"), ("expected", "good")])
    wait_until(lambda: len(plc.documents("error")) == 3, "three errors")
    assert [error["expected"] for error in plc.documents("error")] == ["ng", "ok", None]
    assert "expected: got 'good'" in plc.documents("error")[2]["message"]
    wait_until(lambda: checks(daemon, "ok", "failed") == 1, "both are counted")
    assert (checks(daemon, "ng", "failed"), checks(daemon, "ok", "passed"), checks(daemon, "ng", "passed")) == (1, 0, 0)
    assert daemon.rows("SELECT DISTINCT outcome FROM frames") == [("error",)]
    agrees(daemon)


def test_a_gateway_without_properties_says_it_in_the_envelope(mosquitto: Mosquitto, daemon: Daemon, plc: Plc) -> None:
    daemon.start()
    with Camera(mosquitto.port, version="3.1.1") as gateway:
        gateway.send(frame(1, payload=SCRATCHED, expected=Expected.NG))
    wait_until(lambda: plc.documents("verdict"), "the verdict")
    assert plc.documents("verdict")[0]["check"] == {"expected": "ng", "passed": True}


@pytest.mark.faults
def test_kill_9_leaves_exactly_one_verdict_for_each_check(
    mosquitto: Mosquitto, bank: Path, plc: Plc, camera: Camera, tmp_path: Path
) -> None:
    count, slow = 60, {"INSPECT_S": "0.03"}
    with Daemon(tmp_path, port=mosquitto.port, bank=bank, program=(faulty_daemon.__file__,)) as faulty:
        faulty.start(**slow)
        parts = [frame(i, expected=(Expected.NG, None)[i % 2]) for i in range(count)]
        sending = threading.Thread(target=lambda: camera.send(*parts))
        sending.start()
        for until in (5, 25):
            wait_until(lambda until=until: len(plc.answered()) >= until, f"{until} verdicts")  # type: ignore[misc]
            faulty.kill()
            faulty.start(ready=False, **slow)
        sending.join()
        wait_until(lambda: len(plc.answered()) == count, "a verdict for each frame")
        wait_until(lambda: faulty.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
        written = faulty.rows("SELECT frame_id, outcome, count(*) FROM frames GROUP BY frame_id, outcome")
    assert sorted(written) == sorted((f"f-{i}", ("check", "verdict")[i % 2], 1) for i in range(count))
    assert len({(one["frame_id"], one["result_id"]) for one in plc.documents("verdict")}) == count


def test_a_check_part_is_no_sample(mosquitto: Mosquitto, tmp_path: Path) -> None:
    folder = tmp_path / "good"
    options = CollectOptions(CAM1, folder, BrokerSettings(port=mosquitto.port), count=2)
    with Camera(mosquitto.port) as line:
        subscribed = threading.Event()
        sending = threading.Thread(
            target=lambda: (
                subscribed.wait(60),
                line.send(frame(1), frame(2, payload=SCRATCHED, expected=Expected.NG), frame(3)),
            )
        )
        sending.start()
        collected = collect(options, on_tally=lambda _tally, _next: subscribed.set())
        sending.join()
    assert collected.taken == 2
    assert SCRATCHED not in [path.read_bytes() for path in folder.iterdir()]


def test_what_is_expected_is_ok_or_ng() -> None:
    done = CliRunner().invoke(command, ["synthetic", "--station", str(CAM1), "--expected", "bad"])
    assert done.exit_code == 2
    assert "'ok', 'ng'" in done.output
