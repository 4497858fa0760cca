"""The student: the built-in net in the form in which it is trained.

Each 3x3 convolution is a sum of a 3x3, a 1x1 and, where shapes allow, an identity branch followed by batch
normalisation (Ding et al., "RepVGG", CVPR 2021). The branches are added as kernels before the convolution runs (Hu et
al., "Online Convolutional Re-parameterization", CVPR 2022; Zagoruyko and Komodakis, "DiracNets", 2017), so training
costs one convolution a layer; afterwards the normalisation folds into kernel and bias as well.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from calibration.builtin import BuiltinWeights, Conv, NetSpec, Stage
from inspector.types import Float32Array

RIDGE: Final = 1e-3
"""Added to the diagonal of a least-squares fit, as a share of it."""


class RepConv(nn.Module):
    """A 3x3 convolution of summed branches, batch normalisation, ReLU."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.weight = nn.Parameter(torch.empty(channels, channels_in, 3, 3))
        self.point = nn.Parameter(torch.empty(channels, channels_in))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")
        nn.init.normal_(self.point, std=(1 / channels_in) ** 0.5)
        has_identity = channels_in == channels and stride == 1
        self.identity = nn.Parameter(torch.ones(channels)) if has_identity else None
        self.norm = nn.BatchNorm2d(channels)

    def kernel(self) -> torch.Tensor:
        """The branches as one kernel, (out, in, 3, 3)."""
        centre: torch.Tensor = self.point
        if self.identity is not None:
            centre = centre + torch.diag(self.identity)
        return self.weight + F.pad(centre[:, :, None, None], (1, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, in, h, w) -> (n, out, ceil(h / stride), ceil(w / stride))."""
        y: torch.Tensor = self.norm(F.conv2d(x, self.kernel(), stride=self.stride, padding=1))
        return F.relu(y)

    @torch.no_grad()
    def unfold(self, kernel: torch.Tensor, bias: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Becomes the plain convolution of this kernel and bias: `folded` the other way.

        x: what the layer before gives for some pictures; normalisation is set to undo itself on them. Returns what
        this one gives.
        """
        self.weight.add_(kernel - self.kernel())
        y = F.conv2d(x, kernel, stride=self.stride, padding=1)
        spread, mean = torch.var_mean(y, (0, 2, 3), correction=0)
        if self.norm.running_var is None or self.norm.running_mean is None:
            raise RuntimeError("batch normalisation without running statistics cannot be set")
        self.norm.running_mean.copy_(mean)
        self.norm.running_var.copy_(spread)
        self.norm.weight.copy_(torch.sqrt(spread + self.norm.eps))
        self.norm.bias.copy_(bias + mean)
        return F.relu(y + bias[:, None, None])

    @torch.no_grad()
    def folded(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Kernel and bias of the plain convolution that does the same in evaluation mode."""
        if self.norm.running_var is None or self.norm.running_mean is None:
            raise RuntimeError("batch normalisation without running statistics cannot be folded")
        gain = self.norm.weight / torch.sqrt(self.norm.running_var + self.norm.eps)
        return self.kernel() * gain[:, None, None, None], self.norm.bias - self.norm.running_mean * gain


class Student(nn.Module):
    """The net of a `NetSpec`, trainable."""

    def __init__(self, spec: NetSpec) -> None:
        super().__init__()
        self.spec = spec
        self.convs = nn.ModuleDict()
        self.taps = nn.ModuleDict()
        channels = 3
        for stage in spec.stages:
            for conv in stage.convs:
                self.convs[conv.name] = RepConv(channels, conv.channels, conv.stride)
                channels = conv.channels
            if stage.tap is not None:
                self.taps[stage.tap] = tap = nn.Conv2d(channels, stage.tap_channels, 1)
                nn.init.normal_(tap.weight, std=0.1 / channels**0.5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        """Float32 (n, 3, h, w), normalised, to the map of each tap."""
        maps: dict[str, torch.Tensor] = {}
        for stage in self.spec.stages:
            for conv in stage.convs:
                x = self.convs[conv.name](x)
            if stage.tap is not None:
                maps[stage.tap] = self.taps[stage.tap](x)
        return maps

    @torch.no_grad()
    def start_from(self, weights: BuiltinWeights, pictures: torch.Tensor, targets: Mapping[str, torch.Tensor]) -> None:
        """Takes over the convolutions of a finished net that this one has too; one that only this net has lets through
        what it gets. The taps, which spoke of other targets, become the least-squares fit to these.

        pictures: float32 (n, 3, h, w), normalised, that the statistics of normalisation are taken from. targets:
        float32 maps of each tap for them; one of fewer rows and columns holds every second, third, ... of them.
        """
        x, shapes = pictures, self.spec.shapes()
        for stage in self.spec.stages:
            for conv in stage.convs:
                if f"{conv.name}.weight" in weights.arrays:
                    kernel, bias = (torch.from_numpy(weights.arrays[f"{conv.name}.{p}"]) for p in ("weight", "bias"))
                else:
                    kernel, bias = (torch.zeros(shapes[f"{conv.name}.{part}"]) for part in ("weight", "bias"))
                    kernel[:, :, 1, 1] = torch.eye(*kernel.shape[:2])
                x = self.convs[conv.name].unfold(kernel, bias, x)  # type: ignore[operator]
            if stage.tap is not None:
                fit_pointwise(self.taps[stage.tap], x, targets[stage.tap])  # type: ignore[arg-type]

    @torch.no_grad()
    def folded(self) -> dict[str, Float32Array]:
        """The arrays of the plain net, by the names of `NetSpec.shapes`."""
        arrays: dict[str, Float32Array] = {}
        for name, conv in self.convs.items():
            weight, bias = conv.folded()  # type: ignore[operator]
            arrays[f"{name}.weight"], arrays[f"{name}.bias"] = _array(weight), _array(bias)
        for name, tap in self.taps.items():
            for part, tensor in tap.named_parameters():
                arrays[f"{name}.{part}"] = _array(tensor)
        return {name: arrays[name] for name in self.spec.shapes()}


@torch.no_grad()
def fit_pointwise(conv: nn.Conv2d, maps: torch.Tensor, targets: torch.Tensor) -> None:
    """Sets a 1x1 convolution to the least-squares fit, slightly ridged, of the targets by the maps.

    maps: float32 (n, in, h, w). targets: float32 (n, out, h / k, w / k), of every k-th row and column.
    """
    step = maps.shape[-1] // targets.shape[-1]
    known = _vectors(maps[:, :, ::step, ::step])
    known = torch.cat([known, torch.ones_like(known[:, :1])], dim=1)
    square = known.T @ known
    square += RIDGE * torch.diag(torch.diag(square))
    solved = torch.linalg.solve(square, known.T @ _vectors(targets)).float()
    conv.weight.copy_(solved[:-1].T[:, :, None, None])
    if conv.bias is not None:
        conv.bias.copy_(solved[-1])


def _vectors(maps: torch.Tensor) -> torch.Tensor:
    """(n, channels, h, w) -> float64 (n * h * w, channels)."""
    return maps.permute(0, 2, 3, 1).flatten(0, 2).double()


def _array(tensor: torch.Tensor) -> Float32Array:
    array: Float32Array = tensor.detach().float().cpu().numpy().astype(np.float32)
    return array


def plain_spec(
    stem: int = 32,
    widths: tuple[int, int, int] = (48, 96, 160),
    depths: tuple[int, int, int] = (1, 3, 3),
    components: tuple[int, int, int] = (64, 128, 128),
) -> NetSpec:
    """A net with a stem at stride 2 and stages at strides 4, 8 and 16, each ending in a tap.

    widths, depths, components: channels, convolutions and tap channels of the three stages.
    """
    stages = [Stage((Conv("stem_0", stem, 2),))]
    for stride, width, depth, count in zip((4, 8, 16), widths, depths, components, strict=True):
        convs = tuple(Conv(f"stage{stride}_{i}", width, 2 if i == 0 else 1) for i in range(depth))
        stages.append(Stage(convs, f"stride{stride}", count))
    return NetSpec(tuple(stages))


def random_weights(spec: NetSpec, seed: int) -> BuiltinWeights:
    """The architecture at its initialisation: what training has to beat."""
    torch.manual_seed(seed)
    return BuiltinWeights(spec, Student(spec).folded(), f"random-{seed}")
