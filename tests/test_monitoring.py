"""What is shipped for Prometheus, Grafana, Docker and systemd fits the product: names, labels, anchors, files."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from inspector import settings
from inspector.line.daemon import STAGE_LABELS
from inspector.line.drift_watch import DriftWatch
from inspector.line.metrics import Metrics
from inspector.types import BankRef, StationId

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "configs" / "prometheus"
RULE_TESTS = sorted((PROMETHEUS / "tests").glob("*_test.yml"))
GRAFANA = ROOT / "configs" / "grafana"
DOCKER = ROOT / "docker"
SYSTEMD = ROOT / "configs" / "systemd"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))
STATION = "plant/hall1/line1/cam1"

Rule = dict[str, Any]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> CollectorRegistry:
    """All series of a daemon with one station."""
    metrics = Metrics([STATION], STAGE_LABELS)
    metrics.station_runs(STATION, BankRef("tile", "0" * 64), recipe="default", policy="every_frame")
    metrics.observe_queues(lambda: {STATION: (0, 0)})
    metrics.observe_disk(tmp_path_factory.mktemp("data"))
    metrics.observe_drift(DriftWatch([StationId.parse(STATION)]).figures)
    metrics.observe_certificates(lambda: {"broker": 1e9})
    return metrics.registry


@pytest.fixture(scope="module")
def series(registry: CollectorRegistry) -> dict[str, dict[str, set[str]]]:
    """Values of each label, by name of the series; buckets with theirs."""
    found: dict[str, dict[str, set[str]]] = {}
    for family in registry.collect():
        for sample in family.samples:
            labels = found.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return found


def rules() -> list[Rule]:
    files = sorted((PROMETHEUS / "rules").glob("*.yml"))
    return [rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]


def alerts() -> list[Rule]:
    return [rule for rule in rules() if "alert" in rule]


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield path.stem, panel


def expressions() -> list[tuple[str, str]]:
    """Where each query is, and the query."""
    found = [(rule.get("alert") or rule["record"], rule["expr"]) for rule in rules()]
    found += [(f"{name}: {p['title']}", target["expr"]) for name, p in panels() for target in p["targets"]]
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        found += [(f"{path.stem}: {note['name']}", note["expr"]) for note in board["annotations"]["list"][1:]]
        found += [(f"{path.stem}: ${v['name']}", v["definition"]) for v in board["templating"]["list"]]
    return found


def promtool(*arguments: str | Path, text: bytes | None = None) -> str:
    """Its output; fails the test where it finds fault, skips it where it is not installed."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed: apt-get install prometheus, or make setup")
    done = subprocess.run([program, *map(str, arguments)], input=text, capture_output=True, timeout=200)
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    return said


def test_the_metrics_keep_the_conventions(registry: CollectorRegistry) -> None:
    assert promtool("check", "metrics", text=generate_latest(registry)) == ""


def test_a_bank_that_took_over_is_the_only_one() -> None:
    metrics = Metrics([STATION], STAGE_LABELS)
    for digest in ("a" * 64, "b" * 64):
        metrics.station_runs(STATION, BankRef("tile", digest), recipe="default", policy="every_frame")
    exposed = generate_latest(metrics.registry).decode()
    assert re.findall(r'^inspector_bank_info\{.*digest="(\w)', exposed, re.MULTILINE) == ["b"]
    assert exposed.count("inspector_station_info{") == 1


def test_a_disk_that_is_gone_is_no_reason_to_tell_nothing(tmp_path: Path) -> None:
    metrics = Metrics([STATION], STAGE_LABELS)
    metrics.observe_disk(tmp_path / "gone")
    exposed = generate_latest(metrics.registry).decode()
    assert "inspector_disk" not in exposed
    assert "inspector_frames_received_total" in exposed


def test_prometheus_takes_the_configuration(tmp_path: Path) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    (tmp_path / "prometheus" / "metrics-token").write_text("secret\n")
    said = promtool("check", "config", tmp_path / "prometheus" / "prometheus.yml")
    assert "SUCCESS: 2 rule files found" in said
    assert "WARNING" not in said


@pytest.mark.parametrize("path", RULE_TESTS, ids=lambda path: path.stem)
def test_the_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    assert promtool("test", "rules", path).count("SUCCESS") == 1


def test_each_alert_has_a_rule_test() -> None:
    texts = "".join(path.read_text() for path in RULE_TESTS)
    assert [alert["alert"] for alert in alerts() if alert["alert"] not in texts] == []


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    names = [alert["alert"] for alert in alerts()]
    headings = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbooks.md").read_text(), re.MULTILINE)
    assert headings == names
    for alert in alerts():
        assert alert["annotations"]["runbook"] == f"docs/runbooks.md#{alert['alert'].lower()}"
        assert set(alert["annotations"]) == {"summary", "description", "runbook"}
        assert alert["labels"]["severity"] in ("critical", "warning", "info")


