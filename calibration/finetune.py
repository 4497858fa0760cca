"""Fine-tuning on one's own part, from good samples alone: a head learns synthetic defects planted into them.

Whether it helps is asked of what it has not seen: held-back samples against held-back samples with held-back kinds of
defects. Only where the head separates them better than distances alone is it kept; the figures say so either way.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.coreset import greedy_k_center
from calibration.defects import KINDS, plant
from calibration.head import Head, Lesson, train
from calibration.light import factors, lit
from calibration.metric import Metric, learn
from calibration.metrics import image_auroc
from calibration.pool import Patches
from calibration.progress import Track, silent
from calibration.projection import Projection
from calibration.samples import drawn
from inspector.errors import SamplesError
from inspector.scoring import Inside, NearestNeighbours, image_score, smooth
from inspector.types import Float32Array, UInt8Image

NORMALS: Final = 200
PLANTED: Final = 600
"""So many samples and planted defects at most; fewer where their embeddings would take more than MAX_BYTES."""

MAX_BYTES: Final = 400 << 20
FEWEST: Final = 10
"""Fewer samples than this cannot be held back from one another."""

JUDGED: Final = 80
"""Pictures of either sort by which a round is judged, at most."""

WEIGHTS: Final = (0.25, 0.5)
"""Of the head beside the distance; 1: on normal samples the one is about as high as the other. More than half gains
hardly anything even against synthetic defects, which are partial to it.
"""

LEAST_GAIN: Final = 0.005
"""Area under the ROC curve by which a head must separate better in the mean of all rounds."""

COVERED, CLEAR = 0.4, 0.001
"""Shares of a patch that a defect covers: beyond the first it is one, below the second it lies beside."""

QUIETEST: Final = 0.3
"""Alarm of normal samples that weights are set by, at least: a head that is silent on them is not turned up further."""

Embed = Callable[[UInt8Image], Float32Array]
"""uint8 (height, width, 3) -> float32 (grid_h, grid_w, dim)."""

Search = Callable[[Float32Array], NearestNeighbours]
"""Vectors float32 (n, dim), of any dim, made ready to be searched as on the line."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it. before, after: mean area under the ROC curve without and with a head; rounds: (before, after) of
    each. heads: one for each fold of the samples, which has seen none of it; head: of all. Both empty where not kept.
    """

    before: float
    after: float
    rounds: tuple[tuple[float, float], ...]
    heads: tuple[Head, ...] = ()
    head: Head | None = None

    @property
    def said(self) -> str:
        """In words, for the lineage."""
        held = f"separation of held-back synthetic defects {self.before:.3f} to {self.after:.3f}"
        return f"fine-tuned, {held}" if self.head else f"fine-tuning not kept, {held}"


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Embeddings float32 (n, lights, patches, dim) as banked, (n, patches, dim) in their own light; owner (n,): the
    sample's number among those drawn; kind (n,): -1 for none; covered float32 (n, patches): the share that a defect
    covers.
    """

    banked: Float32Array
    owner: NDArray[np.int64]
    kind: NDArray[np.int64]
    covered: Float32Array

    @property
    def embeddings(self) -> Float32Array:
        """In their own light, float32 (n, patches, dim)."""
        return self.banked[:, 0]


