"""How recipes are chosen without looking at a test set: do held-back normals separate from synthetic defects?

A small PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022) on each folder: a
bank of patches of its training pictures, held-back pictures as normals, the same pictures with drawn defects as the
others.
"""

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

from calibration.distill.pictures import HELD_BACK_EVERY, PictureFolder
from calibration.drawing.defects import add_defect
from inspector.errors import SamplesError
from inspector.types import Float32Array, UInt8Image

Embed = Callable[[UInt8Image], Sequence[Float32Array]]

NORMALS: Final = 40
"""Held-back pictures at most; fewer are given several defects each, until there are about so many."""

VECTORS: Final = 4096
"""Size of the bank, drawn at random."""


def separation(embed: Embed, folder: PictureFolder, *, size: int, seed: int) -> float:
    """Area under the ROC curve, [0, 1], of synthetic defects against held-back normals.

    embed: uint8 (n, size, size, 3) to maps float32 (n, channels, h, w), the finest first.

    Raises:
        SamplesError: the folder has too few pictures to hold one back.
    """
    if not folder.held_back:
        raise SamplesError(
            f"pictures {folder.path}: got {len(folder.training)}, expected at least {HELD_BACK_EVERY} to hold one back"
        )
    rng = np.random.default_rng(seed)
    bank_pictures = folder.training[:: max(1, len(folder.training) // 60)]
    bank = _embed_all(embed, [_fit(picture, size) for picture in bank_pictures])
    flat = bank.reshape(-1, bank.shape[-1])
    memory = flat[rng.permutation(len(flat))[:VECTORS]]
    good = [_fit(picture, size) for picture in folder.held_back[:NORMALS]]
    repeats = max(1, NORMALS // len(good))
    bad = [
        add_defect(rng, picture, folder.training[int(rng.integers(len(folder.training)))])
        for picture in good
        for _ in range(repeats)
    ]
    labels = np.repeat([0, 1], [len(good), len(bad)])
    return float(roc_auc_score(labels, _scores(embed, [*good, *bad], memory)))


def _fit(picture: UInt8Image, size: int) -> UInt8Image:
    return cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _embed_all(embed: Embed, pictures: Sequence[UInt8Image]) -> Float32Array:
    """Pooled over 3x3 patches, repeated onto the finest grid, side by side: float32 (n, h, w, channels)."""
    embedded = []
    for start in range(0, len(pictures), 8):
        maps = [_pooled(m.transpose(0, 2, 3, 1)) for m in embed(np.stack(pictures[start : start + 8]))]
        factors = [maps[0].shape[1] // m.shape[1] for m in maps]
        repeated = [m.repeat(f, axis=1).repeat(f, axis=2) for m, f in zip(maps, factors, strict=True)]
        embedded.append(np.concatenate(repeated, axis=3))
    return np.concatenate(embedded)


def _pooled(maps: Float32Array) -> Float32Array:
    """The mean of each 3x3 neighbourhood, zeros beyond the edges, as banks have it: float32 (n, h, w, channels)."""
    height, width = maps.shape[1:3]
    padded = np.pad(maps, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
    mean: Float32Array = (np.sum(shifted, axis=0) / 9).astype(np.float32)
    return mean


def _scores(embed: Embed, pictures: Sequence[UInt8Image], memory: Float32Array) -> Float32Array:
    """The largest distance from a patch to its nearest vector in memory, for each picture: float32 (n,)."""
    lengths = (memory**2).sum(axis=1)
    scores = []
    for patches in _embed_all(embed, pictures):
        flat = patches.reshape(-1, patches.shape[-1])
        squared = (flat**2).sum(axis=1) + (lengths - 2 * flat @ memory.T).min(axis=1)
        scores.append(np.sqrt(max(float(squared.max()), 0.0)))
    return np.array(scores, np.float32)
