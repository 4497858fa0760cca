"""Fitting: the patches of all samples by fold, how they are compared, and how each sample looks to the others.

No sample is ever scored against itself: each is held against a bank selected from the other folds. The projection, too,
is learnt without it for that.
"""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.coreset import greedy_k_center
from calibration.drift import Normals
from calibration.finetune import Tuned, finetune
from calibration.light import any_light, factors, lit
from calibration.metric import Metric, learn
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool, join, patches_of
from calibration.progress import Track
from calibration.projection import Projection
from calibration.samples import Samples
from calibration.support import support, supported
from inspector import frame as decoder
from inspector.drift import Baseline, usual_patch
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError
from inspector.patches import picture_of
from inspector.recipe import Recipe
from inspector.scoring import Inside, NearestNeighbours, anomaly_map, image_score
from inspector.types import Float32Array, UInt8Image
from inspector.window import inside_of, picture_wh, window_of

HEAT_SIDE = 64
"""Rows and columns at most of the patch scores that are kept of each sample, to be looked at."""


@dataclass(frozen=True, slots=True)
class Bench:
    """The samples, and how they are looked at. engine: without a projection. fold: of each sample, int32 (n,)."""

    samples: Samples
    recipe: Recipe
    engine: OpenVinoEngine
    fold: NDArray[np.int32]
    seed: int
    track: Track

    @property
    def inside(self) -> Inside:
        """Which patches count."""
        return inside_of(self.recipe, self.engine.grid[:2])

    @property
    def numbers(self) -> range:
        """Of the samples."""
        return range(len(self.samples.files))

    def picture(self, index: int, light: float = 1.0) -> UInt8Image:
        """What the backbone sees of a sample, its levels times `light`."""
        frame = decoder.decode(self.samples.files[index].path.read_bytes())
        return lit(picture_of(frame, self.recipe)[0], light)

    def embed(self, picture: UInt8Image, index: int) -> Float32Array:
        """The patches of a picture of that sample, float32 (grid_h, grid_w, dim).

        Raises:
            BackboneError: they are no finite numbers.
        """
        embedding: Float32Array = self.engine.embed(picture[None])[0]
        if not np.isfinite(embedding).all():
            raise BackboneError(
                f"backbone: embeds {self.samples.name(index)} as NaN or infinity, expected finite numbers; "
                "are these weights of this network?"
            )
        return embedding

    def search(self, vectors: Float32Array) -> NearestNeighbours:
        """Vectors of any dim, made ready to be searched as on the line."""
        return NearestNeighbours.on(self.engine, vectors, self.recipe, self.engine.grid[:2])

    def heat(self, patch_scores: Float32Array) -> Float32Array:
        """The anomaly map of patch scores over the crop or whole frame."""
        heat = anomaly_map(patch_scores, picture_wh(self.recipe), self.inside)
        window = window_of(self.recipe)
        return window.spread(heat) if window else heat

    def small_heat(self, patch_scores: Float32Array) -> Float32Array:
        """Patch scores over the crop or whole frame, at most HEAT_SIDE rows and columns, to be looked at."""
        heat = self.heat(patch_scores) if window_of(self.recipe) else patch_scores
        rows, columns = heat.shape
        size_wh = min(columns, HEAT_SIDE), min(rows, HEAT_SIDE)
        return np.asarray(cv2.resize(heat, size_wh, interpolation=cv2.INTER_AREA), np.float32)


@dataclass(frozen=True, slots=True)
class Material:
    """What banks are selected from: patches of all samples by fold, as embedded. tuned: what fine-tuning came to."""

    folds: tuple[Patches, ...]
    tuned: Tuned | None

    def patches(self, without: int | None = None) -> Patches:
        """Of all folds, or of all but one."""
        return join([patches for number, patches in enumerate(self.folds) if number != without])

    def projections(self, recipe: Recipe) -> tuple[Projection, list[Projection]]:
        """Learnt of all folds, and for each fold of all but it.

        All with a metric or none: without each of the folds there must be enough to learn it from, or the samples'
        scores would be measured otherwise than those of the line.
        """
        folds = range(len(self.folds))
        each = [self._metric(recipe, held_out) if recipe.power > 0 else None for held_out in folds]
        final = None if None in each else self._metric(recipe)
        if final is None:
            each = [None for _ in folds]
        if self.tuned is None or self.tuned.head is None:
            return Projection(final), [Projection(metric) for metric in each]
        heads = self.tuned.heads
        return Projection(final, self.tuned.head), [Projection(*pair) for pair in zip(each, heads, strict=True)]

    def _metric(self, recipe: Recipe, without: int | None = None) -> Metric | None:
        return learn(self.patches(without), recipe.power)


