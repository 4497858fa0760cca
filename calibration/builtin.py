"""The built-in backbone: a plain CNN made for patch features, carried in the package as arrays and text.

The net is a chain of 3x3 convolutions with ReLU (the deployed form of a re-parameterised net: Ding et al., "RepVGG:
Making VGG-style ConvNets Great Again", CVPR 2021), with a linear 1x1 "tap" where the stride reaches 4, 8 and 16. It is
fully convolutional; a map of a picture of height h has `ceil(h / stride)` rows. Nothing here needs torch: OpenVINO
builds its graph from the arrays, and torch is imported only where `torch_features` is asked for.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load

from inspector.errors import BackboneError
from inspector.types import Float32Array

if TYPE_CHECKING:
    import openvino as ov
    from torch import nn

FORMAT = "inspector-backbone/1"
LAYERS = ("stride4", "stride8", "stride16")
_REMEDY = "reinstall the package, or train the file again with `python -m calibration.distill`"


@dataclass(frozen=True, slots=True)
class Conv:
    """A 3x3 convolution, padded by 1, with bias and ReLU."""

    name: str
    channels: int
    stride: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A chain of convolutions, and the linear 1x1 convolution that reads its end, where it has one."""

    convs: tuple[Conv, ...]
    tap: str | None = None
    tap_channels: int = 0


@dataclass(frozen=True, slots=True)
class NetSpec:
    """The architecture, as the weights file describes it. Input: float32 NCHW, three ImageNet-normalised channels."""

    stages: tuple[Stage, ...]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """From the text under the key `spec` in the metadata of a weights file.

        Raises:
            ValueError: not JSON, not of this format, or a field is missing.
        """
        document = json.loads(text)
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r}, expected {FORMAT!r}")
            stages = tuple(
                Stage(
                    tuple(Conv(c["name"], int(c["channels"]), int(c["stride"])) for c in stage["convs"]),
                    stage["tap"],
                    int(stage["tap_channels"]),
                )
                for stage in document["stages"]
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"architecture without {error}") from error
        return cls(stages)

    def to_json(self) -> str:
        """The text that `from_json` reads, sorted, on one line."""
        stages = [
            {
                "convs": [{"name": c.name, "channels": c.channels, "stride": c.stride} for c in stage.convs],
                "tap": stage.tap,
                "tap_channels": stage.tap_channels,
            }
            for stage in self.stages
        ]
        return json.dumps({"format": FORMAT, "stages": stages}, sort_keys=True)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array, in the order in which the net runs."""
        shapes: dict[str, tuple[int, ...]] = {}
        channels = 3
        for stage in self.stages:
            for conv in stage.convs:
                shapes[f"{conv.name}.weight"] = (conv.channels, channels, 3, 3)
                shapes[f"{conv.name}.bias"] = (conv.channels,)
                channels = conv.channels
            if stage.tap is not None:
                shapes[f"{stage.tap}.weight"] = (stage.tap_channels, channels, 1, 1)
                shapes[f"{stage.tap}.bias"] = (stage.tap_channels,)
        return shapes

    def upto(self, layers: Sequence[str]) -> tuple[Stage, ...]:
        """The stages that the layers need: none after the deepest, and no tap that is not asked for.

        Raises:
            BackboneError: no layer is asked for, or one that the net does not have.
        """
        known = [stage.tap for stage in self.stages if stage.tap is not None]
        unknown = [layer for layer in layers if layer not in known]
        if unknown or not layers or len(set(layers)) != len(layers):
            raise BackboneError(
                f"built-in backbone: got layers {list(layers)}, expected one or more of {known}, each once"
            )
        last = max(i for i, stage in enumerate(self.stages) if stage.tap in layers)
        return tuple(stage if stage.tap in layers else Stage(stage.convs) for stage in self.stages[: last + 1])

    def channels(self, layers: Sequence[str]) -> tuple[int, ...]:
        """The channels of each layer's map."""
        by_tap = {stage.tap: stage.tap_channels for stage in self.upto(layers)}
        return tuple(by_tap[layer] for layer in layers)


@dataclass(frozen=True, slots=True)
class BuiltinWeights:
    """The arrays of the built-in backbone.

    arrays: float32, by `<conv or tap name>.weight` (out, in, kernel, kernel) and `.bias` (out,). digest: sha256 of the
    file they were read from.
    """

    spec: NetSpec
    arrays: Mapping[str, Float32Array]
    digest: str

    def __post_init__(self) -> None:
        shapes = self.spec.shapes()
        got = {name: array.shape for name, array in self.arrays.items()}
        if got != shapes:
            names = [name for name in {**shapes, **got} if shapes.get(name) != got.get(name)]
            raise BackboneError(
                f"backbone weights {self.digest[:12]}: array {names[0]!r} has shape {got.get(names[0])}, "
                f"the architecture says {shapes.get(names[0])}; {_REMEDY}"
            )
        for name, array in self.arrays.items():
            if array.dtype != np.float32 or not np.isfinite(array).all():
                raise BackboneError(
                    f"backbone weights {self.digest[:12]}: array {name!r} is not finite float32; {_REMEDY}"
                )


def default_weights_path() -> Path:
    """Where the packaged weights lie."""
    return Path(str(resources.files("calibration"))) / "weights" / "builtin.safetensors"


