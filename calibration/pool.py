"""The patches of the normal samples, kept by fold in bounded memory.

A pool that would grow beyond its bound is replaced by its own greedy coreset. The union of such coresets is a coreset
of the union (composable core-sets: Indyk et al. 2014; for k-center a constant factor, Malkomes et al. 2015), so the
bank that is selected from the pools covers all patches, discarded ones included, nearly as well.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from calibration.augmentation import Place, moved_by
from calibration.coreset import greedy_k_center
from inspector.bank import MEMORY_FILE
from inspector.grid import PatchGrid
from inspector.scoring import Inside
from inspector.types import Float32Array

MAX_BYTES = 1 << 30
"""Bound of all pools of a calibration together, bytes of vectors."""

CHUNK_BYTES = 1 << 26
"""Small arrays of so many bytes are put together: memory of many small ones does not go back to the system."""

KEEP = 4
"""A pool shrinks to so many times the bank's vectors."""


@dataclass(frozen=True, slots=True)
class Patches:
    """n patches.

    vectors: float32 (n, dim). source: int32 (n,), the number of the sample. position: int32 (n, 2), row and column in
    the grid, of what is there in the sample as it lies, though the patch may be of a picture of it that is moved.
    """

    vectors: Float32Array
    source: NDArray[np.int32]
    position: NDArray[np.int32]

    def take(self, rows: NDArray[np.int64]) -> "Patches":
        """Some of the patches, in the order of `rows`."""
        return Patches(self.vectors[rows], self.source[rows], self.position[rows])

    def save(self, folder: Path) -> None:
        """Write them into a bank's folder, as its memory."""
        arrays = {"vectors": self.vectors, "source": self.source, "position": self.position}
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / MEMORY_FILE)


def join(parts: list[Patches]) -> Patches:
    """The patches of all parts, in order; one part at least."""
    return Patches(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.source for part in parts]),
        np.concatenate([part.position for part in parts]),
    )


def patches_of(
    embeddings: Float32Array, source: int, inside: Inside = None, moved: tuple[int, int] = (0, 0)
) -> Patches:
    """The patches of one sample, float32 (grid_h, grid_w, dim), that are inside.

    moved: how many rows down and columns to the right the picture of it is moved. What came in from beyond the border
    is said to be at the border.
    """
    rows, columns, dim = embeddings.shape
    position = np.indices((rows, columns), np.int32).reshape(2, -1).T.copy() - np.array(moved, np.int32)
    position = np.clip(position, 0, np.array((rows - 1, columns - 1), np.int32))
    patches = Patches(embeddings.reshape(-1, dim), np.full(rows * columns, source, np.int32), position)
    return patches if inside is None else patches.take(np.flatnonzero(inside))


def patches_at(place: Place, embeddings: Float32Array, source: int, grid: PatchGrid) -> Patches:
    """The same of a picture of the sample in that place, as `calibration.augmentation.placed` gives both."""
    return patches_of(embeddings, source, grid.inside, moved_by(place, grid.recipe, grid.hw))


class Pool:
    """Collects patches, holding at most `max_bytes` of vectors.

    keep: how many vectors remain when it shrinks, at most as many as fill half of it. rng: chooses the first of them.
    """

    def __init__(self, max_bytes: int, keep: int, rng: np.random.Generator) -> None:
        self._max_bytes = max_bytes
        self._keep = keep
        self._rng = rng
        self._parts: list[Patches] = []
        self._small: list[Patches] = []
        self._bytes = self._small_bytes = 0

    def add(self, patches: Patches) -> None:
        """Take patches in; shrink first where they would not fit."""
        if self._bytes and self._bytes + patches.vectors.nbytes > self._max_bytes:
            whole = self.patches()
            room = max(1, self._max_bytes // 2 // whole.vectors[0].nbytes)
            rows, _ = greedy_k_center(whole.vectors, min(self._keep, room), self._rng)
            self._parts, self._small, self._small_bytes = [whole.take(np.sort(rows))], [], 0
            self._bytes = self._parts[0].vectors.nbytes
        self._small.append(patches)
        self._bytes += patches.vectors.nbytes
        self._small_bytes += patches.vectors.nbytes
        if self._small_bytes >= CHUNK_BYTES:
            self._parts.append(join(self._small))
            self._small, self._small_bytes = [], 0

    def patches(self) -> Patches:
        """All that is held, in order of arrival."""
        return join([*self._parts, *self._small])
