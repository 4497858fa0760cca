"""What lies between the joined layers and the bank: the metric, and the head of a fine-tuned bank."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from calibration.finetuning.head import Head
from calibration.metric import Metric
from inspector.errors import BackboneError
from inspector.types import Float32Array

if TYPE_CHECKING:
    import openvino as ov
    from torch import nn

FILE: Final = "projection.safetensors"
"""Its place in a bank's folder."""

_SHAPES: Final = {"weights": 2, "offset": 1, "w1": 2, "b1": 1, "w2": 1, "b2": 1, "gain": 1}


@dataclass(frozen=True, slots=True)
class Projection:
    """metric: None leaves embeddings as they are. head: its alarm is appended, or None."""

    metric: Metric | None = None
    head: Head | None = None

    def __bool__(self) -> bool:
        return self.metric is not None or self.head is not None

    def apply(self, embeddings: Float32Array) -> Float32Array:
        """float32 (..., dim) -> float32 (..., kept), and one more with a head."""
        mapped = self.metric.apply(embeddings) if self.metric else embeddings
        if self.head is None:
            return mapped
        return np.concatenate([mapped, self.head.alarm(embeddings)[..., None]], axis=-1, dtype=np.float32)

    def openvino(self, fused: "ov.Output") -> "ov.Output":
        """Adds to an OpenVINO graph what `apply` does: NCHW (1, dim, h, w) -> (1, kept, h, w)."""
        from openvino import opset13 as ops

        mapped = self.metric.openvino(fused) if self.metric else fused
        if self.head is None:
            return mapped
        joined: ov.Output = ops.concat([mapped, self.head.openvino(fused)], axis=1).output(0)
        return joined

    def torch(self) -> "nn.Module":
        """A torch module that does what `apply` does: NHWC (n, h, w, dim) -> (n, h, w, kept)."""
        import torch
        import torch.nn.functional as F
        from torch import nn

        class Applied(nn.Module):
            def __init__(self, arrays: Mapping[str, Float32Array]) -> None:
                super().__init__()
                for name, array in arrays.items():
                    self.register_buffer(name, torch.from_numpy(array.copy()))
                self.names = frozenset(arrays)

            def forward(self, embeddings: Any) -> Any:
                held: Any = self
                mapped = embeddings @ held.weights - held.offset if "weights" in self.names else embeddings
                if "w1" not in self.names:
                    return mapped
                hidden = F.relu(embeddings @ held.w1 + held.b1)
                alarm = F.softplus(hidden @ held.w2 + held.b2) * held.gain
                return torch.cat([mapped, alarm[..., None]], -1)

        return Applied(self._arrays())

    def save(self, path: Path) -> None:
        """Write the arrays as a safetensors file."""
        save_file(self._arrays(), path)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            BackboneError: it cannot be read, or is no projection.
        """
        try:
            arrays = load_file(path)
        except (OSError, SafetensorError, ValueError) as error:
            raise BackboneError(f"projection {path}: cannot be read ({error}); calibrate again") from error
        if any(_SHAPES.get(name) != array.ndim for name, array in arrays.items()):
            raise BackboneError(f"projection {path}: got arrays {sorted(arrays)}, expected {sorted(_SHAPES)}")
        metric = Metric(arrays.pop("weights"), arrays.pop("offset")) if "weights" in arrays else None
        return cls(metric, Head(**arrays) if arrays else None)

    def _arrays(self) -> dict[str, Float32Array]:
        arrays = {"weights": self.metric.weights, "offset": self.metric.offset} if self.metric else {}
        return arrays | (self.head.arrays() if self.head else {})
