"""What docker/compose.yaml wires, run without containers: secrets, broker, settings and health check fit together."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from line import CAM1, Camera, Daemon, frame
from paho.mqtt.client import Client
from services import Mosquitto, listening, wait_until

from inspector import settings
from inspector.demo.port import free_port

ROOT = Path(__file__).parent.parent.parent

SECRETS = {
    "/run/secrets/mqtt-ca": "ca.pem",
    "/run/secrets/mqtt-password": "mqtt-password",
    "/run/secrets/metrics-token": "metrics-token",
    "/run/secrets/review-certificate": "review.pem",
    "/run/secrets/review-key": "review.key",
    "/etc/mosquitto/certs/ca.pem": "ca.pem",
    "/etc/mosquitto/certs/broker.pem": "broker.pem",
    "/etc/mosquitto/certs/broker.key": "broker.key",
    "/etc/mosquitto/passwords": "mqtt-passwords",
}
"""Where a container finds which file of docker/secrets."""


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """What docker/prepare.sh makes."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (tmp_path / "configs").mkdir()
    (tmp_path / "docker").mkdir()
    shutil.copy(ROOT / "configs" / "mosquitto.acl", tmp_path / "configs")
    shutil.copy(ROOT / "docker" / "prepare.sh", tmp_path / "docker")
    for _ in range(2):
        subprocess.run([tmp_path / "docker" / "prepare.sh", "box7", "10.1.2.3"], check=True, timeout=100)
    return tmp_path / "docker" / "secrets"


DEBIANS = """\
pid_file /run/mosquitto/mosquitto.pid

persistence true
persistence_location /var/lib/mosquitto/

log_dest file /var/log/mosquitto/mosquitto.log

include_dir /etc/mosquitto/conf.d
"""
"""/etc/mosquitto/mosquitto.conf of the package mosquitto in Debian 12, without its comments."""


def plant_broker(main: str, secrets: Path, folder: Path) -> Mosquitto:
    """A broker with this main file and configs/mosquitto.conf in its conf.d, at its own port and paths."""
    ours = (ROOT / "configs" / "mosquitto.conf").read_text()
    for theirs, name in SECRETS.items():
        ours = ours.replace(f" {theirs}\n", f" {secrets / name}\n")
    ours = ours.replace("/etc/mosquitto/acl", str(secrets.parent.parent / "configs" / "mosquitto.acl"))
    for theirs in ("/run/mosquitto/", "/var/lib/mosquitto/", "/var/log/mosquitto/"):
        main = main.replace(theirs, f"{folder}/its-")
    main = main.replace("its-\n", "\n").replace("/etc/mosquitto/conf.d", str(folder / "conf.d"))
    if os.geteuid() == 0:
        main = f"user root\n{main}"
    return Mosquitto(folder, configuration=main, included=ours.replace("listener 8883", "listener {port} 127.0.0.1"))


@pytest.fixture
def broker(secrets: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    server = plant_broker((ROOT / "docker" / "mosquitto.conf").read_text(), secrets, tmp_path / "broker")
    server.start()
    yield server
    server.stop()


def test_debians_own_broker_takes_our_file_into_its_folder(secrets: Path, tmp_path: Path) -> None:
    """What is said in both files would keep it from starting."""
    folder = tmp_path / "broker"
    server = plant_broker(DEBIANS, secrets, folder)
    server.start()
    try:
        context = ssl.create_default_context(cafile=str(secrets / "ca.pem"))
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()
    finally:
        server.stop()
    assert (folder / "mosquitto.db").exists()


def test_the_container_of_the_broker_reads_both_files() -> None:
    volumes = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())["services"]["broker"]["volumes"]
    read = {volume.split(":")[1]: volume.split(":")[0] for volume in volumes}
    assert read["/etc/mosquitto/mosquitto.conf"] == "./mosquitto.conf"
    assert read["/etc/mosquitto/conf.d/inspector.conf"] == "../configs/mosquitto.conf"
    image = (ROOT / "docker" / "mosquitto.Dockerfile").read_text()
    assert " mosquitto mosquitto-clients " in image  # by its mosquitto_sub the runbooks listen
    assert 'CMD ["/usr/sbin/mosquitto", "-c", "/etc/mosquitto/mosquitto.conf"]' in image
    assert "include_dir /etc/mosquitto/conf.d\n" in (ROOT / "docker" / "mosquitto.conf").read_text()


