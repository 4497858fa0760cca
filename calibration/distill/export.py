"""From a trained student to the file that the package carries: half-precision arrays, and text beside them."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from calibration.backbones.builtin import NetSpec
from inspector.durable import write_file
from inspector.errors import BackboneError
from inspector.types import Float32Array

MAX_PARAMETERS = 4_000_000
MAX_BYTES = 6_000_000


def export_weights(path: Path, spec: NetSpec, arrays: Mapping[str, Float32Array], notes: Mapping[str, object]) -> str:
    """Writes `path` (safetensors, float16, architecture in its metadata) and the `.json` with its sha256 beside it.

    notes: what else the JSON file says: recipe and measured figures. Returns the digest.

    Raises:
        BackboneError: a value beyond half precision, or a net over the size that the package carries.
    """
    for name, array in arrays.items():
        if not np.all(np.abs(array) <= np.finfo(np.float16).max):
            raise BackboneError(f"backbone weights: array {name!r} does not fit half precision")
    halves = {name: np.ascontiguousarray(array.astype(np.float16)) for name, array in arrays.items()}
    payload = save(halves, {"spec": spec.to_json()})
    parameters = sum(half.size for half in halves.values())
    if parameters > MAX_PARAMETERS or len(payload) > MAX_BYTES:
        raise BackboneError(
            f"backbone weights: got {parameters} parameters in {len(payload)} bytes, "
            f"expected at most {MAX_PARAMETERS} in {MAX_BYTES}"
        )
    digest = hashlib.sha256(payload).hexdigest()
    card = {"file": path.name, "sha256": digest, "bytes": len(payload), "parameters": parameters, **notes}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, payload)
    write_file(path.with_suffix(".json"), (json.dumps(card, indent=2) + "\n").encode())
    return digest


def scaled_taps(arrays: Mapping[str, Float32Array], gains: Mapping[str, float]) -> dict[str, Float32Array]:
    """The arrays with each tap's map multiplied by its gain: how much a layer counts in the distance of patches."""
    return {name: array * np.float32(gains.get(name.partition(".")[0], 1.0)) for name, array in arrays.items()}


def shortened_taps(
    spec: NetSpec, arrays: Mapping[str, Float32Array], kept: Mapping[str, int]
) -> tuple[NetSpec, dict[str, Float32Array]]:
    """The net with only the first channels of each tap: those learn the target's largest principal components.

    kept: channels by tap; a tap that is not named, or has no more, keeps all.
    """
    shorter = spec.with_taps([min(tap.channels, kept.get(tap.name, tap.channels)) for tap in spec.taps])
    return shorter, {name: arrays[name][: shape[0]] for name, shape in shorter.shapes().items()}
