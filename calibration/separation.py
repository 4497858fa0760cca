"""Separation without a single real defect: do held-back normals score below themselves with a synthetic defect?

Samples are split into blocks in their order, since the frames to come are later ones. Those of each block, as they are
and with a defect drawn on them, are scored against a bank of the other blocks through the line's own decoder and
engine. The defects are drawn on the frame, the same for every recipe. They are not those of the plant: the figures tell
recipes and backbones apart, not how many defects a line will catch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.augmentation import count as count_banked
from calibration.augmentation import placed
from calibration.backbones.backbone import open_backbone
from calibration.coreset import greedy_k_center
from calibration.defects import plant as plant_on
from calibration.evaluation.areas import Areas
from calibration.evaluation.metrics import PixelFigures
from calibration.metric import fewest, learn
from calibration.pool import MAX_BYTES, join, patches_of
from calibration.projection import Projection
from calibration.samples import again, evenly
from inspector import frame as decoder
from inspector.engines.openvino import OpenVinoEngine
from inspector.grid import PatchGrid
from inspector.patches import picture_of, view_of
from inspector.progress import Track, silent
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, image_score
from inspector.types import Float32Array, Frame, UInt8Image
from inspector.window import window_of

FOLDS: Final = 3
SAMPLES: Final = 90
"""Samples of a trial at most: enough to tell backbones apart, few enough to wait for."""

CANVAS: Final = 512
"""Longer side of the picture that a defect is drawn on, pixels; larger frames get it enlarged."""

TRIES: Final = 8
"""How often a defect is drawn again where one of the recipes does not look at it."""


@dataclass(frozen=True, slots=True)
class Separation:
    """Image scores of n samples as they are, float32 (n,), and with defects, float32 (turns, n).

    looked_at: bool (turns, n), as of the trial: where it is False, the score says nothing of the recipe.
    """

    normal: Float32Array
    defect: Float32Array
    looked_at: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DefectiveFrame:
    """A frame with a synthetic defect. mask: where it is, bool (height, width) over the frame. looked_at: whether every
    recipe looks there.
    """

    frame: Frame
    mask: NDArray[np.bool_]
    looked_at: bool


def trial_samples(paths: Sequence[Path]) -> list[Path]:
    """At most SAMPLES of the sample files, evenly spaced from the first to the last."""
    return [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, SAMPLES).astype(int))]


def room(recipe: Recipe, backbone: str, turns: int = 1) -> int:
    """How many samples fit into MAX_BYTES, embedded in each light and place and with each of `turns` defects.

    Raises:
        BackboneError, RecipeError: see there.
    """
    graph = open_backbone(backbone, recipe).graph()
    return _room(tuple(graph.output(0).shape)[1:], recipe, turns)


class Trial:
    """Samples and their planted defects, embedded once for all recipes that differ in nothing but the metric.

    turns: how many defects are planted in each sample, one at a time. beside: recipes that are compared with this one;
    a defect lies where all of them look. looked_at: bool (turns, n), where one does not, since all TRIES missed it: no
    recipe can be judged by it. measurable: whether beside each fold there are patches enough to learn the metric. Of
    more files than fit into MAX_BYTES, those that fit are evenly spaced.

    The defects of a file depend on its place among `paths`. So trials that are compared must be given the same files,
    no more than the largest of them has `room` for.

    Raises:
        SamplesError, BackboneError, RecipeError, FrameError: see there.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        recipe: Recipe,
        backbone: str,
        *,
        turns: int = 1,
        beside: Sequence[Recipe] = (),
        seed: int = 0,
        track: Track = silent,
    ) -> None:
        opened = open_backbone(backbone, recipe)
        self._recipe = opened.recipe
        self._engine = OpenVinoEngine(opened.graph())
        self._grid = PatchGrid(recipe, self._engine.grid[:2])
        self._seed = seed
        self._track = track
        taken = evenly(list(enumerate(paths)), max(FOLDS, _room(self._engine.grid, recipe, turns)))
        self.paths = tuple(path for _, path in taken)
        self._fold = np.arange(len(taken)) * FOLDS // len(taken)
        banked, planted, looked_at = [], [], []
        for index, path in track(taken, "planting defects"):
            with again(path):
                frame = decoder.decode(path.read_bytes())
            banked.append(np.stack([self._embedded(each) for each, _ in placed(frame, recipe)]))
            for turn in range(turns):
                one = plant(frame, (recipe, *beside), np.random.default_rng([seed, index, turn]))
                planted.append((self._embedded(picture_of(one.frame, recipe)[0]), _seen(one.mask, frame, recipe)))
                looked_at.append(one.looked_at)
        self._banked = np.stack(banked)
        self._normal = self._banked[:, 0]
        self._planted = [planted[turn::turns] for turn in range(turns)]
        self.looked_at = np.array(looked_at, bool).reshape(-1, turns).T
        inside, (_, kept, rows, columns, dim) = self._grid.inside, self._banked.shape
        each = kept * (rows * columns if inside is None else int(inside.sum()))
        self.measurable = (len(taken) - int(np.bincount(self._fold).max())) * each >= fewest(dim)

    def separation(self, power: float, pixels: PixelFigures | None = None) -> Separation:
        """Each sample, as it is and with its defects, against a bank of the other folds.

        power: of the metric (calibration.metric); 0 for none, as is any where it is not `measurable`. pixels: collects
        the anomaly maps of the defects that are looked at.
        """
        inside, power = self._grid.inside, power if self.measurable else 0.0
        normal = np.empty(len(self.paths), np.float32)
        defect = np.empty((len(self._planted), len(self.paths)), np.float32)
        for held_out in self._track(range(FOLDS), "trying the metric" if power > 0 else "trying plain distances"):
            projection, nearest = self._bank(self._fold != held_out, power)
            for index in np.flatnonzero(self._fold == held_out):
                scores = nearest.patch_scores(projection.apply(self._normal[index]), inside)
                normal[index] = image_score(scores)
                for turn, planted in enumerate(self._planted):
                    embedding, mask = planted[index]
                    scores = nearest.patch_scores(projection.apply(embedding), inside)
                    defect[turn, index] = image_score(scores)
                    if pixels is not None and self.looked_at[turn, index]:
                        self._count(pixels, scores, mask)
        return Separation(normal, defect, self.looked_at)

    def _count(self, pixels: PixelFigures, scores: Float32Array, mask: NDArray[np.bool_]) -> None:
        window = self._grid.window
        areas = Areas.of(mask, self._recipe.size_wh)
        pixels.add(self._grid.anomaly_map(scores), areas, window.counts if window else None)

    def _bank(self, others: NDArray[np.bool_], power: float) -> tuple[Projection, NearestNeighbours]:
        patches = join(
            [
                patches_of(embedding, int(index), self._grid.inside)
                for index in np.flatnonzero(others)
                for embedding in self._banked[index]
            ]
        )
        projection = Projection(learn(patches, power) if power > 0 else None)
        vectors = projection.apply(patches.vectors)
        rows, _ = greedy_k_center(vectors, self._recipe.vectors, np.random.default_rng(self._seed))
        return projection, self._grid.neighbours(vectors[rows], self._engine)

    def _embedded(self, picture: UInt8Image) -> Float32Array:
        return np.array(self._engine.embed(picture[None])[0])


