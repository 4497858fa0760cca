"""Settings out of the environment: they win, and a mistake names its variable."""

from pathlib import Path

import pytest

from inspector import settings
from inspector.errors import SettingsError, SettingsMistakesError
from inspector.settings.overrides import PREFIX

FILE = """
broker: {host: from-file, port: 1883}
data_dir: ./data
stations:
  - id: plant/hall1/line1/cam1
    bank: ./banks/tile
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "inspector.yaml"
    file.write_text(FILE)
    return file


def complaint(path: Path, **environment: str) -> str:
    with pytest.raises(SettingsError) as caught:
        settings.load(path, environment)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_variables_win_over_the_file_and_reach_every_depth(path: Path) -> None:
    loaded = settings.load(
        path,
        {
            "INSPECTOR_BROKER__HOST": "elsewhere",
            "INSPECTOR_BROKER__PROTOCOL": "5",
            "INSPECTOR_DATA_DIR": "/var/lib/inspector",
            "INSPECTOR_STATIONS__0__QUEUE__CAPACITY": "7",
            "INSPECTOR_STATIONS__1": "{id: plant/hall1/line1/cam2, bank: b}",
            "INSPECTOR_REVIEW__DEFECT_TYPES": "[dent, crack]",
            "HOME": "/root",
        },
    )
    assert (loaded.broker.host, loaded.broker.port, loaded.broker.protocol) == ("elsewhere", 1883, "5")
    assert loaded.data_dir == Path("/var/lib/inspector")
    assert [station.queue.capacity for station in loaded.stations] == [7, 64]
    assert loaded.stations[1].bank == path.parent / "b"
    assert loaded.review.defect_types == ("dent", "crack")


def test_a_name_of_digits_is_a_name(path: Path) -> None:
    loaded = settings.load(path, {"INSPECTOR_BROKER__USERNAME": "0815", "INSPECTOR_INSTANCE": "7"})
    assert (loaded.broker.username, loaded.instance) == ("0815", "7")


def test_the_process_environment_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{PREFIX}BROKER__PORT", "8883")
    assert settings.load(path).broker.port == 8883


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("INSPECTOR_BROKER__PORT", "many", "broker.port: got 'many', expected a valid integer"),
        ("INSPECTOR_BROKER__PORT", "99999", "broker.port: got 99999, expected less than or equal to 65535"),
        ("INSPECTOR_BROKER__HSOT", "x", "broker.hsot: unknown key, did you mean host?"),
        ("INSPECTOR_BROCKER__HOST", "x", "brocker: unknown key, did you mean broker?"),
        ("INSPECTOR_DATADIR", "x", "unknown key, did you mean INSPECTOR_DATA_DIR?"),
        ("INSPECTOR_BROKER", "[", "not YAML"),
        ("INSPECTOR_BROKER", "2026-02-30", "not YAML: day is out of range for month"),
        ("INSPECTOR_BROKER__HOST__NAME", "x", "got 'name' for a place in str, expected a variable for the whole of it"),
        ("INSPECTOR_STATIONS__3__BANK", "x", "got 3 for a place in a list of 1, expected a number from 0 to 1"),
        ("INSPECTOR_STATIONS__1__BANK", "x", "stations[1].id: missing, expected a value"),
        ("INSPECTOR_METRICS__HOST", "0.0.0.0", "metrics: host: got 0.0.0.0 without token_file"),
    ],
)
def test_a_mistake_names_its_variable(path: Path, variable: str, value: str, told: str) -> None:
    message = complaint(path, **{variable: value})
    assert message.startswith(f"environment: {variable}: ")
    assert told in message


def test_a_name_without_end_is_a_mistake_like_any(path: Path) -> None:
    number = "9" * 5000
    told = complaint(path, **{f"INSPECTOR_STATIONS__{number}__ID": "a"})
    assert told.endswith(f"got '{number}' for a place in a list of 1, expected a number from 0 to 1")
    told = complaint(path, **{"INSPECTOR_A" + "__A" * 3000: "a"})
    assert told == f"environment: INSPECTOR_A{'__A' * 16}_…: got 3001 levels, expected at most 20; remove it"


def test_a_mistake_of_the_file_still_names_its_line(path: Path) -> None:
    path.write_text(FILE.replace("port: 1883", "port: many"))
    message = complaint(path, INSPECTOR_BROKER__HOST="x")
    assert message.startswith(f"{path}:2: broker.port: got 'many'")


def test_every_mistake_is_listed(path: Path) -> None:
    path.write_text(FILE + "retension: {}\nengine: 7\n")
    with pytest.raises(SettingsMistakesError) as caught:
        settings.load(path, {"INSPECTOR_BROKER__PORT": "0"})
    assert [mistake.split(": ")[0].removeprefix(str(path)) for mistake in caught.value.mistakes] == [
        "environment",
        ":8",
        ":7",
    ]


def test_others_who_begin_alike_are_left_alone_and_named(path: Path) -> None:
    origins = settings.trace(path, {"INSPECTOR_SHARED": "/data", "INSPECTOR_BROKER__PORT": "1"})
    assert origins.strangers == ("INSPECTOR_SHARED",)
    assert origins.variables == {("broker", "port"): "INSPECTOR_BROKER__PORT"}