def test_the_broker_has_files_for_many_more_connections_than_a_plant_has_cameras() -> None:
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    unit = (ROOT / "configs" / "systemd" / "mosquitto.service.d" / "inspector.conf").read_text()
    assert "\n[Service]\nLimitNOFILE=65536\n" in unit
    assert compose["services"]["broker"]["ulimits"] == {"nofile": 65536}
    installed = "cp -r configs/systemd/mosquitto.service.d /etc/systemd/system/"
    assert installed in (ROOT / "docs" / "deployment.md").read_text()


def test_each_secret_is_where_compose_puts_it() -> None:
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    placed = {}
    for name in ("broker", "inspector"):
        for secret in compose["services"][name]["secrets"]:
            short = isinstance(secret, str)
            target = f"/run/secrets/{secret}" if short else secret["target"]
            placed[target] = Path(compose["secrets"][secret if short else secret["source"]]["file"]).name
    assert placed == SECRETS


def test_secrets_are_made_once_and_kept_from_others(secrets: Path) -> None:
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert (secrets / "ca.key").stat().st_mode & 0o777 == 0o600
    users = [line.partition(":")[0] for line in (secrets / "mqtt-passwords").read_text().splitlines()]
    assert users == ["inspector", "cam1", "plc"]
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    for secret in compose["secrets"].values():
        assert (secrets / Path(secret["file"]).name).read_text().strip()


def test_what_a_run_that_broke_off_left_out_is_made_by_the_next(secrets: Path, tmp_path: Path) -> None:
    """As on a box where the broker was not installed yet: the passwords are there, and nobody who hashes them."""
    (secrets / "mqtt-passwords").write_text("")
    (secrets / "mqtt-password-cam1").unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("awk", "cat", "chmod", "dirname", "id", "mkdir", "mv", "openssl", "rm", "sed"):
        found = shutil.which(name)
        assert found is not None
        (tools / name).symlink_to(found)
    prepare = secrets.parent / "prepare.sh"
    broken = subprocess.run([prepare], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=100)
    assert broken.returncode != 0
    assert "ready" not in broken.stdout
    subprocess.run([prepare], check=True, timeout=100)
    users = [line.partition(":")[0] for line in (secrets / "mqtt-passwords").read_text().splitlines()]
    assert users == ["inspector", "cam1", "plc"]
    assert sorted(path.name for path in secrets.glob("mqtt*")) == [
        "mqtt-password",
        "mqtt-password-cam1",
        "mqtt-password-plc",
        "mqtt-passwords",
    ]


def test_a_password_is_exchanged_by_removing_its_file(secrets: Path) -> None:
    """The lines of others stay, also of a user whom somebody added by hand; no password stands in a command line."""
    passwords = secrets / "mqtt-passwords"
    passwords.write_text(passwords.read_text() + "mes:$7$101$c2FsdA==$aGFzaA==\n")
    before = dict(line.split(":", 1) for line in passwords.read_text().splitlines())
    (secrets / "mqtt-password-cam1").unlink()
    traced = subprocess.run(
        ["sh", "-x", secrets.parent / "prepare.sh"], check=True, capture_output=True, text=True, timeout=100
    )
    after = dict(line.split(":", 1) for line in passwords.read_text().splitlines())
    assert set(after) == set(before)
    assert [user for user in after if after[user] != before[user]] == ["cam1"]
    secret = (secrets / "mqtt-password-cam1").read_text().strip()
    shown = [line for line in traced.stderr.splitlines() if secret in line]
    assert shown
    assert not [line for line in shown if "mosquitto_passwd" in line or "docker run" in line]