@dataclass(frozen=True, slots=True)
class Prepared:
    """Material, what it is compared by, and what the samples say of one another.

    projection: learnt of all samples; cross_fitted: of all folds but one each. support: how far each sample's patches
    are from what most others show, float32 (grid_h, grid_w). trimmed: the share of the patches that is left out.
    """

    material: Material
    projection: Projection
    cross_fitted: tuple[Projection, ...]
    support: list[Float32Array]
    trimmed: float = 0.0

    @property
    def worst(self) -> Float32Array:
        """The highest support of each sample, float32 (n,)."""
        return np.array([image_score(each) for each in self.support], np.float32)

    def without_doubtful(self) -> "Prepared":
        """Patches that too few other samples vouch for are no grounds for a bank."""
        kept = tuple(patches.take(supported(patches, self.support)) for patches in self.material.folds)
        before, after = (sum(len(part.vectors) for part in parts) for parts in (self.material.folds, kept))
        return replace(self, material=replace(self.material, folds=kept), trimmed=1 - after / before)


@dataclass(frozen=True, slots=True)
class Figures:
    """Each sample against a bank of the other folds: image score and highest value of the anomaly map, float32 (n,);
    and what the samples are usually like.
    """

    scores: Float32Array
    peaks: Float32Array
    baseline: Baseline


def prepare(bench: Bench, *, tune: bool) -> Prepared:
    """Embed the samples, train a head if asked for, learn projections, and ask the samples of one another.

    Raises:
        BackboneError: the backbone gives no finite numbers. SamplesError: too few samples for a head.
    """
    material = Material(_embedded(bench), _tuned(bench) if tune else None)
    final, each = material.projections(bench.recipe)
    return Prepared(material, final, tuple(each), _support(bench, material, final))


def cross_fit(bench: Bench, prepared: Prepared) -> Figures:
    """Hold each sample, in a light that frames may be in, against a bank of the other folds."""
    recipe, inside = bench.recipe, bench.inside
    count = len(bench.numbers)
    normals = Normals(count, prepared.projection.width(bench.engine.grid[2]))
    scores, peaks, usual = (np.empty(count, np.float32) for _ in range(3))
    folds = range(len(prepared.material.folds))
    for held_out in bench.track(folds, "cross-fitting thresholds"):
        projection = prepared.cross_fitted[held_out]
        memory, _ = select(prepared.material.patches(held_out), recipe.vectors, bench.seed, projection)
        neighbours = bench.search(memory.vectors)
        for index in map(int, np.flatnonzero(bench.fold == held_out)):
            picture = bench.picture(index, any_light(recipe.light, np.random.default_rng([bench.seed, index])))
            embedding = bench.embed(picture, index)
            normals.take(index, picture, prepared.projection.apply(embedding), inside)
            patch_scores = neighbours.patch_scores(projection.apply(embedding), inside)
            scores[index], peaks[index] = image_score(patch_scores), bench.heat(patch_scores).max()
            usual[index] = usual_patch(patch_scores, inside)
    return Figures(scores, peaks, normals.baseline(bench.fold, usual))


def select(patches: Patches, count: int, seed: int, projection: Projection) -> tuple[Patches, float]:
    """The vectors of a bank, at most `count` and as they are compared; and its covering radius."""
    patches = replace(patches, vectors=projection.apply(patches.vectors))
    rows, radius = greedy_k_center(patches.vectors, count, np.random.default_rng(seed))
    return patches.take(rows), radius


def _embedded(bench: Bench) -> tuple[Patches, ...]:
    number = int(bench.fold.max()) + 1
    pools = [
        Pool(MAX_BYTES // number, KEEP * bench.recipe.vectors, np.random.default_rng([bench.seed, index]))
        for index in range(number)
    ]
    for index in bench.track(bench.numbers, "embedding patches"):
        for light in factors(bench.recipe.light):
            embedding = bench.embed(bench.picture(index, light), index)
            pools[bench.fold[index]].add(patches_of(embedding, index, bench.inside))
    return tuple(pool.patches() for pool in pools)


def _tuned(bench: Bench) -> Tuned:
    def embed(picture: UInt8Image) -> Float32Array:
        embedding: Float32Array = bench.engine.embed(picture[None])[0]
        return embedding

    return finetune(
        bench.picture,
        bench.fold,
        embed,
        bench.search,
        vectors=bench.recipe.vectors,
        whitening=bench.recipe.power,
        light=bench.recipe.light,
        inside=bench.inside,
        seed=bench.seed,
        track=bench.track,
    )


def _support(bench: Bench, material: Material, projection: Projection) -> list[Float32Array]:
    patches = material.patches()
    return support(
        replace(patches, vectors=projection.apply(patches.vectors)),
        lambda index: projection.apply(bench.embed(bench.picture(index), index)),
        len(bench.numbers),
        bench.inside,
        bench.seed,
        bench.track,
    )
