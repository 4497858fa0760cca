"""The built-in backbone: a compact CNN made for patch features, carried in the package as arrays and text.

The net is a chain of inverted residual blocks (Sandler et al., "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018): a 1x1 convolution widens the map, a 3x3 one filters each channel by itself, a 1x1 one narrows
it again. Where the stride reaches 4, 8 and 16, a linear 1x1 "tap" reads a widened map. The net is fully convolutional;
a map of a picture of height h has `ceil(h / stride)` rows. Nothing here needs torch: OpenVINO builds its graph from the
arrays, and torch is imported only where `torch_features` is asked for.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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

FORMAT = "inspector-backbone/2"
LAYERS = ("stride4", "stride8", "stride16")
ACTIVATION_LIMIT = 6.0
"""What the widened maps are clipped to, 0 to this (ReLU6)."""
_REMEDY = "reinstall the package, or train the file again with `python -m calibration.distill`"


@dataclass(frozen=True, slots=True)
class Block:
    """An inverted residual block; what it gets is added to what it gives where both have the same shape.

    widened: channels of its inner map; as many as come in where nothing is widened. channels: those that it gives; 0
    where the net ends with this block's widened map. stride: of its 3x3 convolution, 1 or 2.
    """

    name: str
    widened: int
    channels: int
    stride: int

    @property
    def whole(self) -> bool:
        """Whether there is more of it than the widened map."""
        return self.channels > 0

    def widens(self, given: int) -> bool:
        """Whether it has a convolution that widens a map of so many channels."""
        return self.widened != given

    def adds(self, given: int) -> bool:
        """Whether a map of so many channels is added to what it gives."""
        return self.stride == 1 and self.channels == given


@dataclass(frozen=True, slots=True)
class Tap:
    """A linear 1x1 convolution that reads the widened map of a block."""

    name: str
    block: str
    channels: int


@dataclass(frozen=True, slots=True)
class NetSpec:
    """The architecture, as the weights file describes it. Input: float32 NCHW, three ImageNet-normalised channels.

    stem: channels of the 3x3 convolution at stride 2 that comes before the blocks.
    """

    stem: int
    blocks: tuple[Block, ...]
    taps: tuple[Tap, ...]

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
            blocks = tuple(Block(**block) for block in document["blocks"])
            taps = tuple(Tap(**tap) for tap in document["taps"])
            stem = int(document["stem"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"architecture: {error}") from error
        if unknown := {tap.block for tap in taps} - {block.name for block in blocks}:
            raise ValueError(f"architecture: a tap on {min(unknown)!r}, which is no block of it")
        return cls(stem, blocks, taps)

    def to_json(self) -> str:
        """The text that `from_json` reads, sorted, on one line."""
        return json.dumps({"format": FORMAT, **asdict(self)}, sort_keys=True)

    def inputs(self) -> dict[str, int]:
        """The channels that each block gets, by its name."""
        given = (self.stem, *(block.channels for block in self.blocks))
        return {block.name: channels for block, channels in zip(self.blocks, given, strict=False)}

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of every array, in the order in which the net runs."""
        kernels: dict[str, tuple[int, int, int, int]] = {"stem": (self.stem, 3, 3, 3)}
        inputs = self.inputs()
        for block in self.blocks:
            given = inputs[block.name]
            if block.widens(given):
                kernels[f"{block.name}.widen"] = (block.widened, given, 1, 1)
            if block.whole:
                kernels[f"{block.name}.filter"] = (block.widened, 1, 3, 3)
                kernels[f"{block.name}.narrow"] = (block.channels, block.widened, 1, 1)
        widened = {block.name: block.widened for block in self.blocks}
        kernels |= {tap.name: (tap.channels, widened[tap.block], 1, 1) for tap in self.taps}
        shapes: dict[str, tuple[int, ...]] = {}
        for name, kernel in kernels.items():
            shapes |= {f"{name}.weight": kernel, f"{name}.bias": kernel[:1]}
        return shapes

    def upto(self, layers: Sequence[str]) -> "NetSpec":
        """The part that the layers need: nothing after the deepest, and no tap that is not asked for.

        Raises:
            BackboneError: no layer is asked for, or one that the net does not have.
        """
        known = [tap.name for tap in self.taps]
        unknown = [layer for layer in layers if layer not in known]
        if unknown or not layers or len(set(layers)) != len(layers):
            raise BackboneError(
                f"built-in backbone: got layers {list(layers)}, expected one or more of {known}, each once"
            )
        taps = tuple(tap for tap in self.taps if tap.name in layers)
        last = max(i for i, block in enumerate(self.blocks) if block.name in [tap.block for tap in taps])
        return NetSpec(self.stem, (*self.blocks[:last], replace(self.blocks[last], channels=0)), taps)

    def with_taps(self, channels: Sequence[int]) -> "NetSpec":
        """The same net with so many channels in its taps, in their order."""
        taps = zip(self.taps, channels, strict=True)
        return replace(self, taps=tuple(replace(tap, channels=count) for tap, count in taps))

    def channels(self, layers: Sequence[str]) -> tuple[int, ...]:
        """The channels of each layer's map."""
        by_tap = {tap.name: tap.channels for tap in self.upto(layers).taps}
        return tuple(by_tap[layer] for layer in layers)


@dataclass(frozen=True, slots=True)
class BuiltinWeights:
    """The arrays of the built-in backbone.

    arrays: float32, by the names of `NetSpec.shapes`; `.weight` (out, in, kernel, kernel) and `.bias` (out,). digest:
    sha256 of the file they were read from.
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

    spec = weights.spec.upto(layers)
    inputs = spec.inputs()

    def convolve(node: Any, name: str, stride: int = 1) -> Any:
        kernel = weights.arrays[f"{name}.weight"]
        bias = ops.constant(weights.arrays[f"{name}.bias"].reshape(1, -1, 1, 1))
        pads = [kernel.shape[-1] // 2] * 2
        strides = [stride, stride]
        if name.endswith(".filter"):
            grouped = ops.constant(kernel[:, np.newaxis])
            return ops.add(ops.group_convolution(node, grouped, strides, pads, pads, [1, 1]), bias)
        return ops.add(ops.convolution(node, ops.constant(kernel), strides, pads, pads, [1, 1]), bias)

    def clipped(node: Any) -> Any:
        return ops.clamp(node, 0.0, ACTIVATION_LIMIT)

    node: Any = clipped(convolve(image, "stem", 2))
    taps: dict[str, Any] = {}
    for block in spec.blocks:
        given = inputs[block.name]
        wide = clipped(convolve(node, f"{block.name}.widen")) if block.widens(given) else node
        taps |= {tap.name: convolve(wide, tap.name).output(0) for tap in spec.taps if tap.block == block.name}
        if block.whole:
            filtered = clipped(convolve(wide, f"{block.name}.filter", block.stride))
            narrow = convolve(filtered, f"{block.name}.narrow")
            node = ops.add(node, narrow) if block.adds(given) else narrow
    return [taps[layer] for layer in layers]


def torch_features(weights: BuiltinWeights, layers: Sequence[str]) -> "nn.Module":
    """The same net in torch, for CUDA and as the reference; in evaluation mode, without gradients.

    `forward` takes float32 (n, 3, height, width) as `openvino_features` does and returns the list of maps in the order
    of `layers`.

    Raises:
        BackboneError: a layer that the net does not have.
    """
    from calibration.backbones.builtin_torch import BuiltinNet

    net = BuiltinNet(weights.spec.upto(layers), layers)
    net.take(weights.arrays)
    return net.eval().requires_grad_(False)
