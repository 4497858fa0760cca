"""A real Prometheus with the shipped rules, in which minutes take a second."""

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from services import DEADLINE_S, listening, wait_until

from inspector.demo.port import free_port
from inspector.types import StationId

RULES = Path(__file__).parents[2] / "configs" / "prometheus" / "rules"

LIMITS = {"inspector:takt_seconds": 0.25, "inspector:silence_seconds": 4, "inspector:review_backlog_frames": 50}
"""Of the plant in this test."""

SHORTENED = {
    "[1h]": "[4s]",
    "[7d] offset 1h": "[12s] offset 4s",
    ">= 1440": ">= 10",
    "[8h]": "[8s]",
    "[12h:1m]": "[10m:1s]",
    "/ 60)": "/ 8)",
    "increase1h > 100": "increase1h > 10",
    "[1d]) < 600": "[1d]) < 10",
    "gaps_total > 0\n  and on (job, instance) time() - process_start_time_seconds < 600": (
        "gaps_total > 0\n  and on (job, instance) time() - process_start_time_seconds < 10"
    ),
}
"""A week of production in twelve seconds, a shift in eight, an hour in four: of eight points, as it has sixty there."""


class Prometheus:
    """A real one, on a free port of the loopback, with the shipped rules in short."""

    def __init__(self, folder: Path, *, target: int, also: Mapping[str, str] | None = None) -> None:
        """also: what else is replaced in the rules."""
        self.port = free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "rules").mkdir(parents=True)
        for path in RULES.glob("*.yml"):
            rules = yaml.safe_dump(shortened(yaml.safe_load(path.read_text())), width=10_000)
            for long, short in (also or {}).items():
                rules = rules.replace(long, short)
            (folder / "rules" / path.name).write_text(rules)
        scrape = {"job_name": "inspector", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        every = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        settings = {"global": every, "rule_files": ["rules/*.yml"], "scrape_configs": [scrape]}
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))

    def start(self) -> None:
        options = {
            "config.file": self._folder / "prometheus.yml",
            "storage.tsdb.path": self._folder / "data",
            "web.listen-address": f"127.0.0.1:{self.port}",
        }
        with (self._folder / "prometheus.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["prometheus", *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log
            )
        wait_until(lambda: listening(self.port) or not self.running, "prometheus listens")
        assert self.running, (self._folder / "prometheus.log").read_text()

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_S)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The instant vector; what Prometheus finds wrong is an error of the test."""
        found: list[dict[str, Any]] = self._ask("query", query=expression)["result"]
        return found

    def sick_rules(self) -> list[str]:
        """Rules that cannot be evaluated, and why."""
        return [
            f"{rule['name']}: {rule.get('lastError')}"
            for group in self._ask("rules")["groups"]
            for rule in group["rules"]
            if rule["health"] != "ok"
        ]

    def _ask(self, what: str, **parameters: str) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.port}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            said = json.load(answer)
        assert said["status"] == "success", said
        data: dict[str, Any] = said["data"]
        return data

    def firing(self) -> set[tuple[str, str]]:
        """Name and station (or none) of what fires."""
        return {
            (one["metric"]["alertname"], one["metric"].get("station", ""))
            for one in self.query('ALERTS{alertstate="firing"}')
        }

    def wait_for(self, alert: str, station: StationId | str = "") -> None:
        self._wait(lambda: (alert, str(station)) in self.firing(), f"{alert} fires for {station or 'the daemon'}")

    def wait_for_end(self, alert: str) -> None:
        self._wait(lambda: alert not in {name for name, _ in self.firing()}, f"{alert} has ended")

    def wait_for_data(self, expression: str) -> None:
        self._wait(lambda: self.query(expression), f"data of {expression}")

    def _wait(self, condition: Callable[[], object], what: str) -> None:
        wait_until(lambda: time.sleep(0.2) or condition(), what)  # type: ignore[func-returns-value]


def shortened(content: dict[str, Any]) -> dict[str, Any]:
    """The same rules, in a second instead of minutes."""
    for group in content["groups"]:
        group["interval"] = "500ms"
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
            if rule.get("record") in LIMITS:
                rule["expr"] = f"0 * inspector_queue_capacity + {LIMITS[rule['record']]}"
            for long, short in SHORTENED.items():
                rule["expr"] = rule["expr"].replace(long, short)
            rule["expr"] = re.sub(r"\[(2m|5m|10m|15m)\]", "[10s]", rule["expr"])
            rule["expr"] = rule["expr"].replace("offset 15m", "offset 10s").replace("> 600", "> 15")
            rule["expr"] = rule["expr"].replace("inspector_outbox_depth > 100", "inspector_outbox_depth > 10")
    return content
