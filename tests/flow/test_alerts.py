"""The shipped rules and dashboards at a real Prometheus that scrapes the real daemon: each fault is provoked and seen.

The rules are those of the plant with shorter times: what takes minutes there takes a second here, a week twelve. That
they fire at the right length is tested by promtool (configs/prometheus/tests).
"""

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import faulty_daemon
import pytest
from banks import copy_of
from line import CAM1, CAM2, Camera, Daemon, changed, drawn_part, frame
from prometheus import Prometheus
from services import DEADLINE_S, Mosquitto, wait_until

from calibration.calibrate import Options, calibrate
from inspector import contract
from inspector.banks.shelf import Shelf
from inspector.recipe import Recipe
from inspector.types import Expected, StationId

ROOT = Path(__file__).parent.parent.parent
DASHBOARDS = ROOT / "configs" / "grafana" / "dashboards"

NOT_HERE = {"ALERTS": "is empty while all is well"}
"""What a query reads that has no data here, and why."""

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed: apt-get install prometheus, or make setup"
)


@pytest.fixture
def watched(mosquitto: Mosquitto, bank: Path, tmp_path: Path) -> Iterator[Daemon]:
    """The daemon with two stations, and a pipeline that can be slow; not yet started."""
    with Daemon(tmp_path, port=mosquitto.port, bank=bank, program=(faulty_daemon.__file__,)) as process:
        process.settings["stations"] = [
            {"id": str(CAM1), "bank": str(bank), "queue": {"policy": "every_frame", "capacity": 40}},
            {"id": str(CAM2), "bank": str(bank), "queue": {"policy": "freshest", "capacity": 1}},
        ]
        yield process


@pytest.fixture
def prometheus(watched: Daemon, tmp_path: Path) -> Iterator[Prometheus]:
    """Its last twentieth of a disk is here half of what this machine's has free, which may be less."""
    disk = shutil.disk_usage(tmp_path)
    almost = {"inspector_disk_size_bytes < 0.05": f"inspector_disk_size_bytes < {disk.free / disk.total / 2}"}
    server = Prometheus(tmp_path / "prometheus", target=watched.http, also=almost)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def flow(camera: Camera) -> Callable[[int, int], None]:
    """Sends good frames of both stations, from one sequence number to another."""

    def send(first: int, end: int) -> None:
        for seq in range(first, end):
            camera.send(frame(seq), frame(seq, station=CAM2, prefix="g"))
            time.sleep(0.05)

    return send


def test_all_is_quiet_when_all_is_well_and_every_panel_has_data(
    watched: Daemon, prometheus: Prometheus, flow: Callable[[int, int], None]
) -> None:
    watched.start()
    flow(1, 100)
    prometheus.wait_for_data("inspector:not_ok_ratio:baseline7d")
    flow(100, 170)
    assert {name for name, _ in prometheus.firing()} <= {"InspectorLatencyAboveTakt"}, "only a busy machine may be slow"
    for where, expr in queries():
        wait_until(lambda expr=expr: excused(expr) or prometheus.query(expr), f"data of {where}: {expr}")  # type: ignore[misc]
    assert prometheus.sick_rules() == []
    exposed = watched.get("/metrics")[1].encode()
    checked = subprocess.run(["promtool", "check", "metrics"], input=exposed, capture_output=True, timeout=100)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def queries() -> list[tuple[str, str]]:
    """Each query of each dashboard, with its variables filled in as Grafana would."""
    filled = {
        "$__rate_interval": "5s",
        "$station": str(CAM1),
        "$line": str(CAM1).rpartition("/")[0],
    }
    found = []
    for path in sorted(DASHBOARDS.glob("*.json")):
        board = json.loads(path.read_text())
        asked = [(p["title"], target["expr"]) for p in board["panels"] for target in p["targets"]]
        asked += [(note["name"], note["expr"]) for note in board["annotations"]["list"][1:]]
        for title, expr in asked:
            for variable, value in filled.items():
                expr = expr.replace(variable, value)
            assert "$" not in expr
            found.append((f"{path.stem}: {title}", expr))
    return found


