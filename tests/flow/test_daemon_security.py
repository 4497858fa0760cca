"""The shipped broker configuration: TLS, passwords, access lists, with the daemon behind them."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from line import CAM1, Camera, Daemon, Plc, frame
from paho.mqtt.client import Client
from services import Mosquitto, wait_until
from sessions import session_of

from inspector import contract
from inspector.camera import CameraOptions, publish
from inspector.errors import BrokerError
from inspector.settings import BrokerSettings, TlsSettings

CONFIGS = Path(__file__).parent.parent.parent / "configs"
USERS = ("inspector", "cam1", "plc")


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA of the plant and a certificate for the broker."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates")
    folder = tmp_path_factory.mktemp("certificates")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    openssl(folder, "req", "-x509", *key, "-subj", "/CN=plant ca", "-keyout", "ca.key", "-out", "ca.pem")
    openssl(folder, "req", *key[:-2], "-subj", "/CN=127.0.0.1", "-keyout", "broker.key", "-out", "broker.csr")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "san")
    openssl(folder, "x509", "-req", "-in", "broker.csr", *signed, "-out", "broker.pem")
    return folder


@pytest.fixture
def guarded(certificates: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker with configs/mosquitto.conf and configs/mosquitto.acl, at its own port and paths."""
    folder = tmp_path / "broker"
    folder.mkdir()
    passwords = folder / "passwords"
    passwords.touch()
    for user in USERS:
        subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, f"secret of {user}"], check=True)
    shutil.copy(CONFIGS / "mosquitto.acl", folder / "acl")
    text = (CONFIGS / "mosquitto.conf").read_text()
    for theirs, ours in (
        ("listener 8883", "listener {port} 127.0.0.1"),
        ("/etc/mosquitto/certs", str(certificates)),
        ("/etc/mosquitto", str(folder)),
    ):
        text = text.replace(theirs, ours)
    text += f"persistence_location {folder}/\n"
    if os.geteuid() == 0:
        text = f"user root\n{text}"
    broker = Mosquitto(folder, configuration=text)
    broker.start()
    yield broker
    broker.stop()


class As:
    """A user of the broker."""

    def __init__(self, user: str, certificates: Path) -> None:
        self._user = user
        self._ca = certificates / "ca.pem"

    def __call__(self, client: Client) -> None:
        client.tls_set(str(self._ca))
        client.username_pw_set(self._user, f"secret of {self._user}")


@pytest.fixture
def guarded_daemon(guarded: Mosquitto, certificates: Path, bank: Path, tmp_path: Path) -> Iterator[Daemon]:
    (tmp_path / "password").write_text("secret of inspector\n")
    with Daemon(tmp_path, port=guarded.port, bank=bank) as daemon:
        daemon.settings["broker"].update(
            {"username": "inspector", "password_file": "password", "tls": {"ca_file": str(certificates / "ca.pem")}}
        )
        yield daemon


def test_frames_and_verdicts_pass_through_the_shipped_configuration(
    guarded_daemon: Daemon, guarded: Mosquitto, certificates: Path
) -> None:
    guarded_daemon.start()
    with (
        Plc(guarded.port, prepare=As("plc", certificates)) as plc,
        Camera(guarded.port, prepare=As("cam1", certificates)) as camera,
    ):
        forged = contract.station_topic(CAM1, "verdict")
        camera.send_raw(forged, b"{}")
        camera.send(*(frame(i) for i in range(5)))
        wait_until(lambda: len(plc.answered()) == 5, "five verdicts, and none that the camera forged")


