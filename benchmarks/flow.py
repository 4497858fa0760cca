"""Frames through the real thing: mosquitto, `inspector run`, `inspector camera`, a subscriber in the PLC's place."""

import json
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.ours import command
from benchmarks.report import spread
from inspector.contract import station_topic
from inspector.demo.broker import running_broker
from inspector.demo.daemon import RunningDaemon, running_daemon
from inspector.demo.port import HOST, free_port
from inspector.demo.scene import Position, write_settings
from inspector.pipeline import STAGES
from inspector.types import StationId

STATION = StationId("bench", "hall1", "line1", "cam1")

_WITHIN_S = 120.0


@dataclass
class Verdicts:
    """What a subscriber heard, with the moment at which it heard it."""

    heard: list[tuple[datetime, dict[str, Any]]] = field(default_factory=list)

    def wait_for(self, count: int) -> None:
        """Returns when so many were heard.

        Raises:
            RuntimeError: they did not come.
        """
        end = time.monotonic() + _WITHIN_S
        while len(self.heard) < count:
            if time.monotonic() > end:
                raise RuntimeError(f"flow: {len(self.heard)} of {count} verdicts after {_WITHIN_S:.0f} s")
            time.sleep(0.01)


def through_daemon(folder: Path, bank: Path, frames: Path, *, count: int, fps: float) -> dict[str, Any]:
    """A run at a rate that leaves the daemon idle between frames, then one as fast as it goes.

    folder: where broker and daemon live. bank: below `folder`. frames: a folder of pictures, shown again and again.
    """
    position = Position("bench", STATION, bank)
    with running_broker(folder, "mosquitto") as broker, ExitStack() as stack:
        port = free_port()
        config = write_settings(folder, [position], broker=broker.settings, metrics_port=port)
        daemon = stack.enter_context(running_daemon(folder, config, metrics_port=port))
        verdicts = stack.enter_context(subscribed(broker.port))
        ready = {"ready_s": daemon.seconds, "rss_ready_mb": resident_mb(daemon.process.pid)}
        at = ["--broker", f"{HOST}:{broker.port}", "--station", STATION, "--loop"]
        command("camera", frames, *at, "--count", 20, "--fps", fps)  # what is slow only once is not counted
        verdicts.wait_for(20)
        paced = _paced(daemon, verdicts, [frames, *at, "--count", count, "--fps", fps])
        fast = _fast(verdicts, [frames, *at, "--count", count, "--fps", 0])
        return {**ready, "paced": {"fps": fps, **paced}, "fast": fast, "rss_mb": resident_mb(daemon.process.pid)}


def _paced(daemon: RunningDaemon, verdicts: Verdicts, camera: list[object]) -> dict[str, Any]:
    """What the daemon adds to the stages of the pipeline, on the average; and camera to subscriber."""
    before, since = _sums(daemon.url), len(verdicts.heard)
    sent = command("camera", *camera).document["published"]
    verdicts.wait_for(since + sent)
    after = _settled(daemon.url, int(before["count"]) + sent)
    spent = {name: (after[name] - before[name]) / sent * 1e3 for name in after if name != "count"}
    stages = sum(spent[stage] for stage in STAGES)
    heard = verdicts.heard[since:]
    return {
        "frames": sent,
        "stages_ms": {stage: spent[stage] for stage in STAGES},
        "pipeline_ms": stages,
        "received_to_durable_ms": spent["latency"],
        "daemon_adds_ms": spent["latency"] - stages,
        "of_which_queue_ms": spent["queue"],
        "camera_to_subscriber_ms": spread([_between(said["captured_at"], moment) for moment, said in heard]),
        "received_to_subscriber_ms": spread([_between(said["received_at"], moment) for moment, said in heard]),
        "adds_until_decided_ms": spread(
            [
                _between(said["received_at"], _time(said["decided_at"])) - sum(said["stage_ms"][s] for s in STAGES)
                for _, said in heard
            ]
        ),
    }


def _fast(verdicts: Verdicts, camera: list[object]) -> dict[str, Any]:
    """Frames a second from the first arrival to the last verdict at the subscriber, the camera on the same machine."""
    since = len(verdicts.heard)
    sent = command("camera", *camera).document["published"]
    verdicts.wait_for(since + sent)
    heard = verdicts.heard[since:]
    begin = min(_time(said["received_at"]) for _, said in heard)
    return {"frames": sent, "fps": sent / (max(moment for moment, _ in heard) - begin).total_seconds()}


@contextmanager
def subscribed(port: int) -> Iterator[Verdicts]:
    """Hears the verdicts and errors of STATION; an error is not foreseen here and ends the benchmark."""
    verdicts, ready = Verdicts(), threading.Event()
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench-plc", protocol=paho.MQTTv311)
    client.on_connect = lambda client, *_: _subscribe(client)
    client.on_subscribe = lambda *_: ready.set()
    client.on_message = lambda _client, _data, message: verdicts.heard.append(
        (datetime.now(UTC), json.loads(message.payload))
    )
    client.connect(HOST, port)
    client.loop_start()
    try:
        if not ready.wait(20):
            raise RuntimeError("flow: the broker took no subscription")
        yield verdicts
    finally:
        client.disconnect()
        client.loop_stop()


def _subscribe(client: paho.Client) -> None:
    client.subscribe(station_topic(STATION, "verdict"), qos=1)


def resident_mb(pid: int) -> float:
    """Memory that a process has now, MB."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in status if line.startswith("VmRSS")).split()[1]) / 1024


def _sums(url: str) -> dict[str, float]:
    """Of the daemon's metrics, seconds so far by stage and from arrival to durable, and of how many frames."""
    found = {}
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                if sample.name == "inspector_stage_duration_seconds_sum":
                    found[sample.labels["stage"]] = sample.value
                elif sample.name == "inspector_frame_latency_seconds_sum":
                    found["latency"] = sample.value
                elif sample.name == "inspector_frame_latency_seconds_count":
                    found["count"] = sample.value
    return found


def _settled(url: str, count: int) -> dict[str, float]:
    """The sums once so many frames are counted: a verdict may be heard a moment before it is."""
    end = time.monotonic() + 10
    while (sums := _sums(url))["count"] < count and time.monotonic() < end:
        time.sleep(0.05)
    return sums


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _between(begin: str, end: datetime) -> float:
    return (end - _time(begin)).total_seconds() * 1e3
