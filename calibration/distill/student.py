"""The student: a net that others have trained on photographs, or a finished built-in one, with taps of its own.

What a small net has learnt from a million photographs cannot be distilled anew from a thousand pictures in an hour: of
two nets of the same speed the one that begins so is far ahead on parts that none of them has seen
(`calibration/weights/MODEL_CARD.md`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from calibration.backbones.builtin import LAYERS, Block, BuiltinWeights, NetSpec, Tap, load_weights
from calibration.backbones.builtin_torch import BuiltinNet
from inspector.errors import BackboneError, UsageError
from inspector.types import Float32Array

RIDGE: Final = 1e-3
"""Added to the diagonal of a least-squares fit, as a share of it."""

DEAD: Final = 1e-5
"""Added as well, as a share of the mean: some widened channels never rise above 0."""

STAGES: Final = ((16, 1, 1), (24, 2, 2), (32, 3, 2), (64, 4, 2), (96, 3, 1))
"""Channels, blocks and first stride of MobileNetV2's stages up to stride 16 (Sandler et al., CVPR 2018, table 2)."""

WIDENING: Final = 6
TAPPED: Final = 64
"""Channels of each tap, until training says how many there are to be."""

NORM_EPS: Final = 1e-5
MOBILENET: Final = "mobilenetv2_100"


def mobilenet_spec() -> NetSpec:
    """MobileNetV2 up to the map that its first block at stride 32 widens, tapped where a stage begins."""
    blocks: list[Block] = []
    given = stem = 32
    for number, (channels, depth, stride) in enumerate(STAGES):
        for index in range(depth):
            widened = given if number == 0 else given * WIDENING
            blocks.append(Block(f"stage{number}_{index}", widened, channels, stride if index == 0 else 1))
            given = channels
    blocks.append(Block(f"stage{len(STAGES)}_0", given * WIDENING, 0, 2))
    readers = zip(LAYERS, ("stage2_0", "stage3_0", "stage5_0"), strict=True)
    return NetSpec(stem, tuple(blocks), tuple(Tap(layer, reader, TAPPED) for layer, reader in readers))


def load_start(text: str) -> BuiltinWeights:
    """What training begins with: the file of a finished built-in net, or `mobilenetv2_100@FILE` in timm's key names.

    Raises:
        UsageError: another network is named.
        BackboneError: the file cannot be read or is of another network.
    """
    name, at, file = text.partition("@")
    if not at:
        return load_weights(Path(text))
    if name != MOBILENET:
        raise UsageError(f"--start {text}: got {name!r}, expected {MOBILENET}@FILE or the file of a finished net")
    return from_mobilenet(Path(file))


def from_mobilenet(file: Path) -> BuiltinWeights:
    """The built-in net with MobileNetV2's weights, its normalisation folded in; the taps are nothing yet.

    Raises:
        BackboneError: the file cannot be read, or an array is missing or of another shape.
    """
    spec = mobilenet_spec()
    try:
        theirs = {key: array.float() for key, array in load_file(file).items()}
        arrays = {name: np.zeros(shape, np.float32) for name, shape in spec.shapes().items()}
        for ours, (conv, norm) in _mobilenet_names(spec).items():
            arrays[f"{ours}.weight"], arrays[f"{ours}.bias"] = _folded(theirs, conv, norm)
    except (OSError, SafetensorError, KeyError) as error:
        raise BackboneError(f"weights {file}: expected {MOBILENET} under timm's key names: {error}") from error
    return BuiltinWeights(spec, arrays, f"{MOBILENET}@{file.name}")


def _mobilenet_names(spec: NetSpec) -> dict[str, tuple[str, str]]:
    """Our name of each convolution to timm's of it and of the normalisation after it."""
    names = {"stem": ("conv_stem", "bn1")}
    inputs = spec.inputs()
    for block in spec.blocks:
        at = "blocks." + block.name.removeprefix("stage").replace("_", ".")
        parts = [("widen", "conv_pw"), ("filter", "conv_dw"), ("narrow", "conv_pwl")]
        if not block.widens(inputs[block.name]):
            parts = [("filter", "conv_dw"), ("narrow", "conv_pw")]
        for number, (ours, theirs) in enumerate(parts if block.whole else parts[:1], 1):
            names[f"{block.name}.{ours}"] = (f"{at}.{theirs}", f"{at}.bn{number}")
    return names


def _folded(arrays: Mapping[str, torch.Tensor], conv: str, norm: str) -> tuple[Float32Array, Float32Array]:
    """Kernel and bias of the plain convolution that does what this one does with the normalisation after it."""
    gain = arrays[f"{norm}.weight"] / torch.sqrt(arrays[f"{norm}.running_var"] + NORM_EPS)
    bias = arrays[f"{norm}.bias"] - arrays[f"{norm}.running_mean"] * gain
    return (arrays[f"{conv}.weight"] * gain[:, None, None, None]).numpy(), bias.numpy()


@torch.no_grad()
def fit_taps(net: BuiltinNet, pictures: torch.Tensor, targets: Mapping[str, torch.Tensor]) -> None:
    """Sets the taps to the least-squares fit of the targets by what the net has.

    pictures: float32 (n, 3, h, w), normalised. targets: float32 maps of each tap for them; one of fewer rows and
    columns holds every second, third, ... of them.
    """
    steps = {
        name: -(-pictures.shape[-1] // (int(name.removeprefix("stride")) * wanted.shape[-1]))
        for name, wanted in targets.items()
    }
    read: dict[str, list[torch.Tensor]] = {name: [] for name in targets}

    def reading(name: str) -> Callable[[nn.Module, tuple[torch.Tensor]], None]:
        return lambda _, given: read[name].append(given[0][:, :, :: steps[name], :: steps[name]])

    hooks = [net.convs[name].register_forward_pre_hook(reading(name)) for name in targets]
    for part in torch.split(pictures, 32):
        net(part)
    for hook in hooks:
        hook.remove()
    for name, wanted in targets.items():
        fit_pointwise(net.convs[name], torch.cat(read[name]), wanted)  # type: ignore[arg-type]


@torch.no_grad()
def fit_pointwise(conv: nn.Conv2d, maps: torch.Tensor, targets: torch.Tensor) -> None:
    """Sets a 1x1 convolution to the least-squares fit, slightly ridged, of the targets by the maps.

    maps: float32 (n, in, h, w). targets: float32 (n, out, h, w).
    """
    known = _vectors(maps)
    known = torch.cat([known, torch.ones_like(known[:, :1])], dim=1)
    square = known.T @ known
    strengths = torch.diag(square)
    square += torch.diag(RIDGE * strengths + DEAD * strengths.mean())
    solved = torch.linalg.solve(square, known.T @ _vectors(targets)).float()
    conv.weight.copy_(solved[:-1].T[:, :, None, None])
    if conv.bias is not None:
        conv.bias.copy_(solved[-1])


def _vectors(maps: torch.Tensor) -> torch.Tensor:
    """(n, channels, h, w) -> float64 (n * h * w, channels)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2).double()


def random_weights(spec: NetSpec, seed: int) -> BuiltinWeights:
    """The architecture at its initialisation: what training has to beat."""
    torch.manual_seed(seed)
    return BuiltinWeights(spec, BuiltinNet(spec, LAYERS).arrays(), f"random-{seed}")