def test_a_camera_with_the_shipped_access_list_sees_that_its_daemon_is_there(
    guarded_daemon: Daemon, guarded: Mosquitto, certificates: Path, tmp_path: Path
) -> None:
    guarded_daemon.start()
    with Plc(guarded.port, prepare=As("plc", certificates)) as plc:
        wait_until(lambda: plc.documents("info"), "the daemon announces its stations")
    (tmp_path / "part.png").write_bytes(frame(0).payload)
    (tmp_path / "camera").write_text("secret of cam1\n")
    broker = BrokerSettings(
        host="127.0.0.1",
        port=guarded.port,
        username="cam1",
        password_file=tmp_path / "camera",
        tls=TlsSettings(ca_file=certificates / "ca.pem"),
    )
    notices: list[str] = []
    summary = publish(
        CameraOptions(source=str(tmp_path / "part.png"), station=CAM1, broker=broker),
        on_notice=notices.append,
    )
    assert (summary.tally.acknowledged, summary.tally.unheard) == (1, 0)
    assert notices == ["pictures have 96x96 pixels"]


def test_until_when_certificates_are_valid_is_measured(guarded_daemon: Daemon, certificates: Path) -> None:
    guarded_daemon.settings["review"] = {
        "cert_file": str(certificates / "broker.pem"),
        "key_file": str(certificates / "broker.key"),
    }
    guarded_daemon.settings["broker"]["tls"].update(
        {"cert_file": str(certificates / "ca.pem"), "key_file": str(certificates / "ca.key")}
    )
    guarded_daemon.start()
    for name, lasts_s in (("broker", 2 * 86_400), ("review", 2 * 86_400), ("client", 2 * 86_400)):
        until = guarded_daemon.metric("inspector_certificate_expires_timestamp_seconds", certificate=name)
        assert until - time.time() == pytest.approx(lasts_s, abs=3600), name


def test_a_wrong_password_is_told_and_a_right_one_is_taken_without_a_restart(guarded_daemon: Daemon) -> None:
    password = guarded_daemon.folder / "password"
    password.write_text("wrong\n")
    guarded_daemon.start(ready=False)
    wait_until(lambda: guarded_daemon.get("/readyz")[0] == 503, "an answer")
    wait_until(lambda: "Not authorized" in guarded_daemon.faults().get("broker", ""), "the broker's refusal")
    assert "secret" not in guarded_daemon.log.read_text()
    password.write_text("secret of inspector\n")
    wait_until(guarded_daemon.ready, "ready")


def test_a_broker_that_nobody_vouches_for_is_not_trusted(guarded_daemon: Daemon) -> None:
    guarded_daemon.settings["broker"]["tls"] = {}
    guarded_daemon.start(ready=False)
    wait_until(lambda: guarded_daemon.get("/readyz")[0] == 503, "an answer")
    wait_until(lambda: "CERTIFICATE_VERIFY_FAILED" in guarded_daemon.faults().get("broker", ""), "the refusal")


def test_whoever_forgot_tls_is_told_what_may_be_missing(
    guarded_daemon: Daemon, guarded: Mosquitto, tmp_path: Path
) -> None:
    """A broker that expects TLS says nothing to one who speaks without."""
    del guarded_daemon.settings["broker"]["tls"]
    guarded_daemon.start(ready=False)
    wait_until(lambda: guarded_daemon.get("/readyz")[0] == 503, "an answer")
    wait_until(lambda: "does it expect TLS?" in guarded_daemon.faults().get("broker", ""), "the daemon asks for TLS")
    settings = tmp_path / "inspector.yaml"
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "doctor", "-c", str(settings)], capture_output=True, text=True, timeout=100
    )
    assert "does it expect TLS?" in done.stdout
    (tmp_path / "part.png").write_bytes(frame(0).payload)
    plain = BrokerSettings(host="127.0.0.1", port=guarded.port)
    with pytest.raises(BrokerError, match=r"does it expect TLS\?"):
        publish(CameraOptions(source=str(tmp_path / "part.png"), station=CAM1, broker=plain))