def test_each_reason_of_an_error_is_in_its_runbook(series: dict[str, dict[str, set[str]]]) -> None:
    text = (ROOT / "docs" / "runbooks.md").read_text()
    section = text.partition("## InspectorFramesUnreadable\n")[2].partition("\n## ")[0]
    reasons = series["inspector_frames_rejected_total"]["reason"] - {"unknown_station"}
    assert {reason for reason in reasons if f"`{reason}`" not in section} == set()


@pytest.mark.parametrize(("where", "expr"), expressions(), ids=lambda value: str(value)[:40])
def test_each_query_names_series_that_exist(where: str, expr: str, series: dict[str, dict[str, set[str]]]) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(re.findall(r"\binspector:[\w:]+", expr)) <= recorded
    everywhere = {"job", "instance", "stage", "le"}.union(*series.values())
    for name, matchers in re.findall(r"\b((?:inspector|process)_\w+)(?:\{([^}]*)\})?", expr):
        assert name in series, f"{where}: no series {name}"
        for label, sign, value in re.findall(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"', matchers):
            if label in ("job", "instance"):
                continue
            assert label in series[name], f"{where}: {name} has no label {label}"
            if label != "station" and sign in ("=", "!="):
                assert value in series[name][label] | {"freshest"}, f"{where}: no {label} {value}"
    for labels in re.findall(r"\b(?:by|on) \(([^)]*)\)", expr):
        assert {label.strip() for label in labels.split(",")} <= everywhere, where


def test_the_dashboards_can_be_provisioned() -> None:
    assert [path.stem for path in DASHBOARDS] == ["fleet", "line", "station"]
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/inspector.yml").read_text())["providers"][0]
    grafana = yaml.safe_load((DOCKER / "compose.yaml").read_text())["services"]["grafana"]
    assert f"../configs/grafana/dashboards:{provider['options']['path']}:ro" in grafana["volumes"]
    for path in DASHBOARDS:
        board = json.loads(path.read_text())
        assert board["uid"] == f"inspector-{path.stem}"
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
        for panel in board["panels"]:
            assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}
            assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_no_panel_covers_another() -> None:
    taken: set[tuple[str, int, int]] = set()
    for name, panel in panels():
        at = panel["gridPos"]
        cells = {(name, at["x"] + i, at["y"] + j) for i in range(at["w"]) for j in range(at["h"])}
        assert not cells & taken, f"{name}: {panel['title']}"
        taken |= cells


def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    return content


def test_compose_names_only_what_it_declares() -> None:
    file = compose()
    assert set(file) <= {"name", "services", "networks", "volumes", "secrets", "x-guarded"}
    for name, service in file["services"].items():
        assert set(service.get("depends_on", [])) <= set(file["services"]), name
        assert set(service["networks"]) <= set(file["networks"]), name
        used = {s if isinstance(s, str) else s["source"] for s in service.get("secrets", [])}
        assert used <= set(file["secrets"]), name
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert source == "../banks" or (DOCKER / source).exists(), f"{name}: {source}"
            else:
                assert source in file["volumes"], f"{name}: {source}"
        if "build" in service:
            assert (ROOT / service["build"]["dockerfile"]).is_file(), name
        else:
            assert not service["image"].endswith(":latest}"), name


def test_every_container_is_locked_down() -> None:
    for name, service in compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(service), name


def test_no_port_is_open_that_asks_for_no_password() -> None:
    open_ports = {name: s["ports"] for name, s in compose()["services"].items() if "ports" in s}
    assert open_ports == {
        "broker": ["8883:8883"],
        "grafana": ["127.0.0.1:3000:3000"],
        "inspector": ["8108:8108", "127.0.0.1:9108:9108"],
    }
    daemon = yaml.safe_load((DOCKER / "inspector.yaml").read_text())
    assert daemon["metrics"]["port"] == 9108, "what runbooks ask, and the upgrade"
    assert daemon["metrics"]["token_file"]
    review = daemon["review"]
    assert review["cert_file"]
    assert review["key_file"]
    assert compose()["networks"]["watch"] == {"internal": True}


def test_prometheus_reaches_what_is_not_on_the_box() -> None:
    """The plant's Alertmanager, and daemons of other boxes."""
    file = compose()
    outward = {name for name, network in file["networks"].items() if not network.get("internal")}
    assert outward & set(file["services"]["prometheus"]["networks"])


