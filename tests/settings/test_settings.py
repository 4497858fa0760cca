"""The configuration file: the smallest works, and every mistake is told in one line."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from inspector import settings
from inspector.errors import SettingsError
from inspector.settings.secret import read_secret
from inspector.settings.sections import _own_zone

SMALLEST = """
data_dir: ./data
stations:
  - id: plant/hall1/line1/cam1
    bank: ./banks/tile
"""

FLOOD = "not valid YAML: its aliases repeat more than 100000 values; write out what is meant"
DOUBLED = "".join(f"a{n + 1}: &a{n + 1} [*a{n}, *a{n}]\n" for n in range(60))
"""Aliases that stand for 2 to the power of 60 nodes, as long as nobody follows each."""


def written(folder: Path, text: str) -> Path:
    path = folder / "inspector.yaml"
    path.write_text(text)
    return path


def complaint(folder: Path, text: str) -> str:
    path = written(folder, text)
    with pytest.raises(SettingsError) as caught:
        settings.load(path)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message.removeprefix(str(path))


def test_the_smallest_file_works_alone(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, SMALLEST))
    assert loaded.data_dir == tmp_path / "data"
    assert loaded.stations[0].bank == tmp_path / "banks/tile"
    assert str(loaded.stations[0].id) == "plant/hall1/line1/cam1"
    assert loaded.stations[0].queue.policy == "every_frame"
    assert loaded.metrics.host == "127.0.0.1"
    assert loaded.database_url == f"sqlite:///{tmp_path}/data/ledger.sqlite3"


def test_a_brokers_address_may_stand_in_brackets(tmp_path: Path) -> None:
    assert settings.load(written(tmp_path, SMALLEST + "broker: {host: '[::1]'}\n")).broker.host == "::1"


def test_products_at_one_camera_are_stations_that_name_it_or_its_station(tmp_path: Path) -> None:
    more = "".join(
        f"  - {{id: plant/hall1/line1/{name}, bank: b, camera: {camera}}}\n"
        for name, camera in (("bolt", "plant/hall1/line1/cam1"), ("cap", "left"), ("lid", "left"), ("alone", "right"))
    )
    loaded = settings.load(written(tmp_path, SMALLEST + more))
    assert [[str(one.id).rpartition("/")[2] for one in products] for products in loaded.cameras.values()] == [
        ["cam1", "bolt"],
        ["cap", "lid"],
        ["alone"],
    ]
    assert [loaded.beside(one) for one in loaded.stations][1:] == [
        ["plant/hall1/line1/cam1"],
        ["plant/hall1/line1/lid"],
        ["plant/hall1/line1/cap"],
        [],
    ]


@pytest.mark.parametrize("name", ["inspector.yaml", "inspector-full.yaml"])
def test_the_shipped_examples_are_read(name: str, tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "configs" / name).read_text()
    for secret in ("mqtt-password", "metrics-token", "ca.pem", "daemon.pem", "daemon.key", "review.pem", "review.key"):
        (tmp_path / secret).write_text("kept apart\n")
    assert settings.load(written(tmp_path, text)).stations


def test_the_review_page_is_off_and_on_loopback_until_it_is_told_otherwise(tmp_path: Path) -> None:
    review = settings.load(written(tmp_path, SMALLEST)).review
    assert (review.enabled, review.host, review.secure) == (False, "127.0.0.1", False)


def test_a_protocol_that_yaml_takes_for_a_number(tmp_path: Path) -> None:
    assert settings.load(written(tmp_path, SMALLEST + "broker: {protocol: 5}")).broker.protocol == "5"
    assert settings.load(written(tmp_path, SMALLEST + "broker: {protocol: 3.1.1}")).broker.protocol == "3.1.1"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (SMALLEST + "brocker: {}\n", ":6: brocker: unknown key, did you mean broker?"),
        (SMALLEST + "    qeue: {}\n", ":6: stations[0].qeue: unknown key, did you mean queue?"),
        (
            SMALLEST + "    queue: {polcy: freshest}\n",
            ":6: stations[0].queue.polcy: unknown key, did you mean policy?",
        ),
        (SMALLEST + "broker: {xyz: 1}\n", ":6: broker.xyz: unknown key, expected one of host, password_file"),
        (
            SMALLEST + "    queue: {policy: all}\n",
            ":6: stations[0].queue.policy: got 'all', expected 'every_frame' or 'freshest'",
        ),
        (
            SMALLEST + "    queue: {capacity: 0}\n",
            ":6: stations[0].queue.capacity: got 0, expected greater than or equal to 1",
        ),
        (SMALLEST + "broker: {host: 'plant:1883'}\n", ":6: broker.host: got plant:1883, expected a name or an address"),
        (SMALLEST + "broker: {port: many}\n", ":6: broker.port: got 'many', expected a valid integer"),
        (SMALLEST + "broker: {protocol: 4}\n", ":6: broker.protocol: got 4, expected 'auto', '5' or '3.1.1'"),
        (SMALLEST + "broker: here\n", ":6: broker: got 'here', expected keys of its own: host, password_file, port"),
        ("data_dir: ./data\nstations: [a/b/c/d]\n", ":2: stations[0]: got 'a/b/c/d', expected keys of its own: bank"),
        ("data_dir: 7\nstations: [{id: a/b/c/d, bank: b}]\n", ":1: data_dir: got 7, expected a path"),
        (SMALLEST + "instance: a/b\n", ":6: instance: got 'a/b', expected"),
        (SMALLEST + "data_dir: ./other\n", ":6: data_dir: given twice"),
        ("data_dir: ./data\n", ":1: stations: missing"),
        ("data_dir: ./data\nstations: []\n", ":2: stations: got [], expected"),
        (SMALLEST.replace("cam1", "+"), ":4: stations[0].id: station plant/hall1/line1/+: level '+'"),
        (SMALLEST.replace("plant", ".."), ":4: stations[0].id: station ../hall1/line1/cam1: level '..'"),
        (SMALLEST.replace("/line1", ""), ":4: stations[0].id: station 'plant/hall1/cam1': got 3 level(s)"),
        (
            SMALLEST + "  - {id: plant/hall1/line1/cam1, bank: b}\n",
            ":2: stations: plant/hall1/line1/cam1 is listed twice",
        ),
        (SMALLEST + "metrics: {host: 0.0.0.0}\n", ":6: metrics: host: got 0.0.0.0 without token_file"),
        (SMALLEST + "review: {host: 0.0.0.0}\n", ":6: review: host: got 0.0.0.0 without TLS"),
        (SMALLEST + "review: {cert_file: nowhere}\n", ":6: review.cert_file: got "),
        (SMALLEST + "review: {defect_types: [dent, dent]}\n", ":6: review: defect_types: one is listed twice"),
        (SMALLEST + 'review: {defect_types: ["dent\\n"]}\n', ":6: review.defect_types[0]: got 'dent\\n', expected"),
        (SMALLEST + "review: {shifts: {a: noon}}\n", ":6: review.shifts.a: got 'noon', expected"),
        (SMALLEST + "review: {shifts: {a: yes}}\n", ":6: review.shifts.a: got True, expected"),
        (SMALLEST + "review: {shifts: {a: 06:00, b: 06:00}}\n", ":6: review: shifts: two begin at the same time"),
        (SMALLEST + "review: {time_zone: Mars}\n", ":6: review: time_zone: got 'Mars', expected a name"),
        (SMALLEST + "review: {time_zone: Europe}\n", ":6: review: time_zone: got 'Europe', expected a name"),
        (SMALLEST + "broker: {password_file: nowhere}\n", ":6: broker.password_file: "),
        (SMALLEST + "broker: {tls: {ca_file: nowhere}}\n", ":6: broker.tls.ca_file: got "),
        (SMALLEST + f"broker: {{tls: {{ca_file: {'x' * 300}}}}}\n", ":6: broker.tls.ca_file: got "),
        (SMALLEST + "broker: {password_file: inspector.yaml}\n", ":6: broker: got password_file without username"),
        (SMALLEST + "database: 'postgresql://u:a@b@db/x'\n", ":6: database: got an @ in the name or the password, exp"),
        (SMALLEST + "database: 'postgresql://u@db:54e/x'\n", ":6: database: port: got no number, expected one, as in"),
        (SMALLEST + "database: 'postgresql://u:secret/x'\n", ":6: database: port: got no number, expected one, as in"),
        (SMALLEST + "database: 'sqlite://'\n", ":6: database: got sqlite://, which is lost when the daemon ends"),
        (SMALLEST + "database: 'sqlite:///:memory:'\n", ":6: database: got sqlite:///:memory:, which is lost"),
        (SMALLEST + "retention: {unreviewed_days: 1000000}\n", ":6: retention.unreviewed_days: got 1000000, expected"),
        (SMALLEST + "retention: {defects_days: .inf}\n", ":6: retention.defects_days: got inf, expected"),
        (SMALLEST + "retention: {max_gb: .nan}\n", ":6: retention.max_gb: got nan, expected"),
        (SMALLEST.replace("./data", "~nobody-knows/d"), ":2: data_dir: got ~nobody-knows/d, and the home folder"),
        ("a: &a\n  b: *a\n", ":1: data_dir: missing"),
        (f"a0: &a0 [x]\n{DOUBLED}", f": {FLOOD}"),
        (f"{SMALLEST}a0: &a0 {{k: v}}\n{DOUBLED.replace('[', '{<<: [').replace(']', ']}')}", f": {FLOOD}"),
        (f"stations: &a0 [x]\n{DOUBLED.replace('a60: ', 'stations: ')}", f": {FLOOD}"),
        ("data_dir: 2026-02-30\n", ": not valid YAML: day is out of range for month"),
        (f"data_dir: {'9' * 5000}\n", ": not valid YAML: Exceeds the limit"),
        (f"data_dir: {'[' * 5000}\n", ": not valid YAML: maximum recursion depth exceeded"),
        ("data_dir: [\n", ": not valid YAML: line 2, column 1: while parsing a flow "),
        ("just a word", ": got str, expected keys and values"),
        ("", ": got nothing, expected keys and values"),
    ],
)
def test_every_mistake_is_one_line_with_its_key(text: str, told: str, tmp_path: Path) -> None:
    assert complaint(tmp_path, text).startswith(told)


def test_anchors_and_merge_keys_give_many_stations_what_they_share(tmp_path: Path) -> None:
    more = "".join(f"  - {{<<: *shared, id: plant/hall1/line1/more{number}, queue: *queue}}\n" for number in range(300))
    text = SMALLEST.replace("  - id:", "  - &shared\n    queue: &queue {capacity: 3}\n    id:") + more
    (tmp_path / "inspector.yaml").write_text(text)
    stations = settings.load(tmp_path / "inspector.yaml", environment={}).stations
    assert len(stations) == 301
    assert {(station.bank, station.queue.capacity) for station in stations} == {(stations[0].bank, 3)}


def test_a_variable_is_no_way_around_the_bound_of_aliases(tmp_path: Path) -> None:
    (tmp_path / "inspector.yaml").write_text(SMALLEST)
    levels = ", ".join(f"&a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 30))
    with pytest.raises(SettingsError, match=r"environment: INSPECTOR_STATIONS: not YAML: its aliases repeat"):
        settings.load(tmp_path / "inspector.yaml", environment={"INSPECTOR_STATIONS": f"[&a0 [x], {levels}]"})


def test_a_mistake_in_a_station_is_no_second_one_of_the_list(tmp_path: Path) -> None:
    said = complaint(tmp_path, SMALLEST.replace("cam1", "+"))
    assert "stations[0].id" in said
    assert "more)" not in said


def test_several_mistakes_are_counted(tmp_path: Path) -> None:
    assert complaint(tmp_path, SMALLEST + "a: 1\nb: 2\n").endswith("(and 1 more)")


def test_a_file_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file"):
        settings.load(tmp_path / "none.yaml")


def test_a_file_of_sqlite_is_relative_to_the_settings(tmp_path: Path) -> None:
    def url(said: str) -> str:
        return settings.load(written(tmp_path, SMALLEST + f"database: {said}\n")).database_url

    assert url("sqlite:///data/x.sqlite3") == f"sqlite:///{tmp_path}/data/x.sqlite3"
    assert url("sqlite:////var/x.sqlite3?timeout=9") == "sqlite:////var/x.sqlite3?timeout=9"
    assert url("postgresql://u:p@host/x") == "postgresql://u:p@host/x"


def test_metrics_for_others_need_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a long secret\n")
    loaded = settings.load(written(tmp_path, SMALLEST + "metrics: {host: 0.0.0.0, token_file: token}\n"))
    assert loaded.metrics.token_file is not None
    assert read_secret(loaded.metrics.token_file) == "a long secret"
    (tmp_path / "token").write_text("the first line\r\nand another\n")
    assert read_secret(loaded.metrics.token_file) == "the first line"
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbfsaved on Windows\r\n")
    assert read_secret(loaded.metrics.token_file) == "saved on Windows"
    (tmp_path / "token").write_text("\n")
    assert "is empty" in complaint(tmp_path, SMALLEST + "metrics: {token_file: token}\n")


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """As of a device: here it has one."""
    (tmp_path / "token").write_bytes(bytes(1_000_001))
    told = complaint(tmp_path, SMALLEST + "metrics: {token_file: token}\n")
    assert "has more than 1000000 characters, expected a secret's file" in told
    (tmp_path / "inspector.yaml").write_bytes(bytes(10_000_001))
    with pytest.raises(SettingsError, match="not valid YAML: it has more than 10 million characters"):
        settings.load(tmp_path / "inspector.yaml")


@pytest.fixture
def asked_anew() -> Iterator[None]:
    """A process asks for its zone once."""
    _own_zone.cache_clear()
    yield
    _own_zone.cache_clear()


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("named", ["Asia/Kolkata", ":Asia/Kolkata"])
def test_shifts_begin_by_the_zone_that_the_environment_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    monkeypatch.setenv("TZ", named)
    zone = settings.load(written(tmp_path, SMALLEST)).review.zone
    assert datetime.now(zone).utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.usefixtures("asked_anew")
@pytest.mark.parametrize("nowhere", ["", "Mars", "Asia", "/etc/localtime", "IST-5:30"])
def test_a_zone_of_no_name_is_the_machines_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: str) -> None:
    monkeypatch.delenv("TZ", raising=False)
    own = datetime.now(settings.load(written(tmp_path, SMALLEST)).review.zone).utcoffset()
    _own_zone.cache_clear()
    monkeypatch.setenv("TZ", nowhere)
    assert datetime.now(settings.load(written(tmp_path, SMALLEST)).review.zone).utcoffset() == own
