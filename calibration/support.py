"""How well other samples vouch for each patch: this tells a defect among the good samples from a rare good part.

Distances to one bank of all other samples do not: where a defect occurs more than once, each vouches for the next. So
the samples are split into many small groups with a bank each, and a patch's support is the median of its distances to
the groups that do not hold its sample. Defects in a tenth of the samples, of several kinds, are found in few groups,
normal patches in most. In the spirit of SoftPatch (Jiang et al., NeurIPS 2022), which weighs patches by local outlier
factors, and of the median of means.
"""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.coreset import greedy_k_center
from calibration.pool import Patches
from inspector.progress import Track, silent
from inspector.scoring import Inside, NearestNeighbours, smooth
from inspector.types import Float32Array

GROUPS: Final = 10
VECTORS: Final = 256
"""Size of each group's bank."""

CANDIDATES: Final = 48 * VECTORS
"""Patches of a group that its bank is selected from, drawn at random."""


def support(
    folds: Sequence[Patches],
    projected: Callable[[Float32Array], Float32Array],
    embedded: Callable[[int], Float32Array],
    count: int,
    inside: Inside,
    seed: int,
    track: Track = silent,
) -> list[Float32Array]:
    """For each of `count` samples, two or more: the median distance of its patches to the groups that it is not in.

    folds: the patches of all samples, which are not put together as they may fill a gigabyte. projected: vectors,
    float32 (n, dim), as they are compared. embedded: gives a sample's projected patches by its number, float32 (grid_h,
    grid_w, dim). seed: draws the groups, and the patches that their banks are selected from.

    Returns:
        For each sample float32 (grid_h, grid_w), smoothed; 0 for patches that are not inside.
    """
    groups = min(GROUPS, count)
    rng = np.random.default_rng([seed, 3])
    group = rng.permutation(count) % groups
    searches = [
        NearestNeighbours(_bank(_vectors(folds, group == number), projected, rng))
        for number in track(range(groups), "grouping samples")
    ]
    found = []
    for index in track(range(count), "asking other samples"):
        embedding = embedded(index)
        asked = embedding.reshape(-1, embedding.shape[-1]) if inside is None else embedding[inside]
        distances = [each.search(asked)[0][:, 0] for number, each in enumerate(searches) if number != group[index]]
        middle = np.zeros(embedding.shape[:2], np.float32)
        middle[np.ones(middle.shape, bool) if inside is None else inside] = np.median(distances, 0)
        found.append(smooth(middle, inside))
    return found


def _vectors(folds: Sequence[Patches], among: NDArray[np.bool_]) -> Float32Array:
    """The vectors of the samples that are `among`, bool (samples,): float32 (n, dim)."""
    return np.concatenate([patches.vectors[among[patches.source]] for patches in folds])


def _bank(
    vectors: Float32Array, projected: Callable[[Float32Array], Float32Array], rng: np.random.Generator
) -> Float32Array:
    if len(vectors) > CANDIDATES:
        vectors = vectors[np.sort(rng.choice(len(vectors), CANDIDATES, replace=False))]
    vectors = projected(vectors)
    rows, _ = greedy_k_center(vectors, VECTORS, rng)
    return vectors[rows]
