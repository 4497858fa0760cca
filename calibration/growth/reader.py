"""Pictures as a bank sees them: through its own decoder, engine, recipe and region of interest."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from calibration.augmentation import placed
from calibration.pool import Patches, join, patches_at
from calibration.samples import refuse_data_set
from inspector import frame as decoder
from inspector.bank import Bank
from inspector.folder import contents_of, no_pictures
from inspector.grid import PatchGrid
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.scoring import NearestNeighbours
from inspector.types import Float32Array, UInt8Image

_REACH = 0.8
"""Share of the threshold ok within which growth covers novel patches: the rest is room for other frames of their kind,
which are not quite the same.
"""


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A normal picture that a bank is to know: its name, where its bytes are."""

    name: str
    path: Path

    @property
    def sha256(self) -> str:
        """Digest of its bytes, in hexadecimal. Raises OSError."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def newcomers_in(folder: Path) -> list[Newcomer]:
    """All files of pictures below a folder, in order of their paths.

    Raises:
        SamplesError: no such folder, no picture in it, or a whole data set.
    """
    contents = contents_of(folder)
    refuse_data_set(folder, contents.pictures)
    if not contents.every:
        raise no_pictures(f"samples {folder}")
    return [Newcomer(file.relative_to(folder).as_posix(), file) for file in contents.every]


class Reader:
    """Reads pictures as the line with this bank sees them, for growth, shrinking and the guard.

    grid: the patches of each picture, and which of them count.

    Raises:
        BankError: the bank is missing or damaged.
    """

    def __init__(self, bank_dir: Path) -> None:
        pipeline = Pipeline.open(bank_dir)
        self.bank: Bank = pipeline.bank
        self._engine = pipeline.engine
        self.grid = PatchGrid(self.bank.recipe, self.bank.manifest.grid_hw)

    def embed(self, payload: bytes) -> Float32Array:
        """float32 (grid_h, grid_w, dim). Raises FrameError."""
        return self._embedded(picture_of(decoder.decode(payload), self.bank.recipe)[0])

    def patch_scores(self, payload: bytes, against: NearestNeighbours) -> Float32Array:
        """Those of a picture, float32 (grid_h, grid_w). Raises FrameError."""
        return against.patch_scores(self.embed(payload), self.grid.inside)

    def patches(self, payload: bytes, source: int) -> Patches:
        """Those inside, in each light and place that the recipe banks samples in. Raises FrameError."""
        pictures = placed(decoder.decode(payload), self.bank.recipe)
        return join([patches_at(place, self._embedded(picture), source, self.grid) for picture, place in pictures])

    def _embedded(self, picture: UInt8Image) -> Float32Array:
        embeddings: Float32Array = self._engine.embed(picture[None])[0]
        return embeddings

    def neighbours(self, vectors: Float32Array) -> NearestNeighbours:
        """A search of vectors, compared as the recipe says."""
        return self.grid.neighbours(vectors)

    @cached_property
    def known(self) -> NearestNeighbours:
        """A search of the bank as it is."""
        return self.neighbours(self.bank.vectors)

    @property
    def novel(self) -> float:
        """A patch farther than this from the bank is novel to it: it may fail a frame."""
        return self.bank.thresholds.ok

    @property
    def reach(self) -> float:
        """Novel patches are added until none is farther than this from a vector."""
        return _REACH * self.bank.thresholds.ok