def excused(expr: str) -> bool:
    return any(name in expr for name in NOT_HERE)


@pytest.mark.faults
def test_a_silent_camera_a_broker_that_is_away_and_a_daemon_that_is(
    watched: Daemon, prometheus: Prometheus, mosquitto: Mosquitto, camera: Camera
) -> None:
    watched.start()
    camera.send(frame(1))
    prometheus.wait_for("InspectorCameraSilent", CAM1)
    prometheus.wait_for("InspectorCameraNeverSeen", CAM2)
    camera.send(frame(2, station=CAM2))
    prometheus.wait_for_end("InspectorCameraNeverSeen")

    mosquitto.stop()
    prometheus.wait_for("InspectorBrokerAway")
    prometheus.wait_for_end("InspectorCameraSilent")
    mosquitto.start()
    prometheus.wait_for_end("InspectorBrokerAway")

    watched.kill()
    prometheus.wait_for("InspectorDown")
    watched.start()
    prometheus.wait_for_end("InspectorDown")
    prometheus.wait_for("InspectorCameraSilent", CAM1)
    for _ in range(3):
        watched.kill()
        watched.start()
        prometheus.wait_for_data('up{job="inspector"} == 1')
    prometheus.wait_for("InspectorRestarting")


def test_frames_that_are_lost_unreadable_retained_strange_or_from_the_future(
    watched: Daemon, prometheus: Prometheus, camera: Camera, flow: Callable[[int, int], None]
) -> None:
    stranger = StationId.parse("plant/hall1/line1/nobody")
    camera.send_raw(contract.station_topic(CAM1, "frame"), drawn_part(0), [("frame_id", "old")], retain=True)
    watched.start()
    prometheus.wait_for_data("inspector_frames_received_total")
    prometheus.wait_for("InspectorFramesDropped", CAM1)
    flow(1, 10)
    camera.send(frame(20))
    prometheus.wait_for("InspectorFramesMissing", CAM1)
    camera.send(*(frame(21 + i, payload=b"no picture %d" % i) for i in range(5)))
    prometheus.wait_for("InspectorFramesUnreadable", CAM1)
    prometheus.wait_for("InspectorFramesMostlyUnreadable", CAM1)
    camera.send(frame(1, station=stranger))
    prometheus.wait_for("InspectorUnknownStation", "_unknown")
    camera.send(frame(30, captured_at=datetime.now(UTC) + timedelta(minutes=5)))
    prometheus.wait_for("InspectorClockAhead", CAM1)
    flow(31, 40)
    for alert in ("InspectorFramesMissing", "InspectorFramesUnreadable", "InspectorClockAhead"):
        prometheus.wait_for_end(alert)


def test_a_check_part_that_was_not_told_for_what_it_is(watched: Daemon, prometheus: Prometheus, camera: Camera) -> None:
    scratched = drawn_part(2, scratched=True)
    watched.start()
    camera.send(frame(1, payload=scratched, expected=Expected.NG), frame(2, expected=Expected.OK))
    prometheus.wait_for_data('inspector_check_timestamp_seconds{result="passed"} > 0')
    assert "InspectorCheckFailed" not in {name for name, _ in prometheus.firing()}
    camera.send(frame(3, expected=Expected.NG), frame(4, payload=scratched, expected=Expected.NG))
    prometheus.wait_for("InspectorCheckFailed", CAM1)
    time.sleep(11)  # ten minutes, as short as they are here
    camera.send(frame(5, payload=scratched, expected=Expected.NG))
    prometheus.wait_for_end("InspectorCheckFailed")