def test_compose_is_taken_by_docker(tmp_path: Path) -> None:
    """Where its plugin is installed, or its forerunner, which knows no `name`."""
    shutil.copytree(DOCKER, tmp_path / "docker", ignore=shutil.ignore_patterns("secrets"))
    file = tmp_path / "docker" / "compose.yaml"
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) and ran(*command, "version").returncode == 0:
            if command == ["docker-compose"]:
                file.write_text(file.read_text().replace("name: inspector\n", "", 1))
            done = ran(*command, "-f", str(file), "config", "-q")
            assert done.returncode == 0, done.stderr
            return
    pytest.skip("neither the compose plugin of docker nor docker-compose is installed")


def test_shellcheck_finds_nothing() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    done = ran("shellcheck", str(DOCKER / "prepare.sh"))
    assert done.returncode == 0, done.stdout


def ran(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def instructions(path: Path) -> list[tuple[str, str]]:
    """Keyword and rest of each instruction of a Dockerfile."""
    text = re.sub(r"^\s*#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines()) if word]


@pytest.mark.parametrize("name", ["Dockerfile", "mosquitto.Dockerfile"])
def test_images_are_pinned_and_run_as_nobody_special(name: str) -> None:
    found = instructions(DOCKER / name)
    assert {word for word, _ in found} <= {
        *("ARG", "FROM", "RUN", "COPY", "ENV", "USER", "WORKDIR", "VOLUME", "EXPOSE", "HEALTHCHECK"),
        *("ENTRYPOINT", "CMD"),
    }
    users = [rest for word, rest in found if word == "USER"]
    assert users
    assert "root" not in users
    assert not [rest for word, rest in found if word == "FROM" and (":latest" in rest or "/" in rest)]
    for word, rest in found:
        if word in ("CMD", "ENTRYPOINT"):
            assert isinstance(json.loads(rest), list)
        if word == "RUN" and "apt-get install" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists" in rest


def test_the_runtime_image_copies_what_exists_and_installs_no_torch() -> None:
    found = instructions(DOCKER / "Dockerfile")
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().split()
    for word, rest in found:
        if word == "COPY" and not rest.startswith("--from"):
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists()
                assert f"!{source}" in ignored
    installs = [rest for word, rest in found if word == "RUN" and " install " in rest and "pip" in rest]
    assert [rest.split()[-1] for rest in installs] == ['".[bank,postgres,review]"', '".[calibrate]"']
    assert all("--constraint constraints.txt" in rest for rest in installs)
    assert found[-1] == ("CMD", '["run", "-c", "/etc/inspector/inspector.yaml"]')


def test_the_settings_of_compose_are_settings(tmp_path: Path) -> None:
    text = (DOCKER / "inspector.yaml").read_text()
    service = compose()["services"]["inspector"]
    for secret in re.findall(r"/run/secrets/([\w-]+)", text):
        assert secret in service["secrets"]
        (tmp_path / secret).write_text("secret\n")
    (tmp_path / "inspector.yaml").write_text(text.replace("/run/secrets", str(tmp_path)))
    loaded = settings.load(tmp_path / "inspector.yaml")
    assert loaded.broker.host in compose()["services"]
    targets = yaml.safe_load((PROMETHEUS / "targets" / "inspector.yml").read_text())
    assert targets == [{"targets": [f"inspector:{loaded.metrics.port}"]}]


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    units = []
    for unit in sorted(SYSTEMD.glob("*.service")):
        here = tmp_path / unit.name.replace("@", "@cam1")
        text = unit.read_text().replace("/opt/inspector/bin/inspector", shutil.which("true") or "/bin/true")
        here.write_text(re.sub(r"^(User|Group)=.*\n", "", text, flags=re.MULTILINE))
        units.append(str(here))
    done = subprocess.run([program, "verify", *units], capture_output=True, timeout=100)
    assert (done.returncode, done.stderr.decode()) == (0, "")


@pytest.mark.parametrize("unit", sorted(SYSTEMD.glob("*.service")), ids=lambda unit: unit.name)
def test_no_unit_opens_the_folders_of_the_daemon_to_others(unit: Path) -> None:
    """systemd sets the mode of a state folder at each start, to 0755 when not told otherwise."""
    said = dict(line.split("=", 1) for line in unit.read_text().splitlines() if "=" in line and line[0] != "#")
    folders = {key for key in ("StateDirectory", "ConfigurationDirectory") if key in said}
    assert "StateDirectory" in folders
    assert {key: said.get(f"{key}Mode") for key in folders} == dict.fromkeys(folders, "0750")