def test_what_the_broker_refuses_waits_until_it_is_allowed(
    guarded_daemon: Daemon, guarded: Mosquitto, certificates: Path
) -> None:
    acl = guarded.folder / "acl"
    allowed = acl.read_text()
    less = allowed.replace("topic write inspector/v1/+/+/+/+/verdict", "")
    ours = "inspector/v1/_inspector/"
    acl.write_text(less.replace(f"readwrite {ours}#", f"read {ours}#\ntopic write {ours}+/status"))
    guarded.reload()
    guarded_daemon.start()
    with (
        Plc(guarded.port, prepare=As("plc", certificates)) as plc,
        Camera(guarded.port, prepare=As("cam1", certificates)) as camera,
    ):
        camera.send(frame(0), frame(1, payload=b"no picture"), frame(2))
        wait_until(lambda: plc.documents("error"), "the error, which is allowed")
        wait_until(lambda: "the broker refuses" in guarded_daemon.faults().get("outbox", ""), "the refusal is told")
        waiting = "SELECT count(*) FROM outbox WHERE topic LIKE '%/verdict'"
        wait_until(lambda: guarded_daemon.rows(waiting) == [(2,)], "both verdicts wait")
        wait_until(lambda: "own topics" in guarded_daemon.get("/readyz")[1], "nor may it say what it runs")
        acl.write_text(allowed)
        guarded.reload()
        wait_until(lambda: len(plc.documents("verdict")) == 2, "the verdicts")
        assert [v["frame_id"] for v in plc.documents("verdict")] == ["f-0", "f-2"]
        wait_until(guarded_daemon.ready, "ready again")
        wait_until(lambda: plc.last(f"{ours}main/info"), "it says what it runs")
        wait_until(lambda: "own topics" not in guarded_daemon.get("/readyz")[1], "all are told")


def test_what_would_take_the_daemons_memory_ends_at_the_broker(
    guarded_daemon: Daemon, guarded: Mosquitto, certificates: Path
) -> None:
    guarded_daemon.start()
    frames = contract.station_topic(CAM1, "frame")
    with Plc(guarded.port, prepare=As("plc", certificates)) as plc:
        clients: list[Client] = []

        def prepare(client: Client) -> None:
            As("cam1", certificates)(client)
            clients.append(client)

        with Camera(guarded.port, prepare=prepare):
            clients[0].publish(frames, bytes(100_000_001), 1)
            wait_until(lambda: "oversize" in guarded.log.read_text().lower(), "the broker ends the connection")
        with Camera(guarded.port, prepare=As("cam1", certificates)) as camera:
            camera.send(frame(1))
            wait_until(lambda: plc.documents("verdict"), "the verdict of the next frame")
        assert plc.documents("error") == []


IDS = [f"inspector:main:{role}" for role in ("control", "watch", str(CAM1).replace("/", ":"))]
"""What settings and `info` tell of the daemon's client ids."""


def test_whoever_has_a_password_can_take_no_connection_and_no_session_of_the_daemons(
    guarded_daemon: Daemon, guarded: Mosquitto, certificates: Path
) -> None:
    """A broker lets anybody whom it lets in connect under any client id, and end the session of that id."""
    guarded_daemon.start()
    guarded_daemon.terminate()
    with (
        Plc(guarded.port, prepare=As("plc", certificates)) as plc,
        Camera(guarded.port, prepare=As("cam1", certificates)) as camera,
    ):
        camera.send(*(frame(i) for i in range(3)))
        for name in IDS:
            with session_of(name, guarded.port, prepare=As("plc", certificates), clean=True):
                pass
        guarded_daemon.start()
        wait_until(lambda: plc.answered() == {f"f-{i}": 1 for i in range(3)}, "the frames that waited are decided")
        with ExitStack() as taken:
            for name in IDS:
                taken.enter_context(session_of(name, guarded.port, prepare=As("plc", certificates), clean=True))
            camera.send(frame(3))
            wait_until(lambda: plc.answered().get("f-3"), "a frame is decided while others have those ids")
        assert guarded_daemon.logged("broker away") == []
        key = (guarded_daemon.folder / "data" / "session-key").read_text().strip()
        assert key in guarded.log.read_text()
        assert not any(key.encode() in payload for _, payload, _ in plc.messages)
    assert key not in guarded_daemon.log.read_text()
