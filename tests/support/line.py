"""A line for tests: drawn parts, cameras that publish them, a PLC that listens, and the daemon as a real process."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import cv2
import jsonschema
import numpy as np
import yaml
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from prometheus_client.parser import text_string_to_metric_families
from services import DEADLINE_S, answered, listening, wait_until

from inspector import contract
from inspector.demo.port import free_port
from inspector.types import FrameMessage, StationId

CAM1 = StationId.parse("plant/hall1/line1/cam1")
CAM2 = StationId.parse("plant/hall1/line1/cam2")


def drawn_part(seed: int, *, scratched: bool = False) -> bytes:
    """A grey disc on a plate, PNG, a little different for each seed."""
    rng = np.random.default_rng(seed)
    picture = np.full((96, 96, 3), 120, np.uint8)
    cv2.circle(picture, (48 + int(rng.integers(-2, 3)), 48), 30, (190, 170, 150), -1)
    if scratched:
        cv2.line(picture, (30, 30), (66, 60), (10, 10, 10), 4)
    noisy = np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)
    return bytes(cv2.imencode(".png", noisy)[1])


def changed(seed: int, *, light: float = 1.0, noise: float = 0.0, scratched: bool = False) -> bytes:
    """A drawn part under another lamp, or with a worse sensor."""
    part = cv2.imdecode(np.frombuffer(drawn_part(seed, scratched=scratched), np.uint8), cv2.IMREAD_COLOR)
    noisy = part * light + np.random.default_rng(seed).normal(0, noise, part.shape)
    return bytes(cv2.imencode(".png", np.clip(noisy, 0, 255).astype(np.uint8))[1])


def frame(seed: int, *, station: StationId = CAM1, prefix: str = "f", **changes: Any) -> FrameMessage:
    """A frame of a good part, as a camera would send it."""
    message = FrameMessage(
        station=station,
        frame_id=f"{prefix}-{seed}",
        payload=drawn_part(seed),
        sha256="",
        seq=seed,
        captured_at=datetime.now(UTC),
        part_id=f"part-{seed}",
    )
    return replace(message, **changes)


class Camera:
    """Publishes with QoS 1, and waits until the broker has it. MQTT 5, or 3.1.1 with envelopes."""

    def __init__(self, port: int, *, version: str = "5", prepare: Callable[[Client], None] | None = None) -> None:
        self._v5 = version == "5"
        self._client = _client(self._v5, prepare)
        self._client.max_queued_messages_set(0)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        wait_until(self._client.is_connected, "the camera is connected")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, *frames: FrameMessage) -> None:
        """Frames that keep the contract."""
        sent = []
        for message in frames:
            topic = contract.station_topic(message.station, "frame")
            if self._v5:
                sent.append(self._publish(topic, message.payload, contract.frame_properties(message)))
            else:
                sent.append(self._publish(topic, contract.frame_envelope(message), []))
        for info in sent:
            info.wait_for_publish(DEADLINE_S)

    def send_raw(
        self,
        topic: str,
        payload: bytes,
        properties: Sequence[tuple[str, str]] = (),
        *,
        retain: bool = False,
        payload_format: int | None = None,
    ) -> None:
        """Anything; payload_format: also one that MQTT does not know."""
        info = self._publish(topic, payload, properties, retain=retain, payload_format=payload_format)
        info.wait_for_publish(DEADLINE_S)

    def pour(self, topics: Iterable[str], payload: bytes) -> None:
        """Anything to many topics, all of it on its way before the broker has the first."""
        for info in [self._publish(topic, payload, []) for topic in topics]:
            info.wait_for_publish(DEADLINE_S)

    def _publish(
        self,
        topic: str,
        payload: bytes,
        properties: Sequence[tuple[str, str]],
        *,
        retain: bool = False,
        payload_format: int | None = None,
    ) -> Any:
        said = None
        if self._v5:
            said = Properties(PacketTypes.PUBLISH)
            said.UserProperty = list(properties)
            if payload_format is not None:
                object.__setattr__(said, "PayloadFormatIndicator", payload_format)  # past the client's own check
        info = self._client.publish(topic, payload, 1, retain, said)
        assert info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        return info


class Plc:
    """Listens to everything below the root except frames, and checks it against the schemas."""

    def __init__(self, port: int, *, version: str = "5", prepare: Callable[[Client], None] | None = None) -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.properties: list[dict[str, str]] = []
        self.unschematic: list[str] = []
        self._client = _client(version == "5", prepare)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [(f"{contract.ROOT}/+/+/+/+/{kind}", 1) for kind in ("verdict", "error", "heatmap", "drift")]
            + [(f"{contract.ROOT}/_inspector/#", 1)]
        )
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._note
        self._client.reconnect_delay_set(1, 1)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(DEADLINE_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()
        assert not self.unschematic

    def _note(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        kind = message.topic.rsplit("/", 1)[-1]
        if kind in _VALIDATORS:
            try:
                _VALIDATORS[kind].validate(json.loads(message.payload))
            except jsonschema.ValidationError as error:
                self.unschematic.append(f"{message.topic}: {error.message}")
        self.properties.append(dict(getattr(message.properties, "UserProperty", ())))
        self.messages.append((message.topic, bytes(message.payload), message.retain))

    def documents(self, kind: str, station: StationId | None = None) -> list[dict[str, Any]]:
        """What was published as `verdict` or `error`, in order."""
        wanted = f"{contract.ROOT}/{station or ''}"
        return [json.loads(p) for t, p, _ in self.messages if t.startswith(wanted) and t.endswith(f"/{kind}")]

    def last(self, topic: str) -> bytes | None:
        """The last payload of a topic."""
        return next((p for t, p, _ in reversed(self.messages) if t == topic), None)

    def answered(self) -> dict[str, int]:
        """How many verdicts and errors came, by frame id."""
        return Counter(d["frame_id"] for kind in ("verdict", "error") for d in self.documents(kind))

    def request(self, topic: str, answer_to: str, *, qos: int = 1, retain: bool = False, listen: bool = True) -> None:
        """Asks for an answer, as MQTT 5 does."""
        if listen:
            self._client.subscribe(answer_to, 1)
        said = Properties(PacketTypes.PUBLISH)
        said.ResponseTopic = answer_to
        said.CorrelationData = b"42"
        self._client.publish(topic, b"", qos, retain, said).wait_for_publish(DEADLINE_S)


_VALIDATORS = {
    "verdict": jsonschema.Draft202012Validator(contract.schema("verdict")),
    "error": jsonschema.Draft202012Validator(contract.schema("error")),
    "drift": jsonschema.Draft202012Validator(contract.schema("drift")),
}


def _client(v5: bool, prepare: Callable[[Client], None] | None) -> Client:
    protocol = MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311
    client = Client(CallbackAPIVersion.VERSION2, protocol=protocol)
    if prepare is not None:
        prepare(client)
    return client


class Daemon:
    """The daemon as a process of its own; killed at the end of the block if it still runs."""

    def __init__(
        self, folder: Path, *, port: int, bank: Path, program: Sequence[str] = ("-m", "inspector", "run", "-c")
    ) -> None:
        self.folder = folder
        self.http = free_port()
        self.log = folder / "daemon.log"
        self.settings: dict[str, Any] = {
            "broker": {"port": port},
            "data_dir": "data",
            "metrics": {"port": self.http},
            "stations": [{"id": str(CAM1), "bank": str(bank)}],
        }
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _t: type[BaseException] | None, _e: BaseException | None, _b: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, *, ready: bool = True, **environment: str) -> Self:
        """Starts it, and by default waits until it is ready."""
        path = self.folder / "inspector.yaml"
        path.write_text(yaml.safe_dump(self.settings))
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *self._program, str(path)], stderr=log, env={**os.environ, **environment}
            )
        if ready:
            wait_until(lambda: self.ready() or not self.running, "the daemon is ready")
            assert self.running, self.log.read_text()
        return self

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(DEADLINE_S)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def terminate(self) -> int:
        """SIGTERM, and its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """Until it ends by itself."""
        assert self._process is not None
        return self._process.wait(DEADLINE_S)

    def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body of a request; 0 where nothing listens."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.http}{path}", headers=headers)
        try:
            return answered(request)
        except OSError:
            return 0, ""

    def ready(self) -> bool:
        return listening(self.http) and self.get("/readyz")[0] == 200

    def faults(self) -> dict[str, str]:
        faults: dict[str, str] = json.loads(self.get("/readyz")[1])["faults"]
        return faults

    def metric(self, name: str, **labels: str) -> float:
        """The sum over the series with these labels."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics")[1])
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        assert found, f"no series {name} {labels}"
        return sum(found)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.folder / "data" / "ledger.sqlite3", timeout=10)) as connection:
            yield connection

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query of the ledger gives."""
        with self.database() as connection:
            return connection.execute(query).fetchall()

    def logged(self, message: str) -> list[dict[str, Any]]:
        """The log lines with this message."""
        written = self.log.read_text().rpartition("\n")[0]  # of the last line there may be a part
        lines = (json.loads(line) for line in written.splitlines() if line.startswith("{"))
        return [line for line in lines if line["message"] == message]


def agrees(daemon: Daemon, station: StationId = CAM1) -> None:
    """Received = verdicts + errors + drops, and the ledger says the same, for a daemon that was started once."""
    name = str(station)
    wait_until(lambda: daemon.metric("inspector_frames_in_flight", station=name) == 0, "nothing is in flight")
    received = daemon.metric("inspector_frames_received_total", station=name)
    parts = {
        "verdict": daemon.metric("inspector_verdicts_total", station=name),
        "error": daemon.metric("inspector_frames_rejected_total", station=name),
        "drop": daemon.metric("inspector_frames_dropped_total", station=name),
    }
    assert received == sum(parts.values())
    rows = daemon.rows(
        f"SELECT outcome, count(*), sum(duplicates) FROM frames WHERE station = '{name}' GROUP BY outcome"
    )
    ledger = {outcome: count for outcome, count, _ in rows}
    repeated = sum(repeats for _, _, repeats in rows)
    assert parts == {
        "verdict": ledger.get("verdict", 0) + ledger.get("check", 0),
        "error": ledger.get("error", 0),
        "drop": ledger.get("drop", 0) + repeated,
    }