def test_the_files_of_a_box_without_containers_are_those_that_are_made(secrets: Path, tmp_path: Path) -> None:
    """The settings in docs/deployment.md are settings, and what they name is put beside them."""
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    [text] = re.findall(r"^```yaml\n(# /etc/inspector/inspector\.yaml\n.*?)^```$", page, re.MULTILINE | re.DOTALL)
    [names] = re.findall(r"^for name in (.*); do$", page, re.MULTILINE)
    for name in names.split():
        shutil.copy(secrets / name, tmp_path)
    (tmp_path / "inspector.yaml").write_text(text)
    loaded = settings.load(tmp_path / "inspector.yaml")
    assert loaded.data_dir == Path("/var/lib/inspector")
    assert loaded.metrics.token_file == tmp_path / "metrics-token"
    for name in re.findall(r"docker/secrets/([\w.-]+)", page):
        assert (secrets / name).is_file(), name


def test_a_frame_goes_through_what_compose_wires(secrets: Path, broker: Mosquitto, bank: Path, tmp_path: Path) -> None:
    text = (ROOT / "docker" / "inspector.yaml").read_text()
    for theirs, name in SECRETS.items():
        text = text.replace(theirs, str(secrets / name))
    folder = tmp_path / "daemon"
    folder.mkdir()
    with Daemon(folder, port=broker.port, bank=bank) as daemon:
        said = yaml.safe_load(text)
        said["broker"] |= {"host": "127.0.0.1", "port": broker.port}
        said["data_dir"] = "data"
        said["metrics"]["port"] = daemon.http
        said["review"]["port"] = free_port()
        said["stations"][0]["bank"] = str(bank)
        daemon.settings = said
        daemon.start(ready=False)
        token = {"Authorization": f"Bearer {(secrets / 'metrics-token').read_text().strip()}"}
        wait_until(lambda: daemon.get("/readyz", **token)[0] == 200 or not daemon.running, "the daemon is ready")
        assert daemon.running, daemon.log.read_text()
        assert daemon.get("/metrics")[0] == 401

        def as_cam1(client: Client) -> None:
            client.tls_set(str(secrets / "ca.pem"))
            client.username_pw_set("cam1", (secrets / "mqtt-password-cam1").read_text().strip())

        with Camera(broker.port, prepare=as_cam1) as camera:
            camera.send(frame(1, station=CAM1))
        wait_until(lambda: daemon.rows("SELECT outcome FROM frames") == [("verdict",)], "a verdict")
        page = f"https://127.0.0.1:{said['review']['port']}/login"
        trusting = ssl.create_default_context(cafile=str(secrets / "ca.pem"))
        wait_until(lambda: listening(said["review"]["port"]), "the review page listens")
        with urllib.request.urlopen(page, context=trusting, timeout=60) as answer:
            assert answer.status == 200
        assert healthy(folder) == 0
        daemon.kill()
        assert healthy(folder) == 1


def test_certificates_are_for_names_and_addresses_of_both_kinds_and_for_nothing_else(secrets: Path) -> None:
    def prepare(*names: str) -> subprocess.CompletedProcess[str]:
        for server in ("broker", "review"):
            (secrets / f"{server}.pem").unlink(missing_ok=True)
        return subprocess.run([secrets.parent / "prepare.sh", *names], capture_output=True, text=True, timeout=100)

    assert prepare("box7", "fd00::7").returncode == 0
    shown = subprocess.run(
        ["openssl", "x509", "-in", secrets / "broker.pem", "-noout", "-ext", "subjectAltName"],
        capture_output=True, text=True, check=True, timeout=100,
    ).stdout  # fmt: skip
    assert "DNS:box7" in shown
    assert "IP Address:FD00:0:0:0:0:0:0:7" in shown
    refused = prepare("10.1.2.300")
    assert refused.returncode == 1
    assert "10.1.2.300" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (secrets / "broker.pem").exists()


def healthy(folder: Path) -> int:
    """The exit code of the image's health check."""
    program = ROOT / "docker" / "health.py"
    return subprocess.run([sys.executable, program, folder / "inspector.yaml"], timeout=100).returncode
