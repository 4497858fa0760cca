"""What a bank is given of novel patches, so that it covers what they stand for.

Novel patches are selected farthest first, by the greedy k-center of `coreset` begun with the vectors that are there,
until none is so far away that its frame could not pass. Where a score is the mean of several distances one vector
nearby is not enough, and more are added, the same one again if need be. All earlier vectors stay, so no distance grows:
a frame that passed still passes, and what the thresholds promised of it holds. HEADROOM bounds the price.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.coreset import greedy_k_center
from calibration.growth.reader import Reader
from calibration.pool import Patches, join
from inspector.bank import Bank
from inspector.scoring import NearestNeighbours

HEADROOM = 1.0
"""How far growth may go beyond the vectors of the recipe, as a share of them; then it is time to calibrate again."""


def unknown(reader: Reader, patches: Patches) -> NDArray[np.int64]:
    """Rows of the patches that are novel to the bank, by the mean of their k distances, as on the line."""
    return _beyond(reader.known, patches, reader.novel)


def _beyond(neighbours: NearestNeighbours, patches: Patches, limit: float) -> NDArray[np.int64]:
    return np.flatnonzero(neighbours.distances(patches.vectors).mean(1) > limit)


def merge(reader: Reader, novel: Sequence[Patches]) -> tuple[Patches, float]:
    """The patches of the bank and the novel ones that it needs; and the radius within which they cover all."""
    bank = reader.bank
    old = Patches(bank.vectors, bank.source, bank.position)
    patches, radius = cover(reader, old, novel, bank.manifest.covering_radius, until=reader.reach)
    return _deepened(reader, patches, novel), radius


def _deepened(reader: Reader, patches: Patches, novel: Sequence[Patches]) -> Patches:
    """With more of the novel patches where a score is the mean of k distances: until each mean is within reach, or the
    bank is full. Each turn adds one more vector within reach, the same again if need be, so k turns are enough.
    """
    bank = reader.bank
    rng = np.random.default_rng(bank.manifest.seed)
    for _ in range(1, bank.recipe.neighbours):
        neighbours, room = reader.neighbours(patches.vectors), most_vectors(bank) - len(patches.vectors)
        far = [part.take(_beyond(neighbours, part, reader.reach)) for part in novel]
        if room <= 0 or not any(len(part.vectors) for part in far):
            break
        wanted = join(far)
        rows, _ = greedy_k_center(wanted.vectors, room, rng, radius=reader.reach)
        patches = join([patches, wanted.take(rows)])
    return patches


def cover(
    reader: Reader, old: Patches, novel: Sequence[Patches], radius: float, *, until: float
) -> tuple[Patches, float]:
    """The old patches, which cover what they stand for within `radius`, and of the novel ones those needed: until none
    is farther than `until` from a patch that is taken, or the bank is full.

    Returns:
        The patches, and the radius within which they cover all.
    """
    bank, everything = reader.bank, join([old, *novel])
    kept, rng = np.arange(len(old.vectors)), np.random.default_rng(bank.manifest.seed)
    most = max(most_vectors(bank), len(kept))
    rows, left = greedy_k_center(everything.vectors, most, rng, start=kept, radius=until)
    return everything.take(rows), max(radius, left)


def most_vectors(bank: Bank) -> int:
    """How many vectors the bank may grow to."""
    return int((1 + HEADROOM) * bank.recipe.vectors)
