"""The trial of a head: half of the samples and half of the kinds of defects train it, the other halves judge it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.bench import Bench
from calibration.coreset import greedy_k_center
from calibration.defects import KINDS
from calibration.evaluation.metrics import image_auroc
from calibration.finetuning.head import train
from calibration.finetuning.planting import Material
from calibration.metric import Metric, learn
from calibration.pool import Patches
from calibration.projection import Projection
from calibration.samples import evenly
from inspector.errors import SamplesError
from inspector.scoring import image_score, smooth
from inspector.types import Float32Array

WEIGHTS: Final = (0.25, 0.5)
"""Weights of the head beside the distance that are tried. At 1 both are about as high on normal samples. More than a
half gains hardly anything, even against synthetic defects, which favour the head.
"""

JUDGED: Final = 80
"""Pictures with and without defects by which a round is judged, at most so many of either."""

QUIETEST: Final = 0.3
"""Lower bound of the alarm of normal samples that a weight is measured by: a head that is silent on them is not turned
up further.
"""


@dataclass(frozen=True, slots=True)
class Round:
    """before: area under the ROC curve by distances alone. after: the same with the head, at each of WEIGHTS.

    unit: the gain of the head that a weight of 1 stands for.
    """

    before: float
    after: tuple[float, ...]
    unit: float


class HeadTrial:
    """Rounds of trial on one material. Banks are selected from the half that trains, and kept for the next round."""

    def __init__(self, material: Material, bench: Bench) -> None:
        self._material, self._bench = material, bench
        count = len(material.numbers)
        # Neighbours in order may be alike: quarters in turn rather than one by one.
        self._half = np.arange(count) * 4 // count % 2
        self._banks: dict[int, tuple[Float32Array, Metric | None]] = {}

    def round(self, half: int, kinds: int) -> Round:
        """The round in which this half of the samples, 0 or 1, and the kinds that are not of this parity judge.

        Raises:
            SamplesError: there are no defects to train on, or none to judge by.
        """
        material, planted = self._material, self._material.planted
        seen = self._half != half
        vectors, metric = self._bank(half, seen)
        studied = [kind for kind in range(len(KINDS)) if kind % 2 == kinds]
        head = train(material.lesson(seen, studied), np.random.default_rng([self._bench.seed, half, kinds]))
        good = material.normal[_some(~seen)]
        bad = planted.embeddings[_some(~seen[planted.owner] & ~np.isin(planted.kind, studied))]
        plain = Projection(metric)
        distances = self._scores(vectors, good, plain)
        alarms = [self._highest(head.alarm(each)) for each in good]
        unit = float(np.quantile(distances, 0.9) / max(float(np.quantile(alarms, 0.9)), QUIETEST))
        after = []
        for weight in WEIGHTS:
            fused = Projection(metric, head.with_gain(weight * unit))
            after.append(_area(self._scores(vectors, good, fused), self._scores(vectors, bad, fused)))
        return Round(_area(distances, self._scores(vectors, bad, plain)), tuple(after), unit)

    def _bank(self, half: int, seen: NDArray[np.bool_]) -> tuple[Float32Array, Metric | None]:
        """Of the samples seen, as they are banked: vectors as embedded, selected by their metric; and the metric."""
        if half not in self._banks:
            recipe, inside = self._bench.recipe, self._bench.grid.inside
            kept = self._material.banked[seen].reshape(-1, *self._material.banked.shape[2:])
            vectors = (kept if inside is None else kept[:, inside.ravel()]).reshape(-1, kept.shape[-1])
            source = np.repeat(np.arange(len(kept), dtype=np.int32), len(vectors) // len(kept))
            patches = Patches(vectors, source, np.zeros((len(vectors), 2), np.int32))
            metric = learn(patches, recipe.power) if recipe.power > 0 else None
            rng = np.random.default_rng(self._bench.seed)
            rows, _ = greedy_k_center(Projection(metric).apply(vectors), max(16, recipe.vectors // 2), rng)
            self._banks[half] = vectors[rows], metric
        return self._banks[half]

    def _scores(self, vectors: Float32Array, pictures: Float32Array, projection: Projection) -> Float32Array:
        """Image scores, float32 (n,), of embedded pictures, float32 (n, patches, dim), against a bank of vectors."""
        grid = self._bench.grid
        neighbours = self._bench.neighbours(projection.apply(vectors))
        embeddings = (projection.apply(each).reshape(*grid.hw, -1) for each in pictures)
        return np.array([image_score(neighbours.patch_scores(each, grid.inside)) for each in embeddings], np.float32)

    def _highest(self, alarm: Float32Array) -> float:
        """The highest alarm of a picture, float32 (patches,), smoothed as patch scores are."""
        grid = self._bench.grid
        return float(smooth(alarm.reshape(grid.hw), grid.inside).max())


def _some(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The numbers of at most JUDGED of the rows that are True, bool (n,)."""
    return np.array(evenly(np.flatnonzero(rows).tolist(), JUDGED), np.int64)


def _area(good: Float32Array, bad: Float32Array) -> float:
    area = image_auroc(good, bad)
    if area is None:
        raise SamplesError("fine-tuning: no defect could be planted into the held-back samples; calibrate without it")
    return area
