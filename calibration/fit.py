"""Fitting: the patches of all samples by fold, how they are compared, and how each sample looks to the others.

No sample is ever scored against itself: each is held against a bank selected from the other folds, through a
projection that is learnt from the other folds.
"""

from dataclasses import dataclass, replace

import numpy as np

from calibration.augmentation import any_augmentation
from calibration.bench import Bench
from calibration.coreset import greedy_k_center
from calibration.doubt import doubt, undoubted
from calibration.drift import baseline_of
from calibration.finetuning.finetune import Tuned, finetune
from calibration.metric import Metric, fewest, learn
from calibration.normal_scores import NormalScores
from calibration.pool import KEEP, MAX_BYTES, Patches, Pool, join, patches_at
from calibration.projection import Projection
from calibration.support import support
from inspector.drift import Baseline, Glance, glance, mean_embedding, usual_patch
from inspector.scoring import image_score
from inspector.types import Float32Array


@dataclass(frozen=True, slots=True)
class Prepared:
    """What banks are selected from, what it is compared by, and what the samples say of one another.

    folds: the patches of each fold, as embedded. projection: learnt from all samples; cross_fitted: for each fold,
    learnt from the others. support: how far each sample's patches are from what most others show, float32 (grid_h,
    grid_w). tuned: the outcome of fine-tuning; None where it was not asked for. trimmed: the share of the patches that
    is left out. unlearnt: why there is no metric although the recipe has one.
    """

    folds: tuple[Patches, ...]
    projection: Projection
    cross_fitted: tuple[Projection, ...]
    support: list[Float32Array]
    tuned: Tuned | None
    trimmed: float = 0.0
    unlearnt: str | None = None

    @property
    def worst(self) -> Float32Array:
        """The highest support of each sample, float32 (n,)."""
        return np.array([image_score(each) for each in self.support], np.float32)

    def without_doubtful(self, bench: Bench) -> "Prepared":
        """The same without the patches that are likelier defects than good."""
        doubts = doubt(bench, self.support, self.tuned.heads if self.tuned else ())
        kept = tuple(patches.take(undoubted(patches, doubts)) for patches in self.folds)
        before, after = (sum(len(patches.vectors) for patches in parts) for parts in (self.folds, kept))
        return replace(self, folds=kept, trimmed=1 - after / before)


@dataclass(frozen=True, slots=True)
class CrossFitted:
    """Each sample against a bank of the other folds, and what the samples are usually like.

    maps: the patch scores of each sample, for a picture of them (`Bench.small_map`).
    """

    normals: NormalScores
    baseline: Baseline
    maps: tuple[Float32Array, ...]


def prepare(bench: Bench, *, tune: bool) -> Prepared:
    """Embed the samples, train a head if asked for, learn projections, and ask the samples of one another.

    Raises:
        BackboneError: an embedding is not finite. SamplesError: too few samples for a head.
    """
    folds = _embedded(bench)
    tuned = finetune(bench) if tune else None
    projection, cross_fitted = _projections(folds, bench.recipe.power, tuned)

    def embedded(index: int) -> Float32Array:
        return projection.apply(bench.embed(bench.picture(index), index))

    found = support(folds, projection.apply, embedded, len(bench), bench.grid.inside, bench.seed, bench.track)
    unlearnt = _unlearnt(folds) if bench.recipe.power > 0 and projection.metric is None else None
    return Prepared(folds, projection, cross_fitted, found, tuned, unlearnt=unlearnt)


def cross_fit(bench: Bench, prepared: Prepared) -> CrossFitted:
    """Hold each sample, in a light and a place that frames may be in, against a bank of the other folds."""
    count, inside = len(bench), bench.grid.inside
    scores, peaks, usual = (np.empty(count, np.float32) for _ in range(3))
    looks: dict[int, Glance] = {}
    means: dict[int, Float32Array] = {}
    maps: dict[int, Float32Array] = {}
    for held_out in bench.track(range(len(prepared.folds)), "cross-fitting thresholds"):
        projection = prepared.cross_fitted[held_out]
        memory, _ = select(_others(prepared.folds, held_out), bench.recipe.vectors, bench.seed, projection)
        neighbours = bench.neighbours(memory.vectors)
        for index in map(int, np.flatnonzero(bench.fold == held_out)):
            augmentation = any_augmentation(bench.recipe, np.random.default_rng([bench.seed, index]))
            picture = bench.picture(index, augmentation)
            embedding = bench.embed(picture, index)
            looks[index] = glance(picture)
            means[index] = mean_embedding(prepared.projection.apply(embedding), inside)
            patch_scores = neighbours.patch_scores(projection.apply(embedding), inside)
            scores[index], peaks[index] = image_score(patch_scores), bench.grid.anomaly_map(patch_scores).max()
            usual[index] = usual_patch(patch_scores, inside)
            maps[index] = bench.small_map(patch_scores)
    every = range(count)
    baseline = baseline_of([looks[i] for i in every], np.stack([means[i] for i in every]), bench.fold, usual)
    return CrossFitted(NormalScores(scores, peaks, bench.fold), baseline, tuple(maps[i] for i in every))


def select(patches: Patches, count: int, seed: int, projection: Projection) -> tuple[Patches, float]:
    """The vectors of a bank, at most `count` and as they are compared; and its covering radius."""
    patches = replace(patches, vectors=projection.apply(patches.vectors))
    rows, radius = greedy_k_center(patches.vectors, count, np.random.default_rng(seed))
    return patches.take(rows), radius


def _embedded(bench: Bench) -> tuple[Patches, ...]:
    """The patches of each fold, in every light and place that samples are banked in, within bounded memory."""
    number = int(bench.fold.max()) + 1
    pools = [
        Pool(MAX_BYTES // number, KEEP * bench.recipe.vectors, np.random.default_rng([bench.seed, index]))
        for index in range(number)
    ]
    for index in bench.track(range(len(bench)), "embedding patches"):
        for picture, place in bench.placed(index):
            pools[bench.fold[index]].add(patches_at(place, bench.embed(picture, index), index, bench.grid))
    return tuple(pools.pop(0).patches() for _ in range(number))  # what a pool held goes before the next is put together


def _projections(
    folds: tuple[Patches, ...], power: float, tuned: Tuned | None
) -> tuple[Projection, tuple[Projection, ...]]:
    """Learnt from all folds; and for each fold, from the others.

    All have a metric or none has: where one group is too small to learn it from, samples would be measured in another
    way than frames are on the line.
    """
    metrics: list[Metric | None] = [None] * len(folds)
    metric = None
    if power > 0:
        metrics = [learn(_others(folds, held_out), power) for held_out in range(len(folds))]
        metric = None if None in metrics else learn(join(list(folds)), power)
        if metric is None:
            metrics = [None] * len(folds)
    if tuned is None or tuned.head is None:
        return Projection(metric), tuple(Projection(each) for each in metrics)
    return Projection(metric, tuned.head), tuple(Projection(*pair) for pair in zip(metrics, tuned.heads, strict=True))


def _unlearnt(folds: tuple[Patches, ...]) -> str:
    counts, dim = [len(patches.vectors) for patches in folds], folds[0].vectors.shape[1]
    return (
        "the metric (whitening) cannot be learnt, and is left out: without one fold there are "
        f"{sum(counts) - max(counts):,} patches, expected {fewest(dim):,} at least, not all the same; add samples, "
        "or choose a larger picture"
    )


def _others(folds: tuple[Patches, ...], held_out: int) -> Patches:
    return join([patches for number, patches in enumerate(folds) if number != held_out])
