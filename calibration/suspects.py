"""Samples that may not be as good as their folder says: outlying, nearly duplicate, blurred, wrongly exposed.

Each rule compares a sample with its own set, by the logarithm of one figure. Location and scale are the median and the
median absolute deviation on the side in question, since figures are skewed; up to a quarter of a set may be bad before
they break down (Rousseeuw and Croux, 1993). The bound is such that of a normally distributed set of any size
FALSE_FLAGS samples lie beyond it on average. A difference too small to matter is never flagged.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, t

from calibration.look import Look
from inspector.types import Float32Array

FALSE_FLAGS: Final = 0.5
"""Expected number of good samples that each rule flags in a set, whatever its size (Chauvenet, 1863)."""

FEWEST: Final = 10
"""Fewer samples than this cannot tell which of them is odd."""

LEAST_SPREAD: Final = 0.02
"""Lower bound of the scale of logarithms: samples that are all but equal are taken to vary by 2 %, so that none of them
is flagged.
"""

BLURRED: Final = 1 / 3
"""Blurred samples have at most this share of the median sharpness."""

ALIKE: Final = 1 / 4
"""Near duplicates differ by at most this share of the median distance of samples to their nearest."""

CLIPPED: Final = 0.05
"""Wrongly exposed samples have a share of clipped pixels that is higher than the median by at least this."""

_ROWS: Final = 256
"""Pictures that are compared with all others at a time: one by one, five thousand take a minute."""

Kind = Literal["outlying", "doubtful", "duplicate", "blurred", "overexposed", "underexposed"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why a sample is suspicious: the kind, and a few words for a person."""

    kind: Kind
    reason: str


@dataclass(frozen=True, slots=True)
class Suspect:
    """A sample that a person should look at.

    index: its number. name: its path below the samples folder. distance: how far its worst patch is from what most
    other samples show; no score, which is held against a whole bank. heat: that of all its patches, float32 (rows,
    columns), for a picture of them.
    """

    index: int
    name: str
    distance: float
    doubts: tuple[Doubt, ...]
    heat: Float32Array = field(repr=False, compare=False)

    @property
    def reason(self) -> str:
        """All doubts in a line."""
        return "; ".join(f"{doubt.kind}, {doubt.reason}" for doubt in self.doubts)


def find(
    names: Sequence[str],
    scores: Float32Array,
    looks: Sequence[Look],
    heats: Sequence[Float32Array],
    doubtful: Float32Array | None = None,
) -> tuple[Suspect, ...]:
    """The suspects among n samples, in order; none where there are fewer than FEWEST.

    scores: float32 (n,), how far the worst patch of each is from what most others show. heats: the same for all patches
    of each, float32 (rows, columns), for a picture. doubtful: float32 (n,), how doubtful the most doubtful patch of
    each is (`calibration.doubt`); None where nobody asked.
    """
    if len(names) < FEWEST:
        return ()
    doubts: dict[int, list[Doubt]] = {}
    unlike = (*_outlying(scores), *(() if doubtful is None else _doubtful(doubtful)))
    for index, doubt in (*unlike, *_blurred(looks), *_exposed(looks), *_duplicates(names, looks)):
        doubts.setdefault(index, []).append(doubt)
    return tuple(
        Suspect(index, names[index], float(scores[index]), tuple(doubts[index]), heats[index])
        for index in sorted(doubts)
    )


def outliers(values: NDArray[np.floating], *, above: bool) -> NDArray[np.bool_]:
    """Which of n positive values, float (n,), are too high (or too low) for their set, by logarithm: bool (n,)."""
    logs = np.log(np.maximum(values, 1e-6))
    return _far_above(logs if above else -logs)


def _far_above(figures: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which of n figures, float (n,), are too high for their set: bool (n,).

    The bound is a quantile of Student's t with n / 3 degrees of freedom, as the scale is itself estimated from half of
    the values. By simulation, of n = 10 to 2,000 normally distributed values 0.3 to 0.6 are flagged for
    FALSE_FLAGS = 0.5.
    """
    middle = np.median(figures)
    spread = np.median((figures - middle)[figures >= middle]) / norm.ppf(0.75)
    bound = t.isf(FALSE_FLAGS / len(figures), len(figures) / 3)
    flagged: NDArray[np.bool_] = figures - middle > bound * max(float(spread), LEAST_SPREAD)
    return flagged


def _outlying(scores: Float32Array) -> Iterator[tuple[int, Doubt]]:
    usual = float(np.median(scores))
    for index in np.flatnonzero(outliers(scores, above=True)):
        times = float(scores[index]) / max(usual, 1e-6)
        yield int(index), Doubt("outlying", f"{times:.1f} times as far from what most others show as is usual")


def _doubtful(doubtful: Float32Array) -> Iterator[tuple[int, Doubt]]:
    for index in np.flatnonzero(_far_above(doubtful)):
        yield int(index), Doubt("doubtful", "looks like a defect somewhere, and few others show the like")


def _duplicates(names: Sequence[str], looks: Sequence[Look]) -> Iterator[tuple[int, Doubt]]:
    """Of two that are nearly the same: the one that is far less sharp, or else the later one."""
    pictures = np.stack([look.thumbnail for look in looks])
    nearest, distance = nearest_of(pictures)
    usual = float(np.median(distance))
    close = outliers(distance + 0.1, above=False) & (distance <= ALIKE * usual)
    for index in map(int, np.flatnonzero(close)):
        other = int(nearest[index])
        sharper = looks[index].sharpness / looks[other].sharpness
        if sharper < 0.5 or (sharper <= 2 and index > other):
            yield index, Doubt("duplicate", f"nearly the same picture as {names[other]}")


def nearest_of(pictures: Float32Array) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """For each of n pictures, float32 (n, pixels): the number of the nearest other, and their RMS difference."""
    centred = (pictures - pictures.mean(0)).astype(np.float64)
    lengths = (centred**2).sum(1)
    nearest = np.empty(len(pictures), np.int64)
    distance = np.empty(len(pictures))
    for begin in range(0, len(pictures), _ROWS):
        rows = np.arange(begin, min(begin + _ROWS, len(pictures)))
        squared = lengths + lengths[rows, None] - 2 * (centred[rows] @ centred.T)
        squared[rows - begin, rows] = np.inf
        nearest[rows] = squared.argmin(1)
        distance[rows] = np.sqrt(np.maximum(squared.min(1), 0) / pictures.shape[1])
    return nearest, distance


def _blurred(looks: Sequence[Look]) -> Iterator[tuple[int, Doubt]]:
    sharpness = np.array([look.sharpness for look in looks])
    usual = float(np.median(sharpness))
    for index in np.flatnonzero(outliers(sharpness, above=False) & (sharpness <= BLURRED * usual)):
        yield int(index), Doubt("blurred", f"{sharpness[index] / usual:.0%} of the usual sharpness")


def _exposed(looks: Sequence[Look]) -> Iterator[tuple[int, Doubt]]:
    sides: tuple[tuple[Kind, str, list[float]], ...] = (
        ("overexposed", "white", [look.bright for look in looks]),
        ("underexposed", "black", [look.dark for look in looks]),
    )
    for kind, word, values in sides:
        shares = np.array(values)
        usual = float(np.median(shares))
        for index in np.flatnonzero(outliers(shares + 0.01, above=True) & (shares >= usual + CLIPPED)):
            reason = f"{shares[index]:.0%} of its pixels are {word}, usually {usual:.0%}"
            yield int(index), Doubt(kind, reason)
