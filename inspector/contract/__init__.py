"""The MQTT contract, without MQTT: topics, the message around an image, and what is published about it.

    inspector/v1/{site}/{area}/{line}/{station}/frame    in: an image with v5 properties, or a JSON envelope
    inspector/v1/{site}/{area}/{line}/{station}/verdict  out
    inspector/v1/{site}/{area}/{line}/{station}/error    out: what could not be inspected, and why
    inspector/v1/{site}/{area}/{line}/{station}/heatmap  out: PNG, on request; v5 properties frame_id, result_id
    inspector/v1/{site}/{area}/{line}/{station}/drift    out, retained: whether its pictures are still like the normals
    inspector/v1/_inspector/{instance}/status            out, retained: online, stopped or offline
    inspector/v1/_inspector/{instance}/info              out, retained: version, machine, what each station runs
    inspector/v1/_inspector/{instance}/health            out, retained: faults, warnings, queues, drift
    inspector/v1/_inspector/{instance}/cmd/{command}     in: ping, health or reload, with MQTT 5 and a Response Topic
    inspector/v1/_inspector/{instance}/reply/...         out: the answer, where the Response Topic is there

`schemas/` holds the JSON Schema of the envelope, the verdict, the error and the drift.
"""

from inspector.contract.documents import drift_json, error_json, heatmap_properties, schema, timestamp, verdict_json
from inspector.contract.frame_message import check, frame_envelope, frame_properties
from inspector.contract.raw_frame import FRAME_PROPERTIES, RawFrame, unpack
from inspector.contract.topics import ALL_FRAMES, ROOT, instance_topic, station_topic

__all__ = [
    "ALL_FRAMES",
    "FRAME_PROPERTIES",
    "ROOT",
    "RawFrame",
    "check",
    "drift_json",
    "error_json",
    "frame_envelope",
    "frame_properties",
    "heatmap_properties",
    "instance_topic",
    "schema",
    "station_topic",
    "timestamp",
    "unpack",
    "verdict_json",
]