def finetune(
    picture: Callable[[int], UInt8Image],
    fold: NDArray[np.int32],
    embed: Embed,
    search: Search,
    *,
    vectors: int,
    whitening: float,
    light: float = 0.0,
    inside: Inside = None,
    seed: int = 0,
    track: Track = silent,
) -> Tuned:
    """Train heads, judge them, and keep them or not.

    picture: what the backbone sees of a sample, by its number. fold: each sample's fold, int32 (n,). embed: the engine.
    search: as the recipe says. vectors, whitening, light: of the bank to be.

    Raises:
        SamplesError: fewer than FEWEST samples.
    """
    if len(fold) < FEWEST:
        raise SamplesError(f"fine-tuning: got {len(fold)} samples, expected at least {FEWEST}; calibrate without it")
    grid_hw = embed(picture(0)).shape[:2]
    normal, planted, numbers = _pictures(picture, len(fold), embed, light, inside, seed, track)
    judge = _Judge(normal, planted, search, vectors, whitening, grid_hw, inside, seed)
    before, after, units = [], [], []
    for number in track(range(4), "fine-tuning: rounds of trial"):
        distances, fused, unit = judge.round(number // 2, number % 2)
        before.append(distances)
        after.append(fused)
        units.append(unit)
        if number == 1 and np.mean(after, 0).max() <= np.mean(before):
            break  # neither half of the kinds helped against the other
    mean = np.mean(after, 0)
    best = int(mean.argmax())
    rounds = tuple(zip(before, (float(each[best]) for each in after), strict=True))
    found = Tuned(float(np.mean(before)), float(mean[best]), rounds)
    if found.after - found.before < LEAST_GAIN:
        return found
    gain = float(np.mean(units)) * WEIGHTS[best]
    folds = fold[numbers]
    everyone = np.ones(len(numbers), bool)
    groups = [folds != held_out for held_out in range(int(fold.max()) + 1)] + [everyone]
    heads = [
        train(_lesson(normal, planted, group, range(len(KINDS)), inside, seed), np.random.default_rng(seed)).with_gain(
            gain
        )
        for group in track(groups, "fine-tuning: heads")
    ]
    return Tuned(found.before, found.after, rounds, tuple(heads[:-1]), heads[-1])


class _Judge:
    """Rounds of trial: half of the samples and half of the kinds train, the other halves judge."""

    def __init__(
        self,
        normal: _Pictures,
        planted: _Pictures,
        search: Search,
        vectors: int,
        whitening: float,
        grid_hw: tuple[int, int],
        inside: Inside,
        seed: int,
    ) -> None:
        self._normal, self._planted = normal, planted
        self._search, self._vectors, self._whitening = search, vectors, whitening
        self._grid_hw, self._inside, self._seed = grid_hw, inside, seed
        count = len(normal.owner)
        # Neighbours in order may be alike: quarters in turn rather than one by one.
        self._half = np.arange(count) * 4 // count % 2
        self._banks: dict[int, tuple[Float32Array, Metric | None]] = {}

    def round(self, half: int, kinds: int) -> tuple[float, tuple[float, ...], float]:
        """Separation by distances alone, by each of WEIGHTS, and the gain that stands for a weight of 1."""
        seen = self._half != half
        bank, metric = self._bank(half, seen)
        distances = Projection(metric)
        studied = [kind for kind in range(len(KINDS)) if kind % 2 == kinds]
        rng = np.random.default_rng([self._seed, half, kinds])
        head = train(_lesson(self._normal, self._planted, seen, studied, self._inside, self._seed), rng)
        good = self._normal.embeddings[_some(np.flatnonzero(~seen))]
        strange = ~seen[self._planted.owner] & ~np.isin(self._planted.kind, studied)
        bad = self._planted.embeddings[_some(np.flatnonzero(strange))]
        plain = self._scores(bank, good, distances)
        alarms = [self._highest(head.alarm(each).reshape(self._grid_hw)) for each in good]
        unit = float(np.quantile(plain, 0.9) / max(float(np.quantile(alarms, 0.9)), QUIETEST))
        fused = []
        for weight in WEIGHTS:
            both = Projection(metric, head.with_gain(weight * unit))
            fused.append(_area(self._scores(bank, good, both), self._scores(bank, bad, both)))
        return _area(plain, self._scores(bank, bad, distances)), tuple(fused), unit

    def _bank(self, half: int, seen: NDArray[np.bool_]) -> tuple[Float32Array, Metric | None]:
        """Patches of the samples seen, in all lights, selected by their metric but as embedded, and the metric."""
        if half not in self._banks:
            rng = np.random.default_rng(self._seed)
            kept = self._normal.banked[seen].reshape(-1, *self._normal.banked.shape[2:])
            vectors = _inside_only(kept, self._inside)
            source = np.repeat(np.arange(len(kept), dtype=np.int32), len(vectors) // len(kept))
            patches = Patches(vectors, source, np.zeros((len(vectors), 2), np.int32))
            metric = learn(patches, self._whitening) if self._whitening > 0 else None
            rows, _ = greedy_k_center(Projection(metric).apply(vectors), max(16, self._vectors // 2), rng)
            self._banks[half] = vectors[rows], metric
        return self._banks[half]

    def _scores(self, bank: Float32Array, pictures: Float32Array, projection: Projection) -> Float32Array:
        neighbours = self._search(projection.apply(bank))
        grids = (projection.apply(each).reshape(*self._grid_hw, -1) for each in pictures)
        return np.array([image_score(neighbours.patch_scores(grid, self._inside)) for grid in grids], np.float32)

    def _highest(self, alarm: Float32Array) -> float:
        return float(smooth(alarm if self._inside is None else np.where(self._inside, alarm, 0)).max())


def _pictures(
    picture: Callable[[int], UInt8Image],
    count: int,
    embed: Embed,
    light: float,
    inside: Inside,
    seed: int,
    track: Track,
) -> tuple[_Pictures, _Pictures, NDArray[np.int64]]:
    """Samples and planted defects, embedded, and the numbers of the samples that were drawn."""
    one = embed(picture(0))
    room = MAX_BYTES // one.nbytes
    lights = factors(light)
    numbers = np.array(drawn(range(count), min(NORMALS, max(FEWEST, room // len(lights)))), np.int64)
    pictures = [picture(int(number)) for number in track(numbers.tolist(), "fine-tuning: samples")]
    flat = (one.shape[0] * one.shape[1], one.shape[2])
    normal = np.stack([np.stack([embed(lit(each, by)).reshape(flat) for by in lights]) for each in pictures])
    rng, names, total = np.random.default_rng([seed, 1]), list(KINDS), min(PLANTED, max(4 * FEWEST, room))
    embedded, owner, kind, covered = [], [], [], []
    for turn in track(range(total), "fine-tuning: planted defects"):
        which, what = turn % len(numbers), (turn + turn // len(numbers)) % len(names)
        planted = plant(rng, pictures[which], [names[what]])
        share = cv2.resize(planted.mask.astype(np.float32), one.shape[1::-1], interpolation=cv2.INTER_AREA)
        if inside is not None:
            share = np.where(inside, share, 0)
        if share.max() > COVERED / 4:
            embedded.append(embed(planted.picture).reshape(flat))
            owner.append(which)
            kind.append(what)
            covered.append(share.ravel())
    if not embedded:
        raise SamplesError(
            "fine-tuning: no defect can be planted where the region of interest lies; calibrate without it"
        )
    return (
        _Pictures(
            normal, np.arange(len(numbers)), np.full(len(numbers), -1), np.zeros((len(numbers), flat[0]), np.float32)
        ),
        _Pictures(np.stack(embedded)[:, None], np.array(owner), np.array(kind), np.stack(covered).astype(np.float32)),
        numbers,
    )


def _lesson(
    normal: _Pictures,
    planted: _Pictures,
    seen: NDArray[np.bool_],
    kinds: Sequence[int],
    inside: Inside,
    seed: int,
) -> Lesson:
    """The patches of the samples that may be seen (bool, by sample) and of these kinds; of many, enough at random."""
    shown = np.flatnonzero(seen[planted.owner] & np.isin(planted.kind, kinds))
    covered = planted.covered[shown]
    within = np.ones(covered.shape[1], bool) if inside is None else inside.ravel()
    rng = np.random.default_rng([seed, 2])
    defect = planted.embeddings[shown][covered > COVERED]
    beside = planted.embeddings[shown][(covered < CLEAR) & within & (rng.random(covered.shape) < 0.25)]
    untouched = normal.embeddings[seen]
    clean = untouched[within & (rng.random(untouched.shape[:2]) < 0.5)]
    if not (len(defect) and len(beside) and len(clean)):
        raise SamplesError(
            f"fine-tuning: got a region of {np.count_nonzero(within)} patches, expected some on planted defects and "
            "some beside them; draw it larger, or calibrate without --finetune"
        )
    return Lesson(defect, beside, clean)


def _inside_only(embeddings: Float32Array, inside: Inside) -> Float32Array:
    kept = embeddings if inside is None else embeddings[:, inside.ravel()]
    return kept.reshape(-1, kept.shape[-1])


def _some(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.array(drawn(numbers.tolist(), JUDGED), np.int64)


def _area(good: Float32Array, bad: Float32Array) -> float:
    area = image_auroc(good, bad)
    if area is None:
        raise SamplesError("fine-tuning: no defect could be planted into the held-back samples; calibrate without it")
    return area
