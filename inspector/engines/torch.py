"""The torch engine: the bank's backbone from its safetensors, for CUDA and as the reference for OpenVINO."""

from functools import lru_cache
from pathlib import Path
from typing import Self

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from inspector.errors import EngineError, InferenceError
from inspector.planes import Planes
from inspector.recipe import Recipe
from inspector.types import Float32Array, UInt8Image
from inspector.window import inside_of


class PatchEmbedder(nn.Module):
    """Normalise, backbone, pool, fuse, centre, project: the arithmetic of the exported graph, written in torch."""

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        features: nn.Module,
        recipe: Recipe,
        *,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        projection: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.features = features
        self.recipe = recipe
        self.projection = projection or nn.Identity()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255, persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """uint8 (n, height, width, 3) -> float32 (n, grid_h, grid_w, dim)."""
        values = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std
        side = self.recipe.pooling
        maps = [F.avg_pool2d(layer, side, 1, side // 2) for layer in self.features(values)]
        rows, columns = maps[0].shape[-2:]
        resized = [maps[0], *(F.interpolate(layer, (rows, columns), mode="bilinear") for layer in maps[1:])]
        fused = torch.cat(resized, 1)
        if self.recipe.centring > 0:
            fused = fused - self.recipe.centring * self._counted(fused).mean(2)[:, :, None, None]
        embeddings: Tensor = self.projection(fused.permute(0, 2, 3, 1))
        return embeddings

    def _counted(self, fused: Tensor) -> Tensor:
        """What the mean of a frame is taken over: (n, dim, rows, columns) -> (n, dim, patches that count)."""
        mask = _inside(self.recipe, (fused.shape[-2], fused.shape[-1]))
        return fused.flatten(2) if mask is None else fused[:, :, mask.to(fused.device)]


@lru_cache(maxsize=8)
def _inside(recipe: Recipe, grid: tuple[int, int]) -> Tensor | None:
    mask = inside_of(recipe, grid)
    return None if mask is None else torch.from_numpy(mask)


class TorchEngine:
    """Runs a PatchEmbedder on a device; batches of pictures at a time.

    From the first one on, the process convolves in single precision. On CUDA, cuDNN would take TF32 unasked, which has
    10 bits of a mantissa's 23. The setting is the process's: threads that set it and put it back would undo each other.
    """

    def __init__(self, embedder: nn.Module, device: str) -> None:
        torch.backends.cudnn.allow_tf32 = False
        self._device = torch.device(device)
        self._embedder = embedder.eval().to(self._device)

    @classmethod
    def open(cls, bank_dir: Path, device: str | None = None) -> Self:
        """The backbone of the bank in `bank_dir`, on `device` (default: CUDA where there is one).

        Raises:
            EngineError: CUDA was asked for and there is none, or the backbone cannot be rebuilt.
        """
        from calibration.backbones.backbone import open_banked
        from calibration.projection import FILE, Projection
        from inspector.bank import BACKBONE_FILE
        from inspector.manifest import read_manifest

        chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if chosen == "cuda" and not torch.cuda.is_available():
            raise EngineError("engine torch:cuda: this machine has no CUDA device; use openvino or torch:cpu")
        manifest = read_manifest(bank_dir)
        features = open_banked(manifest.backbone, bank_dir / BACKBONE_FILE)
        embedder = PatchEmbedder(
            features,
            manifest.recipe,
            mean=manifest.backbone.mean,
            std=manifest.backbone.std,
            projection=Projection.load(bank_dir / FILE).torch() if FILE in manifest.files else None,
        )
        return cls(embedder, chosen)

    @property
    def name(self) -> str:
        """Engine, version, device, precision."""
        return f"torch {torch.__version__.split('+')[0]} {self._device.type} f32"

    def embed(self, images: UInt8Image) -> Float32Array:
        """uint8 (n, height, width, 3) -> float32 (n, grid_h, grid_w, dim).

        Raises:
            InferenceError: torch fails, for want of memory for example.
        """
        try:
            with torch.inference_mode():
                batch = torch.from_numpy(np.ascontiguousarray(images)).to(self._device)
                embeddings: Float32Array = self._embedder(batch).float().cpu().numpy()
        except RuntimeError as error:
            raise InferenceError(f"torch: inference failed: {error}") from error
        return embeddings

    def distances(self, vectors: Float32Array, k: int, count: int, planes: Planes | None = None) -> None:
        """None: faiss searches."""
