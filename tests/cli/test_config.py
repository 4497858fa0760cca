"""`inspector config`: every mistake with its line, what would surprise, and no secret shown."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from inspector import settings
from inspector.doctor import surprises
from inspector.errors import StoreError
from inspector.store import open_database

FILE = """
data_dir: ./data
stations:
  - id: plant/hall1/line1/cam1
    bank: {bank}
"""


def inspector(*arguments: object, code: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "inspector", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, env={**os.environ, **environment})
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def written(folder: Path, bank: Path | str, more: str = "") -> Path:
    path = folder / "inspector.yaml"
    path.write_text(FILE.format(bank=bank) + more)
    return path


def warnings(path: Path, **environment: str) -> list[str]:
    said: dict[str, Any] = json.loads(inspector("config", "check", "-c", path, "--json", **environment))
    assert said["mistakes"] == []
    found: list[str] = said["warnings"]
    return found


def test_sound_settings_are_called_so(tmp_path: Path, bank: Path) -> None:
    path = written(tmp_path, bank)
    assert inspector("config", "check", "-c", path).endswith(f"sound    {path}: 1 station\n")
    assert [warning for warning in warnings(path) if "in memory" not in warning] == []


def test_every_mistake_has_its_line_and_the_exit_code_is_that_of_bad_usage(tmp_path: Path) -> None:
    path = written(tmp_path, "b", "brocker: {}\nengine: 7\ndatabase: postgresql://u@db:54e/x\n")
    said = inspector("config", "check", "-c", path, code=2).splitlines()
    assert sorted(said) == [
        f"mistake  {path}:6: brocker: unknown key, did you mean broker?",
        f"mistake  {path}:7: engine: got 7, expected a valid string",
        f"mistake  {path}:8: database: port: got no number, expected one, as in postgresql://USER@HOST:5432/NAME",
    ]


@pytest.mark.parametrize(
    ("more", "key", "word"),
    [
        ("broker: {host: broker.plant.example, username: a}\n", "broker.tls", "as they are"),
        ("broker: {host: broker.plant.example, tls: {}}\n", "broker.username", "nobody says who connects"),
        ("metrics: {host: 0.0.0.0, token_file: token}\n", "metrics.host", "the token crosses"),
        ("metrics: {token_file: token}\n", "metrics.token_file", "every user of this machine can read"),
        ("database: postgresql://u:hunter2@db/x\n", "database", "holds a password"),
        ("retention: {max_gb: 1000000000}\n", "retention.max_gb", "the disk of"),
        ("retention: {reviewed_days: 30}\n", "retention.reviewed_days", "rates reach back no further"),
        ("review: {enabled: true, port: 9108}\n", "review.port", "the port of metrics too"),
    ],
)
def test_what_would_surprise_is_told(tmp_path: Path, bank: Path, more: str, key: str, word: str) -> None:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o644)
    found = [warning for warning in warnings(written(tmp_path, bank, more)) if warning.startswith(f"{key}: ")]
    assert len(found) == 1
    assert word in found[0]
    assert "hunter2" not in found[0]


@pytest.mark.parametrize(
    ("kind", "more", "told"),
    [
        ("nfs4", "", True),
        ("cifs", "", True),
        ("fuse.sshfs", "", True),
        ("nfs4", "database: postgresql://db/x\n", False),
        ("ext4", "", False),
    ],
)
def test_a_ledger_on_a_network_share_is_told(
    tmp_path: Path, bank: Path, monkeypatch: pytest.MonkeyPatch, kind: str, more: str, told: bool
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nnas:/box {tmp_path} {kind} rw 0 0\n")
    monkeypatch.setattr(surprises, "_MOUNTS", mounts)
    found = surprises.surprises(settings.load(written(tmp_path, bank, more)))
    assert [one.key for one in found if f"a network share ({kind})" in one.text] == ["data_dir"] * told


def test_one_bank_for_two_products_is_told(tmp_path: Path, bank: Path) -> None:
    more = f"  - {{id: plant/hall1/line1/bolt, bank: {bank}, camera: plant/hall1/line1/cam1}}\n"
    [found] = [one for one in warnings(written(tmp_path, bank, more)) if one.startswith("stations[1].bank: ")]
    assert "plant/hall1/line1/cam1 and plant/hall1/line1/bolt, which are products at one camera" in found


def test_a_camera_that_no_other_station_has_is_told(tmp_path: Path, bank: Path) -> None:
    more = "".join(
        f"  - {{id: plant/hall1/line1/{name}, bank: {bank}, camera: {camera}}}\n"
        for name, camera in (("bolt", "plant/hall1/line1/cam1"), ("cap", "lfet"), ("lid", "left"))
    )
    found = [warning for warning in warnings(written(tmp_path, bank, more)) if ".camera: " in warning]
    assert [warning[: warning.index(",")] for warning in found] == [
        "stations[2].camera: no other station has 'lfet'",
        "stations[3].camera: no other station has 'left'",
    ]


def test_a_bank_that_is_missing_is_told(tmp_path: Path) -> None:
    found = warnings(written(tmp_path, "nowhere"), INSPECTOR_SHARED="x")
    assert any(w.startswith("stations[0].bank: bank ") and "the station's frames become errors" in w for w in found)
    assert "environment: INSPECTOR_SHARED: is no key of the settings, and is left alone" in found


def test_where_the_only_bank_is_damaged_the_daemon_will_not_start(tmp_path: Path) -> None:
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "manifest.json").write_text("{")
    found = warnings(written(tmp_path, tmp_path / "damaged"))
    assert any(w.startswith("stations[0].bank: bank ") and "the daemon will not start" in w for w in found)


def test_of_several_banks_a_missing_one_costs_its_own_station_alone(tmp_path: Path, bank: Path) -> None:
    found = warnings(written(tmp_path, bank, f"  - {{id: plant/hall1/line1/cam2, bank: {tmp_path}/nowhere}}\n"))
    assert any(w.startswith("stations[1].bank: bank ") and "the station's frames become errors" in w for w in found)


def test_effective_values_are_shown_and_are_settings_themselves(tmp_path: Path, bank: Path) -> None:
    path = written(tmp_path, bank, "database: postgresql://u:hunter2@db/x\n")
    said = inspector("config", "show", "-c", path, INSPECTOR_BROKER__PORT="8883")
    assert said.startswith("# broker.port is set by INSPECTOR_BROKER__PORT\n")
    shown = yaml.safe_load(said)
    assert shown["broker"]["port"] == 8883
    assert shown["stations"][0]["id"] == "plant/hall1/line1/cam1"
    assert shown["stations"][0]["queue"] == {"policy": "every_frame", "capacity": 64}
    assert shown["database"] == "postgresql://u:***@db/x"
    again = tmp_path / "again.yaml"
    again.write_text(said)
    assert yaml.safe_load(inspector("config", "show", "-c", again)) == shown


@pytest.mark.parametrize("option", ["password", "sslpassword"])
def test_a_password_among_the_options_of_a_database_is_told_nowhere(tmp_path: Path, bank: Path, option: str) -> None:
    path = written(tmp_path, bank, f"database: postgresql://u@127.0.0.1:1/x?sslmode=require&{option}=hunter2\n")
    assert "database: postgresql://u@127.0.0.1:1/x?sslmode=require\n" in inspector("config", "show", "-c", path)
    with pytest.raises(StoreError) as refused, open_database(settings.load(path).database_url):
        pass
    assert str(refused.value).startswith("database postgresql+psycopg://u@127.0.0.1:1/x?sslmode=require: ")
    assert "hunter2" not in str(refused.value)


def test_twelve_stations_need_more_memory_than_a_small_box_has(tmp_path: Path, bank: Path) -> None:
    more = "".join(f"  - {{id: plant/hall1/line1/x{i}, bank: {bank}}}\n" for i in range(2000))
    assert any(warning.startswith("stations: full queues") for warning in warnings(written(tmp_path, bank, more)))
