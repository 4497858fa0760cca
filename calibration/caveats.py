"""Caveats: what a set of good samples cannot tell, whatever is calculated from it."""

import math
from collections.abc import Sequence
from typing import Final

import numpy as np

from calibration.samples import Samples, evenly
from calibration.suspects import FEWEST, Suspect, nearest_of
from calibration.thresholds import limits
from inspector.manifest import Promise
from inspector.recipe import Recipe
from inspector.samples.enough import MINIMUM
from inspector.types import Float32Array
from inspector.window import view_counts

HARDLY: Final = 0.5
"""Grey levels, of 255, by which thumbnails of different parts differ at least; usually it is ten times as much."""

LOWER: Final = 0.9
"""It is a caveat where the threshold would fall to this share of itself, or below, without the outlying samples."""

LITTLE: Final = 0.05
"""A region of interest that leaves less than this share of the picture is a caveat."""

RIM, MIDDLE = 0.85, 0.05
"""So is one that looks at more than this share of the picture's rim, and at less than that of its middle ninth. A
band across the whole picture that leaves out as much leaves less of the rim."""

PRESSED: Final = 4.0
"""It is a caveat where one side is pressed so many times as much as the other; 2.5 cost nothing (docs/studies)."""

SIDE_STEP: Final = 32
"""Sides of the picture that is proposed instead are multiples of it, pixels: of the strides of all layers in use."""

BLACK: Final = 16.0
"""Grey level, of 255, that no place of samples that are all but black exceeds: of twelve bits in sixteen, the most."""

COMPARED: Final = 200
"""At most so many samples are compared with one another."""


def caveats(samples: Samples, *more: str | None) -> tuple[str, ...]:
    """A sentence for each thing that these samples leave open; none for a sound set. more: sentences from elsewhere."""
    return tuple(said for said in (_few(samples), _black(samples), _alike(samples), _sizes(samples), *more) if said)


def rests_on_suspects(scores: Float32Array, suspects: Sequence[Suspect], promise: Promise, ok: float) -> str | None:
    """A sentence where outlying samples set the threshold; if they show defects, such defects will pass.

    scores: float32 (n,), of all samples by number. ok: the threshold that they set.
    """
    outlying = [item for item in suspects if any(doubt.kind == "outlying" for doubt in item.doubts)]
    others = np.delete(scores, [item.index for item in outlying])
    if not outlying or len(others) < MINIMUM:
        return None
    without = limits(others, promise.max_false_reject).ok
    if without > LOWER * ok:
        return None
    named = max(outlying, key=lambda item: float(scores[item.index])).name
    which = named if len(outlying) == 1 else f"{named} and {len(outlying) - 1} more"
    return (
        f"ok rests on outlying samples ({which}): without them it would be {without:.3g}, not {ok:.3g}; look at them "
        "first, for what is wrong with them will pass"
    )


def region_in_doubt(recipe: Recipe) -> str | None:
    """A sentence where the region of interest leaves hardly anything, or what a mask with black for white leaves."""
    counts = view_counts(recipe, recipe.size_wh)
    if counts is None:
        return None
    rim = np.concatenate((counts[0], counts[-1], counts[:, 0], counts[:, -1])).mean()
    third_h, third_w = (side // 3 for side in counts.shape)
    if rim > RIM and counts[third_h:-third_h, third_w:-third_w].mean() < MIDDLE:
        told = "looks at the rim of the picture and not at its middle"
    elif counts.mean() < LITTLE:
        told = f"leaves {counts.mean():.1%} of the picture"
    else:
        return None
    return (
        f"the region of interest {told}: is that meant? A mask is white where to look, and `exclude` is left out; "
        "`inspector inspect --heatmaps DIR` shows what is not looked at dim"
    )


def pressed(samples: Samples, recipe: Recipe) -> str | None:
    """A sentence where what the recipe looks at is of far other proportions than the picture that is made of it, and
    large enough for one of its own.
    """
    if recipe.crop:
        wide, high = recipe.crop.width, recipe.crop.height
    else:
        wide, high = (int(side) for side in np.median([file.size_wh for file in samples.files], axis=0))
    width, height = recipe.size_wh
    if 1 / PRESSED < wide / high / (width / height) < PRESSED:
        return None
    fair = [math.sqrt(width * height * share) for share in (wide / high, high / wide)]
    sides = [max(SIDE_STEP, round(side / SIDE_STEP) * SIDE_STEP) for side in fair]
    if wide < sides[0] or high < sides[1]:
        return None  # enlarged, small pictures are worse
    return (
        f"{wide}x{high} pixels are pressed into {width}x{height}: what is narrow along the long side may be lost; with "
        f"`size_wh: {sides}` in a recipe both sides count alike, for about the same time"
    )


def _few(samples: Samples) -> str | None:
    number = len(samples.files)
    if number >= FEWEST:
        return None
    return (
        f"{number} samples are too few to tell which of them is suspicious (that needs {FEWEST}), and how much good "
        "parts vary: expect false rejects, and add samples"
    )


def _black(samples: Samples) -> str | None:
    brightest = max(float(file.look.thumbnail.max()) for file in samples.files)
    if brightest > BLACK:
        return None
    return (
        f"the samples are all but black (no place is brighter than {brightest:.0f} of 255), so a defect hardly shows: "
        "more light or exposure; a camera of 10 or 12 bits is to write them into the high bits of 16-bit pictures"
    )


def _alike(samples: Samples) -> str | None:
    some = evenly(samples.files, COMPARED)
    _, distance = nearest_of(np.stack([file.look.thumbnail for file in some]))
    usual = float(np.median(distance))
    if usual >= HARDLY:
        return None
    return (
        f"the samples are all but identical (nearest ones differ by {usual:.2f} grey levels): if they show one part "
        "many times, how much good parts vary cannot be told, and the promise holds for that part alone"
    )


def _sizes(samples: Samples) -> str | None:
    sizes = [file.size_wh for file in samples.files]
    if samples.recipe.crop or len(set(sizes)) == 1:
        return None
    (narrow, low), (wide, high) = np.min(sizes, axis=0), np.max(sizes, axis=0)
    return (
        f"the samples are of {len(set(sizes))} sizes, {narrow} to {wide} pixels wide and {low} to {high} high; each is "
        "drawn to the recipe's size, so that a part of wrong size or proportions cannot be told from a good one"
    )
