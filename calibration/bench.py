"""The bench: the samples of a calibration, and the decoder, engine and recipe that they are looked at with."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.augmentation import AS_IT_IS, Augmentation, Place, augmented, in_lights, lit, placed
from calibration.samples import Samples, again
from inspector import frame as decoder
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError
from inspector.grid import PatchGrid
from inspector.progress import Track
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours
from inspector.types import Float32Array, Frame, UInt8Image

MAP_SIDE: Final = 64
"""Rows and columns at most of the maps that are kept of each sample, to be looked at."""

EMBEDDED_BYTES: Final = 256 << 20
"""Bound of the embeddings that are kept of samples as they are, bytes: some 500 of 256x256."""


@dataclass(frozen=True)
class Bench:
    """engine: runs the graph without a projection. fold: the fold of each sample, int32 (samples,).

    seed: everything random in a calibration comes from it.
    """

    samples: Samples
    recipe: Recipe
    engine: OpenVinoEngine
    fold: NDArray[np.int32]
    seed: int
    track: Track
    _embedded: dict[int, Float32Array] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        """How many samples there are; they are numbered from 0."""
        return len(self.samples.files)

    @cached_property
    def grid(self) -> PatchGrid:
        """The patches of each sample."""
        return PatchGrid(self.recipe, self.engine.grid[:2])

    def picture(self, index: int, augmentation: Augmentation = AS_IT_IS) -> UInt8Image:
        """What the backbone sees of a sample, changed: uint8 (height, width, 3) RGB."""
        kept = self._kept(index)
        if kept is None:
            return augmented(self._frame(index), self.recipe, augmentation)
        return lit(kept, augmentation.light)

    def placed(self, index: int) -> Iterator[tuple[UInt8Image, Place]]:
        """A sample in every way that it is banked in, first as it is: uint8 (height, width, 3) RGB, and its place."""
        kept = self._kept(index)
        return placed(self._frame(index), self.recipe) if kept is None else in_lights(kept, self.recipe)

    def _kept(self, index: int) -> UInt8Image | None:
        """The sample's picture where it need not be decoded again: it was kept, and read at the size of this recipe.

        Pictures of two sizes may be alike in theirs, as windows are cut in steps. A sample that is banked moved is
        decoded: only its frame shows what comes in.
        """
        fits = self.samples.recipe.size_wh == self.recipe.size_wh
        return self.samples.files[index].picture if fits and not self.recipe.shift else None

    def _frame(self, index: int) -> Frame:
        path = self.samples.files[index].path
        with again(path):
            return decoder.decode(path.read_bytes())

    def embed(self, picture: UInt8Image, index: int) -> Float32Array:
        """The patches of a picture made from that sample: float32 (grid_h, grid_w, dim), not to be written to.

        The sample as it is, where that is kept, is embedded once for all that ask, as far as EMBEDDED_BYTES reach.

        Raises:
            BackboneError: they are not finite.
        """
        if (as_it_is := picture is self.samples.files[index].picture) and index in self._embedded:
            return self._embedded[index]
        embedding: Float32Array = self.engine.embed(picture[None])[0]
        if not np.isfinite(embedding).all():
            raise BackboneError(
                f"backbone: embeds {self.samples.name(index)} as NaN or infinity, expected finite numbers; "
                "are these weights of this network?"
            )
        if as_it_is and (len(self._embedded) + 1) * embedding.nbytes <= EMBEDDED_BYTES:
            embedding.setflags(write=False)
            self._embedded[index] = embedding
        return embedding

    def neighbours(self, vectors: Float32Array) -> NearestNeighbours:
        """A search among vectors of any dim, as on the line."""
        return self.grid.neighbours(vectors, self.engine)

    def small_map(self, patch_scores: Float32Array) -> Float32Array:
        """Patch scores over the crop or whole frame for a picture of them, at most MAP_SIDE rows and columns."""
        heat = self.grid.anomaly_map(patch_scores) if self.grid.window else patch_scores
        rows, columns = heat.shape
        size_wh = min(columns, MAP_SIDE), min(rows, MAP_SIDE)
        return np.asarray(cv2.resize(heat, size_wh, interpolation=cv2.INTER_AREA), np.float32)
