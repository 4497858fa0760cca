"""What is published about frames and stations, as JSON; `schemas/` says of what form."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Literal

from inspector.contract.raw_frame import RawFrame
from inspector.errors import FrameError
from inspector.types import BankRef, StationId, Verdict

VERDICT_SCHEMA = "inspector.verdict/1"
ERROR_SCHEMA = "inspector.error/1"
DRIFT_SCHEMA = "inspector.drift/1"


def schema(name: Literal["frame", "verdict", "error", "drift"]) -> dict[str, Any]:
    """The JSON Schema of the frame envelope, the verdict, the error or the drift."""
    text = resources.files("inspector").joinpath("schemas", f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def timestamp(moment: datetime | None) -> str | None:
    """UTC in RFC 3339 with microseconds: `2026-03-01T08:00:00.125000Z`."""
    if moment is None:
        return None
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def heatmap_properties(frame_id: str, result_id: str) -> list[tuple[str, str]]:
    """What `/heatmap` says beside its PNG, with MQTT 5. Brokers end the connection on a property with control
    characters, which an envelope may have: then the result's id stands alone.
    """
    said = {"frame_id": frame_id, "result_id": result_id}
    return [(name, value) for name, value in said.items() if value.isprintable()]


def verdict_json(verdict: Verdict) -> bytes:
    """What `/verdict` carries."""
    return compact(
        {
            "schema": VERDICT_SCHEMA,
            "result_id": verdict.result_id,
            "station": str(verdict.station),
            "frame_id": verdict.frame_id,
            "seq": verdict.seq,
            "part_id": verdict.part_id,
            "lot": verdict.lot,
            "recipe": verdict.recipe,
            "decision": verdict.decision.value,
            "reason": verdict.reason,
            "score": verdict.score,
            "thresholds": {
                "ok": verdict.thresholds.ok,
                "ng": verdict.thresholds.ng,
                "pixel": verdict.thresholds.pixel,
            },
            "p_value": verdict.p_value,
            "regions": [
                {"x": r.x, "y": r.y, "width": r.width, "height": r.height, "area": r.area, "score": r.score}
                for r in verdict.regions
            ],
            "bank": {"id": verdict.bank.id, "digest": verdict.bank.digest},
            "captured_at": timestamp(verdict.captured_at),
            "received_at": timestamp(verdict.received_at),
            "decided_at": timestamp(verdict.decided_at),
            "stage_ms": {stage: round(ms, 3) for stage, ms in verdict.stage_ms.items()},
            "drift": list(verdict.drift),
            "check": None
            if verdict.expected is None
            else {"expected": verdict.expected, "passed": verdict.expected.met_by(verdict.decision)},
        }
    )


def drift_json(
    station: StationId,
    *,
    state: str,
    since: datetime,
    frames: int,
    bank: BankRef | None,
    signals: Mapping[str, Mapping[str, object]],
) -> bytes:
    """What `/drift` carries. since: when a state changed last. frames: how many the charts have seen."""
    return compact(
        {
            "schema": DRIFT_SCHEMA,
            "station": str(station),
            "state": state,
            "since": timestamp(since),
            "frames": frames,
            "bank": None if bank is None else {"id": bank.id, "digest": bank.digest},
            "signals": signals,
        }
    )


def error_json(
    error: FrameError,
    station: str,
    raw: RawFrame,
    *,
    result_id: str,
    received_at: datetime,
    decided_at: datetime,
    quarantine_id: str | None,
) -> bytes:
    """What `/error` carries: why, and what is known of the frame. quarantine_id: None, bytes not kept."""
    return compact(
        {
            "schema": ERROR_SCHEMA,
            "result_id": result_id,
            "station": station,
            "frame_id": raw.frame_id,
            "part_id": raw.text("part_id"),
            "lot": raw.text("lot"),
            "expected": raw.expected,
            "decision": "error",
            "reason": error.reason,
            "message": str(error),
            "sha256": raw.sha256,
            "bytes": len(raw.image),
            "quarantine_id": quarantine_id,
            "received_at": timestamp(received_at),
            "decided_at": timestamp(decided_at),
        }
    )


def compact(value: Mapping[str, Any]) -> bytes:
    """JSON without blanks, in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
