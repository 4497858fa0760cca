"""Which recipe suits the part: tried on its good samples and the same with synthetic defects, never on a test folder.

Recipes are compared on the same samples with the same defects (`calibration.separation`). One that costs more, or
assumes more, is taken only where the area under the ROC curve gains more than LEAST_GAIN and more than twice its
standard error. That error is paired: samples are drawn again with replacement (Efron, 1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.samples import evenly
from calibration.separation import Separation, Trial, room, trial_samples
from inspector.progress import Track, named, silent
from inspector.recipe import LARGEST, Recipe

FEWEST: Final = 20
"""Fewer samples than this, or fewer that fit into memory, or with a defect that all recipes look at, cannot tell
recipes apart: nothing is tried then.
"""

VECTORS: Final = 1024
"""Size of a trial's banks at most: enough to tell recipes apart, in half the time."""

TURNS: Final = 2
"""Defects planted in each sample."""

LEAST_GAIN: Final = 0.01
"""Area under the ROC curve that a more demanding recipe must gain."""

DRAWS: Final = 200
"""Draws of the samples with replacement, for the standard error of a gain."""

SIZES: Final = (1.25, 1.5)
"""Sides of the picture that `auto` tries, as multiples of the recipe's. A frame costs the square of it."""

STRIDE: Final = 16
"""Side of a patch of the coarser layer, pixels."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe and how well it separates.

    area: under the ROC curve. gain: over the recipe that was held before. error: the standard error of the gain. Both
    are None for the first.
    """

    recipe: Recipe
    area: float
    gain: float | None = None
    error: float | None = None

    @property
    def taken(self) -> bool:
        """Whether it is the first, or better by more than chance explains."""
        return self.gain is None or self.error is None or self.gain > max(LEAST_GAIN, 2 * self.error)


@dataclass(frozen=True, slots=True)
class Choice:
    """The recipe that was chosen, and all that were tried, in order; none where fewer than FEWEST samples fitted, or
    got a defect that the recipes look at: unseen is a sentence that says so, then, unless only the metric was to be
    tried on too few samples.
    """

    recipe: Recipe
    tried: tuple[Tried, ...] = ()
    unseen: str | None = None


def choose(
    paths: Sequence[Path],
    recipe: Recipe,
    backbone: str,
    *,
    seed: int = 0,
    track: Track = silent,
) -> Choice:
    """Decide what the recipe leaves open: the metric where whitening is `auto`, and the size where `auto` is set.

    Raises:
        BackboneError, RecipeError, FrameError: see there.
    """
    plain = recipe.model_copy(update={"auto": False} | ({"whitening": 0.0} if recipe.whitening == "auto" else {}))
    looks = _looks(plain) if recipe.auto else [plain]
    if len(looks) == 1 and recipe.whitening != "auto":
        return Choice(plain)
    if len(paths) < FEWEST:
        return Choice(plain, unseen=_too_few(f"{len(paths)} samples") if recipe.auto else None)
    fitting = [(look, fit) for look in looks if (fit := room(look, backbone, TURNS)) >= FEWEST]
    if not fitting:
        few = f"{max(room(look, backbone, TURNS) for look in looks)} samples fit into memory as embeddings"
        return Choice(plain, unseen=_too_few(few) if recipe.auto else None)
    looks = [look for look, _ in fitting]
    taken = evenly(trial_samples(paths), min(fit for _, fit in fitting))
    tried: list[Tried] = []
    best, held = plain, None
    for look in looks:
        told = named(track, "{}x{}".format(*look.size_wh)) if recipe.auto else track
        lesser = look.model_copy(update={"vectors": min(look.vectors, VECTORS)})
        trial = Trial(taken, lesser, backbone, turns=TURNS, beside=looks, seed=seed, track=told)
        if (judging := int(trial.looked_at.any(0).sum())) < FEWEST:  # the same for each look
            return Choice(plain, unseen=_unseen(judging, len(taken)))
        powers = (0.0, 1.0) if recipe.whitening == "auto" else (look.power,)
        for power in powers if trial.measurable else (0.0,):
            candidate = look.model_copy(update={"whitening": power})
            found = trial.separation(power)
            tried.append(_held_against(candidate, found, held))
            if tried[-1].taken:
                best, held = candidate, found
    if recipe.whitening != "auto":  # all samples may be enough to learn the metric where those of a trial are not
        best = best.model_copy(update={"whitening": recipe.whitening})
    return Choice(best, tuple(tried))


def _looks(recipe: Recipe) -> list[Recipe]:
    """The recipe as it is and at each of SIZES that is not too large, in whole patches of STRIDE pixels."""
    sizes = [tuple(math.ceil(side * scale / STRIDE) * STRIDE for side in recipe.size_wh) for scale in SIZES]
    listed = dict.fromkeys([recipe.size_wh, *(size_wh for size_wh in sizes if max(size_wh) <= LARGEST)])
    return [recipe.model_copy(update={"size_wh": size_wh}) for size_wh in listed]


def _too_few(what: str) -> str:
    return f"nothing was tried for the recipe: {what}, expected {FEWEST} at least"


def _unseen(judging: int, count: int) -> str:
    return (
        f"nothing was tried for the recipe: synthetic defects in {judging} of {count} samples lie where it looks, "
        f"expected {FEWEST} at least; look at more of the frame, or say `whitening` and `size_wh` in a recipe"
    )


def _held_against(recipe: Recipe, found: Separation, held: Separation | None) -> Tried:
    ahead, seen = _ahead(found), found.looked_at.sum(0)
    count = len(seen)
    pairs = count * int(seen.sum())
    area = float(ahead.sum() / pairs)
    if held is None:
        return Tried(recipe, area)
    gained = ahead - _ahead(held)
    draws = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), DRAWS)
    error = float(np.std(((draws @ gained) * draws).sum(1) / (count * (draws @ seen))))
    return Tried(recipe, area, float(gained.sum() / pairs), error)


def _ahead(found: Separation) -> NDArray[np.float64]:
    """How many of the defects of sample j that are looked at score above sample i without one: float64 (n, n), a tie
    counts half.

    Its sum, over that of all such pairs, is the area under the ROC curve.
    """
    defect, normal = found.defect[:, None, :], found.normal[None, :, None]
    ahead: NDArray[np.float64] = (((defect > normal) + 0.5 * (defect == normal)) * found.looked_at[:, None, :]).sum(0)
    return ahead
