"""The guard: which false alarms would blind a bank to confirmed defects.

A false alarm that is added takes the patches that made it an alarm into the bank. If somebody called a defect a false
alarm, or if an alarm looks like a defect, defects of that kind would pass from then on. So before anything is added,
each confirmed defect is scored as it would be with all newcomers in the bank, in each light and place that they would
be banked in. Where it would be judged less strictly than now, the newcomers that are to blame are found, and left out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from calibration.growth.grow import unknown
from calibration.growth.reader import Newcomer, Reader
from calibration.threads import half_of_the_cores
from inspector.errors import FrameError
from inspector.progress import Track, silent
from inspector.scoring import NearestNeighbours, image_score, smooth
from inspector.types import Decision, Float32Array


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


@half_of_the_cores()
def conflicts(
    reader: Reader, newcomers: Sequence[Newcomer], guards: Sequence[GuardFrame], *, track: Track = silent
) -> tuple[Conflict, ...]:
    """The newcomers to leave out, so that no guard frame is judged less strictly than by the bank as it is.

    Guard frames and newcomers that cannot be read are passed over: growth and the shadow run tell of them.
    """
    novel = {n.name: found for n in track(newcomers, "new patches") if (found := _novel(reader, n)) is not None}
    hidden: dict[str, list[str]] = {}
    for guard in track(guards, "asking the guard"):
        try:
            embeddings = reader.embed(guard.path.read_bytes())
        except (OSError, FrameError):
            continue
        for name in _hiding(reader, embeddings, novel, hidden):
            hidden.setdefault(name, []).append(guard.name)
    return tuple(Conflict(name, tuple(hides)) for name, hides in hidden.items())


def _novel(reader: Reader, newcomer: Newcomer) -> NearestNeighbours | None:
    """A search among the patches of a newcomer that would be added; None where there are none."""
    try:
        patches = reader.patches(newcomer.path.read_bytes(), 0)
    except (OSError, FrameError):
        return None
    rows = unknown(reader, patches)
    return reader.neighbours(patches.vectors[rows]) if len(rows) else None


def _hiding(
    reader: Reader, embeddings: Float32Array, novel: Mapping[str, NearestNeighbours], left_out: Collection[str]
) -> list[str]:
    """Names of newcomers without which the frame is judged as strictly as before; and of those that are left out
    already, the names of those that would hide it by themselves.
    """
    thresholds = reader.bank.thresholds
    queries = embeddings[reader.grid.counted]
    known = reader.known.distances(queries)
    before = thresholds.decide(_score(reader, known))
    if before is Decision.OK:
        return []
    # Growth may add the same patch k times, so the nearest counts as each of the k distances.
    near = {name: found.distances(queries)[:, :1].repeat(known.shape[1], 1) for name, found in novel.items()}

    def milder(names: Sequence[str]) -> bool:
        nearest = np.sort(np.concatenate([known, *(near[name] for name in names)], axis=1), axis=1)
        after = thresholds.decide(_score(reader, nearest[:, : known.shape[1]]))
        return after is Decision.OK or (before is Decision.NG and after is not Decision.NG)

    guilty = [name for name in near if name in left_out and milder([name])]
    stay = [name for name in near if name not in left_out]
    if not milder(stay):
        return guilty
    guilty += [name for name in stay if milder([name])]
    stay = [name for name in stay if name not in guilty]
    # Together they may do what none does alone: those whose patches come nearest go first.
    stay.sort(key=lambda name: float(np.minimum(near[name][:, 0], known[:, 0]).sum()))
    while stay and milder(stay):
        guilty.append(stay.pop(0))
    return guilty


def _score(reader: Reader, distances: Float32Array) -> float:
    """The image score. distances: float32 (patches that count, k)."""
    scores = np.zeros(reader.grid.hw, np.float32)
    scores[reader.grid.counted] = distances.mean(1)
    return image_score(smooth(scores, reader.grid.inside))
