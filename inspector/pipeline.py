"""One frame, end to end: payload bytes in, an Inspection out. No network, no database, and no clock but a stopwatch."""

from functools import partial
from itertools import pairwise
from pathlib import Path
from threading import Lock
from time import perf_counter
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inspector import frame as decoder
from inspector.bank import Bank, stamp, undisturbed
from inspector.engines import open_engine
from inspector.errors import BankError, InferenceError
from inspector.explain import NEAREST, SHOWN, Explanation, FlaggedPatch, Neighbour, flagged_patches
from inspector.grid import PatchGrid
from inspector.patches import picture_of, view_of
from inspector.scoring import image_score, p_value, regions
from inspector.types import Decision, Engine, Float32Array, Frame, Inspection, Region, UInt8Image
from inspector.window import View, picture_wh

STAGES = ("decode", "embed", "search", "map", "drift")
"""Keys of Inspection.stage_ms, in order."""

_STANDS_OUT = 0.9
"""Share of the map's maximum above which a region lies where nothing is above the pixel threshold: thresholds may have
been set by hand.
"""


class Pipeline:
    """A bank, its engine and its index, ready to inspect. Threads may share it: engine and search serve one by one."""

    def __init__(self, bank: Bank, engine: Engine, *, max_pixels: int = decoder.MAX_PIXELS) -> None:
        self.bank = bank
        self.engine = engine
        self._max_pixels = max_pixels
        self._turn = Lock()  # an engine gives an answer in two steps: who comes between them is given another's
        self._grid = PatchGrid(bank.recipe, bank.manifest.grid_hw)
        self._neighbours = self._grid.neighbours(bank.vectors, engine)

    @classmethod
    def open(cls, bank_dir: Path, *, max_pixels: int = decoder.MAX_PIXELS, engine: str = "auto") -> Self:
        """Load and verify a bank, open its engine, and run it once, so that the first frame is as fast as the next.

        A bank that is exchanged while it is read is read again.

        Raises:
            BankError: the bank is missing, damaged, or its graph does not fit its vectors.
            EngineError: no such engine, or it refuses the graph.
        """
        return undisturbed(partial(stamp, bank_dir), partial(cls._open, bank_dir, max_pixels, engine))[1]

    @classmethod
    def _open(cls, bank_dir: Path, max_pixels: int, engine: str) -> Self:
        bank = Bank.load(bank_dir)
        opened = open_engine(engine, bank_dir)
        width, height = picture_wh(bank.recipe)
        expected = (1, *bank.manifest.grid_hw, bank.manifest.dim)
        try:
            embeddings = opened.embed(np.zeros((1, height, width, 3), np.uint8))
        except InferenceError as error:
            raise BankError(f"bank {bank_dir}: its graph does not fit its recipe ({error})") from error
        if embeddings.shape != expected:
            raise BankError(
                f"bank {bank_dir}: its graph gives embeddings {embeddings.shape}, its manifest says {expected}"
            )
        pipeline = cls(bank, opened, max_pixels=max_pixels)
        if not np.isfinite(score := image_score(pipeline._patch_scores(embeddings[0]))):
            raise BankError(f"bank {bank_dir}: scores a black picture as {score}, expected a finite number")
        return pipeline

    def inspect(self, payload: bytes) -> Inspection:
        """Decode, embed, search, map, decide.

        Raises:
            FrameError: the payload is no image that can be inspected; `reason` says why in one word.
        """
        return self.inspect_decoding(payload)[0]

    def inspect_decoding(self, payload: bytes) -> tuple[Inspection, Frame]:
        """As `inspect`, with the frame that was decoded, for who looks at its pixels too."""
        recipe, thresholds = self.bank.recipe, self.bank.thresholds
        start = perf_counter()
        frame = decoder.decode(payload, max_pixels=self._max_pixels)
        picture, _ = picture_of(frame, recipe)
        decoded = perf_counter()
        with self._turn:
            embeddings = self._embed(picture)
            embedded = perf_counter()
            patch_scores = self._patch_scores(embeddings)
        score = image_score(patch_scores)
        searched = perf_counter()
        heat = self._grid.anomaly_map(patch_scores)
        decision, reason = self.bank.decide(score, frame.size_wh)
        found = () if decision is Decision.OK else self._regions(heat, view_of(frame, recipe))
        mapped = perf_counter()
        baseline, reading, explained = self.bank.drift, None, False
        if baseline is not None:
            reading = baseline.read(picture, embeddings, patch_scores, self._grid.inside)
            explained = decision is Decision.NG and baseline.explains(reading, score, thresholds)
            if explained:
                decision, reason = Decision.UNCERTAIN, baseline.reason(reading)
        read = perf_counter()
        marks = (start, decoded, embedded, searched, mapped, read)
        inspection = Inspection(
            decision=decision,
            score=score,
            p_value=p_value(score, self.bank.normal_scores),
            regions=found,
            anomaly_map=heat,
            size_wh=frame.size_wh,
            stage_ms={stage: (b - a) * 1e3 for stage, (a, b) in zip(STAGES, pairwise(marks), strict=True)},
            reading=reading,
            reason=reason if decision is Decision.UNCERTAIN else None,
            explained=explained,
        )
        return inspection, frame

    def _regions(self, heat: Float32Array, view: View) -> tuple[Region, ...]:
        """The regions of a flagged frame: at least one."""
        return regions(heat, min(self.bank.thresholds.pixel, _STANDS_OUT * float(heat.max())), view)

    def explain(self, payload: bytes) -> Explanation:
        """The anomaly map, and for at most SHOWN of the highest patches the NEAREST in the bank.

        Raises:
            FrameError: the payload is no image that can be inspected.
        """
        window = self._grid.window
        frame = decoder.decode(payload, max_pixels=self._max_pixels)
        picture, view = picture_of(frame, self.bank.recipe)
        with self._turn:
            embeddings = self._embed(picture)
            patch_scores = self._patch_scores(embeddings)
        heat = self._grid.anomaly_map(patch_scores)
        places = flagged_patches(patch_scores, self.bank.thresholds.pixel, SHOWN)
        distances, numbers = self._neighbours.search(np.stack([embeddings[place] for place in places]), NEAREST)
        return Explanation(
            score=image_score(patch_scores),
            anomaly_map=heat[window.place] if window else heat,
            view=view,
            size_wh=frame.size_wh,
            grid_hw=self.bank.manifest.grid_hw,
            patches=tuple(
                FlaggedPatch(row, column, float(patch_scores[row, column]), self._named(near, which))
                for (row, column), near, which in zip(places, distances, numbers, strict=True)
            ),
        )

    def _named(self, distances: Float32Array, numbers: NDArray[np.int64]) -> tuple[Neighbour, ...]:
        source, position = self.bank.source, self.bank.position
        return tuple(
            Neighbour(int(source[number]), int(position[number, 0]), int(position[number, 1]), float(distance))
            for distance, number in zip(distances, numbers, strict=True)
        )

    def _patch_scores(self, embeddings: Float32Array) -> Float32Array:
        return self._neighbours.patch_scores(embeddings, self._grid.inside)

    def _embed(self, picture: UInt8Image) -> Float32Array:
        embeddings: Float32Array = self.engine.embed(picture[None])[0]
        if not np.isfinite(embeddings).all():
            raise InferenceError(f"{self.engine.name}: got NaN or infinity in the embeddings, expected finite numbers")
        return embeddings
