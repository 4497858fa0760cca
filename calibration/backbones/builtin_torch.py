"""The built-in backbone in torch: the reference of OpenVINO's graph, what CUDA runs, what distillation trains."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from calibration.backbones.builtin import ACTIVATION_LIMIT, NetSpec
from inspector.types import Float32Array


class BuiltinNet(nn.Module):
    """The net of a `NetSpec`, with the maps of `layers` as its results; freshly made, its weights are random."""

    def __init__(self, spec: NetSpec, layers: Sequence[str]) -> None:
        super().__init__()
        self.spec = spec
        self.layers = tuple(layers)
        self._inputs = spec.inputs()
        strides = {"stem": 2} | {f"{block.name}.filter": block.stride for block in spec.blocks}
        self.convs = nn.ModuleDict()
        for key, shape in spec.shapes().items():
            name, _, part = key.rpartition(".")
            if part == "weight":
                self.convs[_key(name)] = conv = _convolution(
                    shape, strides.get(name, 1), grouped=name.endswith(".filter")
                )
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias)  # type: ignore[arg-type]

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        """Float32 (n, 3, h, w), normalised, to the map of each layer."""
        x = _clipped(self._convolve("stem", image))
        maps: dict[str, torch.Tensor] = {}
        for block in self.spec.blocks:
            given = self._inputs[block.name]
            wide = _clipped(self._convolve(f"{block.name}.widen", x)) if block.widens(given) else x
            for tap in self.spec.taps:
                if tap.block == block.name:
                    maps[tap.name] = self._convolve(tap.name, wide)
            if block.whole:
                narrow = self._convolve(f"{block.name}.narrow", _clipped(self._convolve(f"{block.name}.filter", wide)))
                x = x + narrow if block.adds(given) else narrow
        return [maps[layer] for layer in self.layers]

    @torch.no_grad()
    def take(self, arrays: Mapping[str, Float32Array], *, taps: bool = True) -> None:
        """Takes over arrays by the names of `NetSpec.shapes`; those of the taps where they are asked for."""
        left = () if taps else tuple(f"{tap.name}." for tap in self.spec.taps)
        for name in self.spec.shapes():
            if name.startswith(left) and left:
                continue
            self._parameter(name).copy_(torch.from_numpy(arrays[name]))

    def arrays(self) -> dict[str, Float32Array]:
        """Its weights, by the names of `NetSpec.shapes`."""
        return {name: _array(self._parameter(name)) for name in self.spec.shapes()}

    def _convolve(self, name: str, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.convs[_key(name)](x)
        return result

    def _parameter(self, name: str) -> torch.Tensor:
        conv, _, part = name.rpartition(".")
        return self.convs[_key(conv)].get_parameter(part)


def _key(name: str) -> str:
    """Torch allows no dot in the name of a module."""
    return name.replace(".", "_")


def _convolution(shape: tuple[int, ...], stride: int, *, grouped: bool) -> nn.Conv2d:
    channels, given, size = shape[:3]
    groups = channels if grouped else 1
    return nn.Conv2d(given * groups, channels, size, stride, size // 2, groups=groups)


def _clipped(x: torch.Tensor) -> torch.Tensor:
    """In place; the gradient of `hardtanh` takes a tenth of the time of `clamp`'s on a CPU."""
    return functional.hardtanh(x, 0.0, ACTIVATION_LIMIT, inplace=True)


def _array(tensor: torch.Tensor) -> Float32Array:
    array: Float32Array = tensor.detach().float().cpu().numpy().astype(np.float32)
    return array
