"""Pictures as a bank sees them: through its own decoder, engine, recipe and region of interest."""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from calibration.light import factors, lit
from calibration.pool import Patches, join, patches_of
from calibration.thumbnail import thumbnail
from inspector import frame as decoder
from inspector.bank import Bank
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.scoring import NearestNeighbours, anomaly_map, image_score
from inspector.types import Float32Array
from inspector.window import inside_of, picture_wh, window_of

_MARGIN = 0.8


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A normal picture that a bank is to know: its name, where its bytes are."""

    name: str
    path: Path

    @property
    def sha256(self) -> str:
        """Of its bytes. Raises OSError."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


class Reader:
    """What calibration, growth and shadow runs have in common: a picture's patches as the line would see them."""

    def __init__(self, bank_dir: Path) -> None:
        pipeline = Pipeline.open(bank_dir)
        self.bank: Bank = pipeline.bank
        self._engine = pipeline.engine
        self._recipe = self.bank.recipe
        self.inside = inside_of(self._recipe, self.bank.manifest.grid_hw)
        self._window = window_of(self._recipe)

    def embed(self, payload: bytes, light: float = 1.0) -> Float32Array:
        """float32 (grid_h, grid_w, dim), the picture's levels times `light`. Raises FrameError."""
        picture, _ = picture_of(decoder.decode(payload), self._recipe)
        embeddings: Float32Array = self._engine.embed(lit(picture, light)[None])[0]
        return embeddings

    def patches(self, payload: bytes, source: int) -> Patches:
        """Those inside, in each light that the recipe banks samples in. Raises FrameError."""
        return join(
            [patches_of(self.embed(payload, each), source, self.inside) for each in factors(self._recipe.light)]
        )

    def thumbnail(self, payload: bytes) -> bytes:
        """A small JPEG of what the backbone sees. Raises FrameError."""
        return thumbnail(payload, self._recipe)

    def neighbours(self, vectors: Float32Array) -> NearestNeighbours:
        """A search of vectors, compared as the recipe says."""
        return NearestNeighbours(vectors, self._recipe.neighbours, self._recipe.plane)

    @cached_property
    def known(self) -> NearestNeighbours:
        """A search of the bank as it is."""
        return self.neighbours(self.bank.vectors)

    def figures(self, patch_scores: Float32Array) -> tuple[float, float]:
        """Image score, and the highest value of the anomaly map."""
        heat = anomaly_map(patch_scores, picture_wh(self._recipe), self.inside)
        return image_score(patch_scores), float((self._window.spread(heat) if self._window else heat).max())

    @property
    def novel(self) -> float:
        """A patch farther than this from the bank is one that it does not know: it may fail a frame."""
        return self.bank.thresholds.ok

    @property
    def reach(self) -> float:
        """Novel patches come in until none is farther than this from a vector: nearer than `novel`, so that those of
        other frames of their kind, which are not quite the same, pass as well.
        """
        return _MARGIN * self.bank.thresholds.ok
