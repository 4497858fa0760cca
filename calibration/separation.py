"""Without a single defect: do held-back normals separate from the same samples with a synthetic defect?

Samples are split into folds; those of each fold, as they are and with a defect drawn on them, are scored against a bank
of the other folds through the line's own decoder and engine. The defects are drawn on the frame, the same for every
recipe. They are not those of the plant: the figures tell recipes and backbones apart, not how many defects a line will
catch.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.backbone import open_backbone
from calibration.coreset import greedy_k_center
from calibration.defects import plant as plant_on
from calibration.export import embedding_graph
from calibration.metric import learn
from calibration.metrics import PixelFigures
from calibration.pool import KEEP, MAX_BYTES, Pool, join, patches_of
from calibration.progress import Track, silent
from calibration.projection import Projection
from inspector import frame as decoder
from inspector.engines.openvino import OpenVinoEngine
from inspector.patches import picture_of, view_of
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, anomaly_map, image_score
from inspector.types import Float32Array, Frame
from inspector.window import inside_of, picture_wh, window_of

FOLDS: Final = 3
SAMPLES: Final = 90
"""Samples at most, evenly taken: enough to tell backbones apart, few enough to wait for."""

CANVAS: Final = 512
"""Longer side of the picture that a defect is drawn on, pixels; larger frames get it enlarged."""

TRIES: Final = 8
"""How often a defect is drawn again that one of the recipes does not look at."""


@dataclass(frozen=True, slots=True)
class Separation:
    """Image scores of n samples, as they are and with a defect, float32 (n,); pixel figures of the latter's maps."""

    normal: Float32Array
    defect: Float32Array
    pixel_auroc: float | None
    aupro: float | None


@dataclass(frozen=True, slots=True)
class Planted:
    """A frame with a synthetic defect, and where it is: bool (height, width) over the frame."""

    frame: Frame
    mask: NDArray[np.bool_]


def chosen(paths: Sequence[Path]) -> list[Path]:
    """At most SAMPLES of the sample files, evenly taken."""
    return [paths[index] for index in np.unique(np.linspace(0, len(paths) - 1, SAMPLES).astype(int))]


def separate(
    paths: Sequence[Path],
    recipe: Recipe,
    backbone: str,
    *,
    beside: Sequence[Recipe] = (),
    seed: int = 0,
    track: Track = silent,
) -> Separation:
    """Score each of at least FOLDS sample files, as it is and with a defect, against a bank of the other folds.

    beside: recipes that are compared with this one; a defect is one that all of them look at.

    Raises:
        BackboneError, RecipeError, FrameError: see there.
    """
    opened = open_backbone(backbone, recipe)
    recipe = recipe.model_copy(update={"layers": opened.info.layers})
    engine = OpenVinoEngine(embedding_graph(opened.features, recipe, mean=opened.info.mean, std=opened.info.std))
    inside, window = inside_of(recipe, engine.grid[:2]), window_of(recipe)
    fold = np.random.default_rng(seed).permutation(np.arange(len(paths)) % FOLDS)
    pools = [Pool(MAX_BYTES // FOLDS, KEEP * recipe.vectors, np.random.default_rng([seed, i])) for i in range(FOLDS)]

    def embedded(frame: Frame) -> Float32Array:
        picture, _ = picture_of(frame, recipe)
        return np.asarray(engine.embed(picture[None])[0])

    for index in track(range(len(paths)), "embedding patches"):
        pools[fold[index]].add(patches_of(embedded(_frame(paths[index])), index, inside))
    normal, defect, pixels = np.empty(len(paths), np.float32), np.empty(len(paths), np.float32), PixelFigures()
    banks = [_without(pools, held_out, recipe, engine, seed) for held_out in range(FOLDS)]
    for index in track(range(len(paths)), "drawing defects"):
        frame, (projection, nearest) = _frame(paths[index]), banks[fold[index]]
        planted = plant(frame, (recipe, *beside), np.random.default_rng([seed, index]))
        normal[index] = image_score(nearest.patch_scores(projection.apply(embedded(frame)), inside))
        scores = nearest.patch_scores(projection.apply(embedded(planted.frame)), inside)
        defect[index] = image_score(scores)
        heat = anomaly_map(scores, picture_wh(recipe), inside)
        mask = _seen(planted.mask, frame, recipe)
        pixels.add(window.spread(heat) if window else heat, mask, window.counts if window else None)
    return Separation(normal, defect, pixels.auroc, pixels.aupro)


def plant(frame: Frame, recipes: Sequence[Recipe], rng: np.random.Generator) -> Planted:
    """The frame with one defect of a random kind, one that every recipe looks at where TRIES allow it."""
    width, height = frame.size_wh
    scale = min(1.0, CANVAS / max(width, height))
    small_wh = max(1, round(width * scale)), max(1, round(height * scale))
    canvas = np.asarray(cv2.resize(frame.pixels, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
    for _ in range(TRIES):
        drawn = plant_on(rng, canvas)
        mask = cv2.resize(drawn.mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        if all(_looked_at(mask, frame, recipe) for recipe in recipes):
            break
    large = cv2.resize(drawn.picture, (width, height), interpolation=cv2.INTER_LINEAR)
    return Planted(Frame(np.where(mask[..., None], large, frame.pixels).astype(np.uint8)), mask)


def _frame(path: Path) -> Frame:
    return decoder.decode(path.read_bytes())


def _without(
    pools: Sequence[Pool], held_out: int, recipe: Recipe, engine: OpenVinoEngine, seed: int
) -> tuple[Projection, NearestNeighbours]:
    """The metric and the bank of all folds but one, as calibration makes them."""
    others = join([pool.patches() for index, pool in enumerate(pools) if index != held_out])
    learnt = learn(others, recipe.whitening, np.random.default_rng(seed)) if recipe.whitening > 0 else None
    projection = Projection(learnt)
    vectors = projection.apply(others.vectors)
    rows, _ = greedy_k_center(vectors, recipe.vectors, np.random.default_rng(seed))
    grid_hw = engine.grid[:2]
    inside = inside_of(recipe, grid_hw)
    return projection, NearestNeighbours.on(engine, vectors[rows], recipe.neighbours, grid_hw, inside)


def _seen(mask: NDArray[np.bool_], frame: Frame, recipe: Recipe) -> NDArray[np.bool_]:
    """A mask of the frame at the size of the recipe's anomaly map."""
    cut = view_of(frame, recipe).cut(mask).astype(np.uint8)
    return np.asarray(cv2.resize(cut, recipe.size_wh, interpolation=cv2.INTER_NEAREST) > 0)


def _looked_at(mask: NDArray[np.bool_], frame: Frame, recipe: Recipe) -> bool:
    window, seen = window_of(recipe), _seen(mask, frame, recipe)
    return bool((seen & window.counts if window else seen).any())
