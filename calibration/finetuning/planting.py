"""Samples, and the same with synthetic defects planted into them, embedded: what a head is trained and judged on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from calibration.augmentation import count as count_banked
from calibration.bench import Bench
from calibration.defects import KINDS, plant
from calibration.finetuning.head import Lesson
from calibration.samples import evenly
from inspector.errors import SamplesError
from inspector.scoring import Inside
from inspector.types import Float32Array, UInt8Image

NORMALS: Final = 200
PLANTED: Final = 600
"""How many samples and planted defects at most; fewer where their embeddings would take more than MAX_BYTES."""

MAX_BYTES: Final = 400 << 20

FEWEST: Final = 10
"""Fewer samples than this cannot be held back from one another."""

COVERED, CLEAR = 0.4, 0.001
"""Share of a patch that a defect covers: above the first the patch is defective, below the second it is beside it."""


@dataclass(frozen=True, slots=True)
class PlantedSet:
    """n pictures with one synthetic defect each.

    embeddings: float32 (n, patches, dim). owner: int64 (n,), the row in `Material.normal` of the sample it was planted
    into. kind: int64 (n,), the number of its kind in KINDS. covered: float32 (n, patches), the share of each patch
    that the defect covers, 0 where patches do not count.
    """

    embeddings: Float32Array
    owner: NDArray[np.int64]
    kind: NDArray[np.int64]
    covered: Float32Array


@dataclass(frozen=True, slots=True)
class Material:
    """What there is to learn from. numbers: int64 (n,), which samples were drawn.

    banked: float32 (n, ways, patches, dim), each sample in every light and place that it is banked in, its own first.
    inside: which patches count. seed: chooses patches where there are many.
    """

    numbers: NDArray[np.int64]
    banked: Float32Array
    planted: PlantedSet
    inside: Inside
    seed: int

    @property
    def normal(self) -> Float32Array:
        """The samples as they are: float32 (n, patches, dim)."""
        return self.banked[:, 0]

    def lesson(self, seen: NDArray[np.bool_], kinds: Sequence[int]) -> Lesson:
        """The patches of the samples that may be seen, bool (n,), and of their defects of these kinds.

        Of patches that are beside defects a quarter is drawn, of untouched ones a half.

        Raises:
            SamplesError: a sort of patches is missing, as the region of interest is too small.
        """
        shown = np.flatnonzero(seen[self.planted.owner] & np.isin(self.planted.kind, kinds))
        covered = self.planted.covered[shown]
        within = np.ones(covered.shape[1], bool) if self.inside is None else self.inside.ravel()
        rng = np.random.default_rng([self.seed, 2])
        embeddings, untouched = self.planted.embeddings[shown], self.normal[seen]
        defect = embeddings[covered > COVERED]
        beside = embeddings[(covered < CLEAR) & within & (rng.random(covered.shape) < 0.25)]
        clean = untouched[within & (rng.random(untouched.shape[:2]) < 0.5)]
        if not (len(defect) and len(beside) and len(clean)):
            raise SamplesError(
                f"fine-tuning: got a region of {np.count_nonzero(within)} patches, expected some on planted defects "
                "and some beside them; draw it larger, or calibrate without --finetune"
            )
        return Lesson(defect, beside, clean)


def gather(bench: Bench) -> Material:
    """Draw samples evenly, embed them in every light and place, plant defects into them and embed these.

    Raises:
        SamplesError: no defect can be planted where patches count. BackboneError: an embedding is not finite.
    """
    rows, columns, dim = bench.engine.grid
    room = MAX_BYTES // (rows * columns * dim * 4)
    ways = count_banked(bench.recipe)
    numbers = evenly(range(len(bench)), min(NORMALS, max(FEWEST, room // ways)))
    pictures, banked = [], np.empty((len(numbers), ways, rows * columns, dim), np.float32)
    for row, number in enumerate(bench.track(numbers, "embedding samples")):
        for way, (picture, _) in enumerate(bench.placed(number)):
            banked[row, way] = bench.embed(picture, number).reshape(-1, dim)
            if way == 0:
                pictures.append(picture)
    planted = _plant(bench, numbers, pictures, min(PLANTED, max(4 * FEWEST, room)))
    return Material(np.array(numbers, np.int64), banked, planted, bench.grid.inside, bench.seed)


def in_turn(count: int, samples: int) -> list[tuple[int, int]]:
    """Of each of `count` defects the number of its sample and that of its kind: each sample in turn, with the next kind
    each time.
    """
    return [(turn % samples, (turn % samples + turn // samples) % len(KINDS)) for turn in range(count)]


def _plant(bench: Bench, numbers: Sequence[int], pictures: Sequence[UInt8Image], count: int) -> PlantedSet:
    """`count` defects, each sample and each kind in turn; those that hardly cover a patch that counts are left out."""
    (rows, columns, dim), inside = bench.engine.grid, bench.grid.inside
    rng, names = np.random.default_rng([bench.seed, 1]), list(KINDS)
    embedded, owner, kind, covered = [], [], [], []
    for which, what in bench.track(in_turn(count, len(numbers)), "planting defects"):
        planted = plant(rng, pictures[which], [names[what]])
        share = cv2.resize(planted.mask.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
        if inside is not None:
            share = np.where(inside, share, 0)
        if share.max() > COVERED / 4:
            embedded.append(bench.embed(planted.picture, numbers[which]).reshape(-1, dim))
            owner.append(which)
            kind.append(what)
            covered.append(share.ravel())
    if not embedded:
        raise SamplesError(
            "fine-tuning: no defect can be planted where the region of interest lies; calibrate without it"
        )
    return PlantedSet(np.stack(embedded), np.array(owner), np.array(kind), np.stack(covered).astype(np.float32))