@pytest.mark.faults
def test_a_line_that_is_too_fast_and_a_broker_that_takes_nothing_back(
    watched: Daemon, prometheus: Prometheus, mosquitto: Mosquitto, camera: Camera
) -> None:
    watched.start(INSPECT_S="0.3")
    prometheus.wait_for_data("inspector_frames_received_total")
    camera.send(*(frame(i) for i in range(1, 140)), *(frame(i, station=CAM2, prefix="g") for i in range(1, 20)))
    prometheus.wait_for("InspectorQueueNearlyFull", CAM1)
    prometheus.wait_for("InspectorLatencyAboveTakt", CAM1)
    assert not {("InspectorQueueNearlyFull", str(CAM2)), ("InspectorFramesDropped", str(CAM2))} & prometheus.firing()
    mosquitto.stop()
    prometheus.wait_for("InspectorOutboxGrowing")


@pytest.mark.faults
def test_a_disk_that_takes_no_more(watched: Daemon, prometheus: Prometheus, camera: Camera) -> None:
    watched.start()
    camera.send(frame(1))
    wait_until(lambda: watched.rows("SELECT count(*) FROM outbox") == [(0,)], "the outbox is empty")
    prometheus.wait_for_data("inspector_frames_received_total")
    written = max(path.stat().st_size for path in (watched.folder / "data").iterdir() if path.is_file())
    _, hard = resource.prlimit(watched.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(watched.pid, resource.RLIMIT_FSIZE, (written, hard))
    camera.send(*(frame(i) for i in range(2, 60)))
    prometheus.wait_for("InspectorStoreFailing")
    prometheus.wait_for("InspectorStuck", CAM1)
    resource.prlimit(watched.pid, resource.RLIMIT_FSIZE, (hard, hard))
    prometheus.wait_for_end("InspectorStuck")
    prometheus.wait_for_end("InspectorStoreFailing")


def test_another_bank(watched: Daemon, prometheus: Prometheus, bank: Path, tmp_path: Path) -> None:
    recipe = Recipe(name="disc", size_wh=(64, 64), vectors=32)
    calibrate(bank.parent / "good", tmp_path / "other", Options(recipe=recipe, folds=2))
    place = copy_of(bank, tmp_path)
    watched.settings["stations"][0]["bank"] = str(place)
    watched.start()
    prometheus.wait_for_data("inspector_bank_info offset 10s")
    assert prometheus.firing() <= {("InspectorCameraNeverSeen", str(CAM1)), ("InspectorCameraNeverSeen", str(CAM2))}
    Shelf(place).promote(tmp_path / "other", by="emil")
    prometheus.wait_for("InspectorBankChanged", CAM1)
    assert ("InspectorBankChanged", str(CAM2)) not in prometheus.firing()
    prometheus.wait_for_end("InspectorBankChanged")


def test_pictures_that_drift_and_pictures_that_stand_still(
    watched: Daemon, prometheus: Prometheus, camera: Camera
) -> None:
    watched.start()
    camera.send(*(frame(i, payload=changed(i, light=0.965)) for i in range(1, 60)))
    prometheus.wait_for("InspectorPictureDrifting", CAM1)
    camera.send(*(frame(i, payload=changed(i, light=0.6)) for i in range(60, 120)))
    prometheus.wait_for("InspectorPictureShifted", CAM1)
    prometheus.wait_for_end("InspectorPictureDrifting")
    assert {station for name, station in prometheus.firing() if "Picture" in name} == {str(CAM1)}
    camera.send(*(frame(i) for i in range(120, 250)))
    prometheus.wait_for_end("InspectorPictureShifted")
    assert "InspectorCameraFrozen" not in {name for name, _ in prometheus.firing()}
    for seq in range(1, 40):
        camera.send(frame(seq, station=CAM2, payload=drawn_part(0)))
        time.sleep(0.05)
    prometheus.wait_for("InspectorCameraFrozen", CAM2)


def test_reviews_that_wait_pictures_that_are_not_kept_and_a_bank_that_is_refused(
    watched: Daemon, prometheus: Prometheus, camera: Camera, bank: Path, tmp_path: Path
) -> None:
    scratched = [frame(i, payload=drawn_part(i, scratched=True)) for i in range(1, 70)]
    watched.settings["stations"][0]["bank"] = str(copy_of(bank, tmp_path))
    watched.settings["retention"] = {"max_gb": sum(len(part.payload) for part in scratched[:60]) * 1.01e-9}
    watched.start()
    prometheus.wait_for_data("inspector_review_backlog")
    camera.send(*scratched[:60])
    prometheus.wait_for("InspectorReviewBacklog", CAM1)
    prometheus.wait_for("InspectorArchiveFull")
    assert "InspectorArchiveFailing" not in {name for name, _ in prometheus.firing()}
    camera.send(*scratched[60:])
    prometheus.wait_for("InspectorArchiveFailing", CAM1)
    assert watched.ready()

    manifest = tmp_path / "copied" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"seed": 0', '"seed": "none"'))
    prometheus.wait_for("InspectorBankRefused", CAM1)
    camera.send(frame(100))
    wait_until(lambda: watched.metric("inspector_verdicts_total", station=str(CAM1), decision="ok") > 0, "it goes on")


def test_a_station_that_rejects_more_than_ever_and_then_less(
    watched: Daemon, prometheus: Prometheus, camera: Camera
) -> None:
    watched.start()

    def send_until(alert: str, *, bad: Callable[[int], bool], first: int) -> int:
        seq, end = first, time.monotonic() + DEADLINE_S
        while (alert, str(CAM1)) not in prometheus.firing():
            assert time.monotonic() < end, f"{alert} does not fire"
            camera.send(frame(seq, payload=drawn_part(seq, scratched=bad(seq))))
            seq += 1
            time.sleep(0.03)
        return seq

    usual = 0
    end = time.monotonic() + 16
    while time.monotonic() < end:
        usual += 1
        camera.send(frame(usual, payload=drawn_part(usual, scratched=usual % 2 == 0)))
        time.sleep(0.03)
    assert not {name for name, _ in prometheus.firing()} & {"InspectorRejectsAboveUsual", "InspectorRejectsBelowUsual"}
    after = send_until("InspectorRejectsAboveUsual", bad=lambda _: True, first=usual + 1)
    send_until("InspectorRejectsBelowUsual", bad=lambda _: False, first=after)


@pytest.mark.faults
def test_a_disk_that_fills(watched: Daemon, tmp_path: Path) -> None:
    """Its last twentieth is here the last but 200 MB, and six hours are six seconds."""
    (tmp_path / "data").mkdir()
    disk = shutil.disk_usage(tmp_path / "data")
    almost = (disk.free - 200_000_000) / disk.total
    server = Prometheus(
        tmp_path / "prometheus",
        target=watched.http,
        also={
            "inspector_disk_size_bytes < 0.05": f"inspector_disk_size_bytes < {almost}",
            "inspector_disk_size_bytes < 0.5": "inspector_disk_size_bytes < 2",
            "[6h]": "[6s]",
            "offset 3h": "offset 3s",
        },
    )
    server.start()
    ballast = tmp_path / "data" / "ballast"
    try:
        watched.start()
        server.wait_for_data("inspector_disk_free_bytes offset 3s")
        assert "InspectorDiskAlmostFull" not in {name for name, _ in server.firing()}

        def grown(alert: str) -> bool:
            with ballast.open("ab") as file:
                os.posix_fallocate(file.fileno(), ballast.stat().st_size, 20_000_000)
            time.sleep(0.25)
            return (alert, "") in server.firing()

        wait_until(lambda: grown("InspectorDiskFullSoon"), "a disk that will be full")
        wait_until(lambda: grown("InspectorDiskAlmostFull"), "a disk that is as good as full")
    finally:
        ballast.unlink(missing_ok=True)
        server.stop()