def load_weights(path: Path | None = None) -> BuiltinWeights:
    """The packaged weights, or those at `path`, checked against the digest in the `.json` file beside them.

    Raises:
        BackboneError: a file is missing, its sha256 is not the one written beside it, or the arrays do not fit.
    """
    path = default_weights_path() if path is None else path
    expected = _expected_digest(path.with_suffix(".json"))
    try:
        payload = path.read_bytes()
    except OSError as error:
        raise BackboneError(
            f"backbone weights {path}: cannot be read ({error.strerror}), "
            f"expected a file with sha256 {expected}; {_REMEDY}"
        ) from error
    digest = hashlib.sha256(payload).hexdigest()
    if digest != expected:
        raise BackboneError(f"backbone weights {path}: damaged: got sha256 {digest}, expected {expected}; {_REMEDY}")
    return parse_weights(payload, str(path))


def parse_weights(payload: bytes, source: str) -> BuiltinWeights:
    """The weights in the bytes of a safetensors file, whose digest the caller has checked; `source` names it in errors.

    Raises:
        BackboneError: the bytes are no backbone of this format, or the arrays do not fit the architecture.
    """
    try:
        spec = NetSpec.from_json(_metadata(payload)["spec"])
        arrays = {name: array.astype(np.float32) for name, array in load(payload).items()}
    except (SafetensorError, ValueError, KeyError) as error:
        raise BackboneError(
            f"backbone weights {source}: not a backbone of format {FORMAT}: {error}; {_REMEDY}"
        ) from error
    return BuiltinWeights(spec, arrays, hashlib.sha256(payload).hexdigest())


def _expected_digest(card: Path) -> str:
    """The sha256 that the JSON file beside the weights names."""
    try:
        digest = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    except OSError as error:
        raise BackboneError(f"backbone digest {card}: cannot be read ({error.strerror}); {_REMEDY}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"backbone digest {card}: no field 'sha256' in it ({error}); {_REMEDY}") from error
    return str(digest)


def _metadata(payload: bytes) -> dict[str, str]:
    """The text metadata of a safetensors file: an 8-byte little-endian length, then a JSON header."""
    length = int.from_bytes(payload[:8], "little")
    header = json.loads(payload[8 : 8 + length])
    metadata = header.get("__metadata__", {})
    return {str(key): str(value) for key, value in metadata.items()}


def openvino_features(image: "ov.Node", weights: BuiltinWeights, layers: Sequence[str]) -> "list[ov.Output]":
    """Appends the net to an OpenVINO graph.

    image: a node of float32 (n, 3, height, width), RGB, ImageNet-normalised (mean .485 .456 .406, std .229 .224 .225).
    Returns one output a layer, in the order asked: float32 (n, channels, ceil(height / stride), ceil(width / stride)).

    Raises:
        BackboneError: a layer that the net does not have.
    """
    from openvino import opset13 as ops

    def convolve(node: Any, name: str, stride: int, padding: int) -> Any:
        kernel = ops.constant(weights.arrays[f"{name}.weight"])
        bias = ops.constant(weights.arrays[f"{name}.bias"].reshape(1, -1, 1, 1))
        pads = [padding, padding]
        return ops.add(ops.convolution(node, kernel, [stride, stride], pads, pads, [1, 1]), bias)

    node: Any = image
    taps: dict[str, Any] = {}
    for stage in weights.spec.upto(layers):
        for conv in stage.convs:
            node = ops.relu(convolve(node, conv.name, conv.stride, 1))
        if stage.tap is not None:
            taps[stage.tap] = convolve(node, stage.tap, 1, 0).output(0)
    return [taps[layer] for layer in layers]


def torch_features(weights: BuiltinWeights, layers: Sequence[str]) -> "nn.Module":
    """The same net in torch, for CUDA and as the reference.

    `forward` takes float32 (n, 3, height, width) as `openvino_features` does and returns the list of maps in the order
    of `layers`.

    Raises:
        BackboneError: a layer that the net does not have.
    """
    import torch
    from torch import nn

    def convolution(name: str, stride: int, padding: int) -> nn.Conv2d:
        kernel = weights.arrays[f"{name}.weight"]
        conv = nn.Conv2d(kernel.shape[1], kernel.shape[0], kernel.shape[2], stride, padding)
        with torch.no_grad():
            conv.weight.copy_(torch.from_numpy(kernel))
            conv.bias.copy_(torch.from_numpy(weights.arrays[f"{name}.bias"]))  # type: ignore[union-attr]
        return conv

    class Net(nn.Module):
        """The plain net, in evaluation mode, without gradients."""

        def __init__(self) -> None:
            super().__init__()
            stages = weights.spec.upto(layers)
            self.stages = nn.ModuleList(
                nn.Sequential(
                    *(m for c in stage.convs for m in (convolution(c.name, c.stride, 1), nn.ReLU(inplace=True)))
                )
                for stage in stages
            )
            self.taps = nn.ModuleDict({s.tap: convolution(s.tap, 1, 0) for s in stages if s.tap is not None})
            self.names = tuple(s.tap for s in stages)

        def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
            maps: dict[str, torch.Tensor] = {}
            for stage, name in zip(self.stages, self.names, strict=True):
                image = stage(image)
                if name is not None:
                    maps[name] = self.taps[name](image)
            return [maps[layer] for layer in layers]

    return Net().eval().requires_grad_(False)
