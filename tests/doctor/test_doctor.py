"""`inspector doctor` at real brokers: what is well, and each thing that would go wrong."""

import hashlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from line import CAM1, CAM2, Daemon, Plc
from postgres import Postgres
from reviewing import filled, verdict
from services import Mosquitto, wait_until
from sqlalchemy import text

from inspector.demo.port import free_port
from inspector.store import Archive
from inspector.store.database import open_database

Findings = dict[str, list[dict[str, Any]]]


def doctor(settings: Path, *more: str, code: int = 0) -> Findings:
    command = [sys.executable, "-m", "inspector", "doctor", "-c", str(settings), "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == code, done.stdout + done.stderr
    found: Findings = {}
    for line in done.stdout.splitlines():
        finding = json.loads(line)
        assert set(finding) == {"mark", "what", "got", "expected", "do"}
        assert finding["mark"] == "ok" or (finding["expected"] and finding["do"])
        found.setdefault(finding["what"], []).append(finding)
    return found


def marks(found: Findings) -> dict[str, set[str]]:
    return {what: {finding["mark"] for finding in findings} for what, findings in found.items()}


PLAIN = """listener {port} 127.0.0.1
persistence false
{first}
"""


@pytest.fixture
def broker_with(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """A broker as it comes, with lines of a configuration."""
    started: list[Mosquitto] = []

    def start(*lines: str) -> Mosquitto:
        anonymous = () if any("allow_anonymous" in line for line in lines) else ("allow_anonymous true",)
        user = ("user root",) if os.geteuid() == 0 else ()
        own = PLAIN.replace("{first}", "\n".join((*anonymous, *user, *lines)))
        started.append(Mosquitto(tmp_path / "broker", configuration=own))
        started[-1].start()
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def broker(broker_with: Callable[..., Mosquitto]) -> Mosquitto:
    """One that was set up as ours is."""
    return broker_with("max_queued_messages 20000")


@pytest.fixture
def write(tmp_path: Path, bank: Path) -> Callable[..., Path]:
    def write(port: int, **more: Any) -> Path:
        content = {
            "broker": {"port": port},
            "data_dir": "data",
            "metrics": {"port": free_port()},
            "stations": [{"id": str(CAM1), "bank": str(bank)}],
        }
        path = tmp_path / "inspector.yaml"
        path.write_text(yaml.safe_dump({**content, **more}))
        return path

    return write


def test_all_is_well_at_a_broker_that_was_set_up(broker: Mosquitto, write: Callable[..., Path]) -> None:
    with Plc(broker.port) as plc:
        found = doctor(write(broker.port))
        heard = [topic for topic, _, _ in plc.messages if "_inspector" not in topic]
    assert "fail" not in set().union(*marks(found).values())
    for what in ("broker", "protocol", "subscribing", "publishing", "own place", "queue", "database", "bank", "speed"):
        assert marks(found)[what] == {"ok"}, found[what]
    assert "MQTT 5" in found["protocol"][0]["got"]
    assert heard == [], "nothing is published where a line listens"


def test_it_leaves_nothing_behind(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(free_port(), data_dir="new/data")
    before = set(tmp_path.rglob("*"))
    found = doctor(path, code=1)
    assert set(tmp_path.rglob("*")) == before
    assert "will be made" in found["disk"][0]["got"]
    assert marks(found)["disk speed"] <= {"ok", "warn"}
    (tmp_path / "new").write_text("no folder")
    found = doctor(path, code=1)
    (finding,) = found["disk"]
    assert finding["mark"] == "fail"
    assert "database" not in found, "it cannot be made there"
    assert f"{tmp_path / 'new'} is no folder" in finding["got"]


def test_the_zone_it_tells_is_the_one_by_which_shifts_begin(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(free_port(), data_dir="new/data", review={"enabled": True, "port": free_port()})
    told = {}
    for zone in ("", "Asia/Kolkata", "IST-5:30"):
        monkeypatch.setenv("TZ", zone)
        (told[zone],) = doctor(path, code=1)["time zone"]
    assert (told["Asia/Kolkata"]["mark"], told["Asia/Kolkata"]["got"]) == ("ok", "IST, now +0530")
    assert told["IST-5:30"] == told[""], "it is no name of a zone, so shifts begin by the machine's own"


def test_it_prints_a_line_for_each_thing(broker: Mosquitto, write: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "inspector", "doctor", "-c", str(write(broker.port))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert all(line.split()[0] in ("ok", "warn") for line in lines)
    assert any(line.startswith("ok    protocol           MQTT 5") for line in lines)


def test_a_queue_that_loses_in_silence_is_found(
    broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    broker = broker_with()
    (finding,) = doctor(write(broker.port))["queue"]
    assert finding["mark"] == "warn"
    assert finding["got"].split()[0] in {str(1000 + ahead) for ahead in range(25)}
    assert "max_queued_messages" in finding["do"]


def test_a_broker_without_retained_messages_fails_as_it_takes_no_verdict_of_the_daemon(
    tmp_path: Path, bank: Path, broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    broker = broker_with("retain_available false")
    (finding,) = doctor(write(broker.port), code=1)["retain"]
    assert finding["mark"] == "fail"
    assert "verdicts" in finding["got"]
    assert "retain_available true" in finding["do"]
    with Daemon(tmp_path, port=broker.port, bank=bank) as daemon:
        daemon.start(ready=False)
        wait_until(lambda: "Retain not supported" in daemon.get("/readyz")[1], "the daemon is refused")


def test_a_broker_here_that_may_have_few_connections_is_told(
    broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        broker = broker_with("max_queued_messages 20000")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    (finding,) = doctor(write(broker.port))["connections"]
    assert finding["mark"] == "warn"
    assert "may have 512 files open" in finding["got"]
    assert "LimitNOFILE" in finding["do"]


@pytest.mark.parametrize(("host", "told"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
def test_a_broker_that_is_away_fails_and_the_rest_is_still_looked_at(
    write: Callable[..., Path], host: str, told: str
) -> None:
    port = free_port()
    found = doctor(write(port, broker={"host": host, "port": port}), code=1)
    assert marks(found)["broker"] == {"fail"}
    assert found["broker"][0]["got"].startswith(f"broker {told}:{port}: ")
    assert marks(found)["bank"] == {"ok"}


def test_a_name_that_the_broker_does_not_know_fails(
    tmp_path: Path, broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("")
    broker = broker_with("allow_anonymous false", f"password_file {passwords}")
    (finding,) = doctor(write(broker.port), code=1)["broker"]
    assert "refused: Not authorized" in finding["got"]


def certified(folder: Path, days: int, *, use: str = "serverAuth") -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that is valid for so many days from now, and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    folder.mkdir()
    (folder / "own.cnf").write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={use}\n")
    asked = ("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-keyout", "key.pem", "-out", "asked")
    signed = ("x509", "-req", "-in", "asked", "-signkey", "key.pem", "-extfile", "own.cnf", "-days", str(days))
    for made in (asked, (*signed, "-out", "certificate.pem")):
        subprocess.run(("openssl", *made), cwd=folder, check=True, capture_output=True)
    return folder / "certificate.pem", folder / "key.pem"


@pytest.mark.parametrize(("days", "mark"), [(20, "warn"), (825, "ok")])
def test_a_certificate_that_ends_soon_is_told(
    tmp_path: Path, broker_with: Callable[..., Mosquitto], write: Callable[..., Path], days: int, mark: str
) -> None:
    shown, key = certified(tmp_path / "tls", days)
    broker = broker_with(f"cafile {shown}", f"certfile {shown}", f"keyfile {key}")
    path = write(broker.port, broker={"host": "127.0.0.1", "port": broker.port, "tls": {"ca_file": str(shown)}})
    (finding,) = doctor(path)["certificate"]
    assert finding["mark"] == mark
    assert f"for {days} days" in finding["got"]


@pytest.mark.parametrize(
    ("days", "mark", "told"),
    [(-1, "fail", "was valid until"), (20, "warn", "for 20 days"), (825, "ok", "for 825 days")],
)
def test_the_pages_certificate_and_the_daemons_own_are_watched_too(
    tmp_path: Path, write: Callable[..., Path], days: int, mark: str, told: str
) -> None:
    page, pages_key = certified(tmp_path / "page", days)
    own, own_key = certified(tmp_path / "own", days, use="clientAuth")
    broker = {"port": free_port(), "tls": {"cert_file": str(own), "key_file": str(own_key)}}
    review = {"cert_file": str(page), "key_file": str(pages_key)}
    found = doctor(write(0, broker=broker, review=review), code=1)["certificate"]
    assert [finding["got"].partition(" ")[0] for finding in found] == ["the", "our"]
    assert {finding["mark"] for finding in found} == {mark}
    assert all(told in finding["got"] for finding in found)


def test_a_certificate_with_the_key_of_another_is_found(tmp_path: Path, write: Callable[..., Path]) -> None:
    page, _ = certified(tmp_path / "page", 825)
    _, key = certified(tmp_path / "other", 825)
    (finding,) = doctor(write(free_port(), review={"cert_file": str(page), "key_file": str(key)}), code=1)[
        "certificate"
    ]
    assert finding["mark"] == "fail"
    assert "key values mismatch" in finding["got"]


def test_an_access_list_that_forbids_its_own_place_and_its_verdicts_is_found(
    tmp_path: Path, broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    acl = tmp_path / "acl"
    acl.write_text("topic read inspector/v1/+/+/+/+/frame\n")
    found = doctor(write(broker_with(f"acl_file {acl}").port), "--publish", code=1)
    assert marks(found)["own place"] == {"fail"}
    assert marks(found)["publishing"] == {"fail"}
    assert "verdict" in found["publishing"][0]["got"]


def test_the_shipped_access_list_lets_the_daemon_do_its_work(
    tmp_path: Path, broker_with: Callable[..., Mosquitto], write: Callable[..., Path]
) -> None:
    shipped = Path(__file__).parents[2] / "configs" / "mosquitto.acl"
    acl = tmp_path / "acl"
    acl.write_text(shipped.read_text().replace("user inspector\n", ""))
    found = doctor(write(broker_with(f"acl_file {acl}").port), "--publish")
    assert marks(found)["own place"] == marks(found)["publishing"] == {"ok"}


def test_a_bank_that_is_damaged_and_one_that_is_too_slow_are_found(
    broker: Mosquitto, write: Callable[..., Path], tmp_path: Path, bank: Path
) -> None:
    eight = [{"id": f"plant/hall1/line1/cam{number}", "bank": str(bank)} for number in range(8)]
    found = doctor(write(broker.port, stations=eight), "--takt", "0.001", code=1)
    assert marks(found)["speed"] == {"fail"}
    assert "8 camera(s) use" in found["speed"][0]["got"]
    one_camera = [{**station, "camera": "cam"} for station in eight]
    found = doctor(write(broker.port, stations=one_camera), "--takt", "10")
    assert "1 camera(s) use" in found["speed"][0]["got"]
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "manifest.json").write_text("{")
    found = doctor(write(broker.port, stations=[{"id": str(CAM1), "bank": str(damaged)}]), code=1)
    assert marks(found)["bank"] == {"fail"}
    assert "manifest.json" in found["bank"][0]["got"]


def test_the_takt_is_held_against_the_newest_kept_frame_of_each_station_as_drawn_ones_are_decoded_at_once(
    write: Callable[..., Path], tmp_path: Path, bank: Path
) -> None:
    path = write(free_port(), stations=[{"id": str(one), "bank": str(bank)} for one in (CAM1, CAM2)])
    (drawn,) = doctor(path, code=1)["speed"]
    assert drawn["got"].endswith(f", without decoding the frames of {CAM1} (and 1 more), of which none is kept to try")
    noise = np.random.default_rng(0).integers(0, 255, (3000, 3000, 3), dtype=np.uint8)
    frames = {CAM1: bytes(cv2.imencode(".jpg", noise)[1]), CAM2: b"no picture"}
    with open_database(f"sqlite:///{tmp_path / 'data' / 'ledger.sqlite3'}") as database:
        for number, (station, picture) in enumerate(frames.items()):
            digest = hashlib.sha256(picture).hexdigest()
            Archive(tmp_path / "data" / "frames").keep(digest, picture, "jpg")
            filled(database, verdict(number, station=str(station), sha256=digest, image="jpg"))
    found = doctor(path, code=1)
    assert "ms a frame of 3000x3000" in found["bank"][0]["got"]
    (kept,) = found["speed"]
    small, large = (int(told["got"].split()[3].removesuffix("%")) for told in (drawn, kept))
    assert large > 2 * small
    assert kept["got"].endswith(f", without decoding the frames of {CAM2}, of which none is kept to try")


def test_a_first_bank_that_is_still_to_be_made_is_told_and_the_others_are_timed(
    broker: Mosquitto, write: Callable[..., Path], bank: Path
) -> None:
    more = [{"id": str(CAM1), "bank": str(bank)}, {"id": str(CAM2), "bank": "nowhere"}]
    found = doctor(write(broker.port, stations=more), "--takt", "10")
    assert [one["mark"] for one in found["bank"]] == ["ok", "warn"]
    assert "not there yet" in found["bank"][1]["got"]
    assert "Samples" in found["bank"][1]["do"]
    assert marks(found)["speed"] == {"ok"}


def test_what_the_settings_hold_that_will_surprise_is_named(write: Callable[..., Path], bank: Path) -> None:
    assert doctor(write(free_port()), code=1)["settings"][0]["got"] == "nothing in them will surprise"
    stations = [{"id": str(one), "bank": str(bank), "camera": "one"} for one in (CAM1, CAM2)]
    (finding,) = doctor(write(free_port(), stations=stations), code=1)["settings"]
    assert (finding["mark"], finding["got"]) == ("warn", "will surprise: stations[1].bank")
    assert "inspector config check" in finding["do"]


def test_a_port_that_another_program_has_is_found(broker: Mosquitto, write: Callable[..., Path]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        (found,) = doctor(write(broker.port, metrics={"port": port}), code=1)["metrics"]
    assert (found["mark"], found["got"]) == ("fail", f"127.0.0.1:{port} is taken by another program")


def test_an_address_of_another_machine_is_found(broker: Mosquitto, write: Callable[..., Path]) -> None:
    port = free_port()
    path = write(broker.port, review={"enabled": True, "host": "192.0.2.1", "port": port, "behind_tls_proxy": True})
    (found,) = doctor(path, code=1)["review"]
    assert (found["mark"], found["got"]) == ("fail", f"192.0.2.1:{port} is no address of this machine")


def test_one_port_for_metrics_and_the_page_is_found(broker: Mosquitto, write: Callable[..., Path]) -> None:
    port = free_port()
    path = write(broker.port, metrics={"port": port}, review={"enabled": True, "port": port})
    (finding,) = doctor(path, code=1)["review"]
    assert (finding["mark"], finding["got"]) == ("fail", f"{port} is the port of metrics too")


def test_beside_a_daemon_that_runs_it_looks_whether_metrics_are_guarded(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    daemon.settings["metrics"]["token_file"] = "token"
    daemon.start(ready=False)
    wait_until(lambda: daemon.get("/readyz", Authorization="Bearer secret")[0] == 200, "the daemon is ready")
    found = doctor(tmp_path / "inspector.yaml")
    assert "with the token alone" in found["metrics"][0]["got"]
    (tmp_path / "token").write_text("another\n")
    found = doctor(tmp_path / "inspector.yaml", code=1)
    assert "401 without and 401 with" in found["metrics"][0]["got"]


def test_a_database_that_cannot_be_written_fails(broker: Mosquitto, write: Callable[..., Path]) -> None:
    path = write(broker.port, database=f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/none")
    found = doctor(path, code=1)
    assert marks(found)["database"] == {"fail"}
    assert os.linesep not in found["database"][0]["got"]


def test_a_ledger_of_a_newer_version_fails_as_the_daemon_would(
    broker: Mosquitto, tmp_path: Path, write: Callable[..., Path]
) -> None:
    file = tmp_path / "newer.sqlite3"
    url = f"sqlite:///{file}"
    with open_database(url) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    found = doctor(write(broker.port, database=url), code=1)
    assert marks(found)["database"] == {"fail"}
    assert "schema 9999" in found["database"][0]["got"]
    assert "the version that wrote it" in found["database"][0]["do"]


def test_a_database_by_the_short_name_of_its_kind_is_reached(
    broker: Mosquitto, postgres: Postgres, write: Callable[..., Path]
) -> None:
    url = postgres.create_database().replace("postgresql://", "postgres://")
    found = doctor(write(broker.port, database=url))
    assert marks(found)["database"] == {"ok"}


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_does_not_hold_every_text_fails_as_the_daemon_would(
    broker: Mosquitto, postgres: Postgres, write: Callable[..., Path], encoding: str
) -> None:
    found = doctor(write(broker.port, database=postgres.create_database(encoding=encoding)), code=1)
    (finding,) = found["database"]
    assert (finding["mark"], finding["got"], finding["expected"]) == ("fail", f"its encoding is {encoding}", "UTF8")
    assert "createdb --encoding UTF8" in finding["do"]
