"""The guard: which false alarms would blind a bank to confirmed defects.

A false alarm that is added takes the patches that made it an alarm into the bank. If somebody called a defect a false
alarm, or if an alarm looks like a defect, defects of that kind would pass from then on. So before anything is added,
each confirmed defect is scored as it would be with all newcomers in the bank, in each light and place that they would
be banked in. Where it would be judged less strictly than now, the newcomers that are to blame are found, and left out.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from calibration.growth.cover import unknown
from calibration.growth.reader import Newcomer, Reader
from calibration.threads import half_of_the_cores
from inspector.errors import FrameError
from inspector.progress import Track, silent
from inspector.scoring import image_score, smooth
from inspector.types import Decision, Float32Array

_BYTES: Final = 1 << 28
"""Bound of the patches of guard frames that are asked at a time; for the next ones newcomers are read once more."""


@dataclass(frozen=True, slots=True)
class GuardFrame:
    """A confirmed defect: a name for it, and where its picture is."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Conflict:
    """A newcomer because of which guard frames would be judged less strictly. hides: their names."""

    newcomer: str
    hides: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Guarded:
    """A guard frame that the bank does not pass.

    queries: its patches that count, float32 (n, dim). known: their distances to the bank, float32 (n, k). near: by the
    names of newcomers, rows of the patches that novel ones come nearer to than the bank does, and how near.
    """

    name: str
    queries: Float32Array
    known: Float32Array
    near: dict[str, tuple[NDArray[np.int64], Float32Array]] = field(default_factory=dict)


@half_of_the_cores()
def conflicts(
    reader: Reader, newcomers: Sequence[Newcomer], guards: Sequence[GuardFrame], *, track: Track = silent
) -> tuple[Conflict, ...]:
    """The newcomers to leave out, so that no guard frame is judged less strictly than by the bank as it is.

    Guard frames and newcomers that cannot be read are passed over: growth and the shadow run tell of them.
    """
    hidden: dict[str, list[str]] = {}
    at_once = max(1, _BYTES // (int(reader.grid.counted.sum()) * reader.bank.vectors[0].nbytes))
    for begin in range(0, len(guards), at_once):
        asked = track(guards[begin : begin + at_once], "asking the guard")
        guarded = [found for guard in asked if (found := _guarded(reader, guard))]
        if not guarded:
            continue
        for newcomer in track(newcomers, "new patches"):
            _come_near(reader, newcomer, guarded)
        for one in guarded:
            for name in _hiding(reader, one, hidden):
                hidden.setdefault(name, []).append(one.name)
    return tuple(Conflict(name, tuple(hides)) for name, hides in hidden.items())


def _guarded(reader: Reader, guard: GuardFrame) -> _Guarded | None:
    """None where the frame cannot be read, or passes as it is."""
    try:
        queries = reader.embed(guard.path.read_bytes())[reader.grid.counted]
    except (OSError, FrameError):
        return None
    known = reader.known.distances(queries)
    passes = reader.bank.thresholds.decide(_score(reader, known)) is Decision.OK
    return None if passes else _Guarded(guard.name, queries, known)


def _come_near(reader: Reader, newcomer: Newcomer, guarded: Sequence[_Guarded]) -> None:
    """Note how near the patches of a newcomer that would be added come to each frame; they themselves are not kept."""
    try:
        patches = reader.patches(newcomer.path.read_bytes(), 0)
    except (OSError, FrameError):
        return
    novel = patches.take(unknown(reader, patches))
    if not len(novel.vectors):
        return
    search = reader.neighbours(novel.vectors)
    for one in guarded:
        distances = search.distances(one.queries)[:, 0]
        rows = np.flatnonzero(distances < one.known.max(1))
        if len(rows):
            one.near[newcomer.name] = rows, distances[rows]


def _hiding(reader: Reader, guarded: _Guarded, left_out: Collection[str]) -> list[str]:
    """Names of newcomers without which the frame is judged as strictly as before; and of those that are left out
    already, the names of those that would hide it by themselves.
    """
    thresholds, known, near = reader.bank.thresholds, guarded.known, guarded.near
    before = thresholds.decide(_score(reader, known))

    def nearest(names: Sequence[str]) -> Float32Array:
        """Of any of the newcomers, to each patch of the frame, float32 (n,); infinite where the bank is nearer."""
        found = np.full(len(known), np.inf, np.float32)
        for name in names:
            rows, distances = near[name]
            found[rows] = np.minimum(found[rows], distances)
        return found

    def milder(names: Sequence[str]) -> bool:
        # Growth may add the same patch k times, so the nearest counts as each of the k distances.
        added = nearest(names)[:, None].repeat(known.shape[1], 1)
        together = np.sort(np.concatenate([known, added], axis=1), axis=1)
        after = thresholds.decide(_score(reader, together[:, : known.shape[1]]))
        return after is Decision.OK or (before is Decision.NG and after is not Decision.NG)

    guilty = [name for name in near if name in left_out and milder([name])]
    stay = [name for name in near if name not in left_out]
    if not milder(stay):
        return guilty
    guilty += [name for name in stay if milder([name])]
    stay = [name for name in stay if name not in guilty]
    # Together they may do what none does alone: those whose patches come nearest go first.
    stay.sort(key=lambda name: float(np.minimum(nearest([name]), known[:, 0]).sum()))
    while stay and milder(stay):
        guilty.append(stay.pop(0))
    return guilty


def _score(reader: Reader, distances: Float32Array) -> float:
    """The image score. distances: float32 (patches that count, k)."""
    scores = np.zeros(reader.grid.hw, np.float32)
    scores[reader.grid.counted] = distances.mean(1)
    return image_score(smooth(scores, reader.grid.inside))