def plant(frame: Frame, recipes: Sequence[Recipe], rng: np.random.Generator) -> DefectiveFrame:
    """The frame with one defect of a random kind, one that every recipe looks at where TRIES allow it."""
    width, height = frame.size_wh
    scale = min(1.0, CANVAS / max(width, height))
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.asarray(cv2.resize(frame.pixels, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
    for _ in range(TRIES):
        planted = plant_on(rng, canvas)
        mask = cv2.resize(planted.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        if looked_at := all(_looked_at(mask, frame, recipe) for recipe in recipes):
            break
    large = cv2.resize(planted.picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return DefectiveFrame(Frame(np.where(mask[..., None], large, frame.pixels).astype(np.uint8)), mask, looked_at)


def _room(grid: tuple[int, ...], recipe: Recipe, turns: int) -> int:
    """How many samples of a grid (rows, columns, dim) fit into MAX_BYTES."""
    return MAX_BYTES // ((count_banked(recipe) + turns) * int(np.prod(grid)) * 4)


def _seen(mask: NDArray[np.bool_], frame: Frame, recipe: Recipe) -> NDArray[np.bool_]:
    """A mask of the frame at the size of the recipe's anomaly map."""
    cut = view_of(frame, recipe).cut(mask).astype(np.uint8)
    return np.asarray(cv2.resize(cut, recipe.size_wh, interpolation=cv2.INTER_NEAREST) > 0)


def _looked_at(mask: NDArray[np.bool_], frame: Frame, recipe: Recipe) -> bool:
    window, seen = window_of(recipe), _seen(mask, frame, recipe)
    return bool((seen & window.counts if window else seen).any())
