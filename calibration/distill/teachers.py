"""The teachers: ImageNet-trained CNNs whose maps at strides 4, 8 and 16 the student learns to predict.

On a CPU they run through OpenVINO, several times faster there than torch; on CUDA they run in torch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import openvino as ov
import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from calibration.backbones import builtin
from calibration.backbones.backbone import trace
from calibration.backbones.export import MEAN, STD
from inspector.errors import BackboneError, UsageError
from inspector.types import Float32Array, UInt8Image

STRIDES = (4, 8, 16)
FeatureMaps = Mapping[int, Float32Array]


@dataclass(frozen=True, slots=True)
class TeacherSource:
    """A timm architecture, or `builtin`, and the file that holds its weights; without a file, a random initialisation
    (of the built-in net: the packaged weights).
    """

    name: str
    file: Path | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `NAME@FILE`.

        Raises:
            UsageError: no `@`, or nothing on one side of it.
        """
        name, _, file = text.partition("@")
        if not name or not file:
            raise UsageError(f"teacher {text!r}: expected NAME@FILE, as in resnet18@resnet18.safetensors")
        return cls(name, Path(file))


class DenseBlocks(nn.Module):
    """A timm DenseNet up to its third block; the map of each block before its transition."""

    def __init__(self, features: Any) -> None:
        super().__init__()
        self.features = features

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Float32 (n, 3, h, w), normalised, to the three maps at strides 4, 8 and 16."""
        f = self.features
        first = f.denseblock1(f.pool0(f.norm0(f.conv0(image))))
        second = f.denseblock2(f.transition1(first))
        return [first, second, f.denseblock3(f.transition2(second))]


def build_teacher(source: TeacherSource) -> nn.Module:
    """The network in evaluation mode: float32 (n, 3, h, w), normalised, to its maps at strides 4, 8 and 16.

    Raises:
        BackboneError: timm does not know the name, the file cannot be read, or an array that the maps need is missing.
    """
    if source.name == "builtin":
        return builtin.torch_features(builtin.load_weights(source.file), builtin.LAYERS)
    try:
        net: Any = timm.create_model(source.name, pretrained=False)
    except RuntimeError as error:
        raise BackboneError(f"teacher {source.name!r}: {error}") from error
    if source.name.startswith("densenet"):
        _load(net, source)
        return DenseBlocks(net.features).eval()
    reductions = [info["reduction"] for info in net.feature_info]
    if not set(STRIDES) <= set(reductions):
        raise BackboneError(f"teacher {source.name!r}: maps at strides {reductions}, expected {STRIDES} among them")
    picked = tuple(reductions.index(stride) for stride in STRIDES)
    cut: nn.Module = timm.create_model(source.name, pretrained=False, features_only=True, out_indices=picked)
    _load(cut, source)
    return cut.eval()


def _load(net: nn.Module, source: TeacherSource) -> None:
    if source.file is None:
        return
    try:
        arrays = {key: array.float() for key, array in load_file(source.file).items()}
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"teacher weights {source.file}: cannot be read: {error}") from error
    beyond = ("transition3", "denseblock4", "features.norm5", "classifier")
    missing = [
        key for key in net.load_state_dict(arrays, strict=False).missing_keys if not any(b in key for b in beyond)
    ]
    if missing:
        raise BackboneError(f"teacher weights {source.file}: {len(missing)} array(s) missing, first {missing[0]!r}")


class Teachers:
    """Several teachers as one: their maps side by side."""

    def __init__(self, sources: Sequence[TeacherSource], device: str, *, low_precision: bool, threads: int) -> None:
        """Device: `cpu` or a torch device. low_precision: bfloat16 arithmetic where the processor has it."""
        nets = [build_teacher(source) for source in sources]
        self._device = device
        self._nets = [net.to(device) for net in nets] if device != "cpu" else []
        self._low_precision = low_precision
        hint = "bf16" if low_precision else "f32"
        config = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        self._compiled = [_compile(net, config) for net in nets] if device == "cpu" else []

    def features(self, images: UInt8Image) -> list[FeatureMaps]:
        """Uint8 (n, h, w, 3) RGB -> for each teacher, float32 (n, channels, h / stride, w / stride) by stride."""
        normalised = normalise(images)
        if self._compiled:
            results = [compiled(normalised) for compiled in self._compiled]
            return [{stride: np.array(r[i]) for i, stride in enumerate(STRIDES)} for r in results]
        batch = torch.from_numpy(normalised).to(self._device)
        kind = torch.device(self._device).type
        with torch.inference_mode(), torch.autocast(kind, torch.bfloat16, enabled=self._low_precision):
            maps = [net(batch) for net in self._nets]
        return [{s: m.float().cpu().numpy() for s, m in zip(STRIDES, each, strict=True)} for each in maps]


def _compile(net: nn.Module, config: dict[str, Any]) -> Any:
    """For any batch and size."""
    return ov.Core().compile_model(trace(net, (1, 3, 64, 64)), "CPU", config)


def normalise(images: UInt8Image) -> Float32Array:
    """Uint8 (n, h, w, 3) RGB -> float32 (n, 3, h, w), ImageNet-normalised."""
    scaled = (images.astype(np.float32) / np.float32(255) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2), np.float32)
