"""Control charts: has a station's picture drifted from its normals by more than chance and their own spread explain?

One exponentially weighted moving average for each signal (EWMA; Roberts, 1959; limits after Lucas and Saccucci, 1990)
of deviations in spreads of the normals. Its limits take three things into account: the chance of an average of some
forty frames, that the normals' mean is itself known from so many samples only, and how far the normals themselves
wandered in the order in which they were taken. Pure: numbers in, numbers out.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from inspector.drift import CLIP, ONE_SIDED, SIGNALS, Baseline, Signals

WEIGHT: Final = 0.05
"""Weight of the newest frame in the average, which reaches some forty frames back."""

SIGMAS: Final = 4.0
"""Limit of `drifting`, in standard deviations of the average."""

SHIFTED: Final = 2.5
"""Limit of `shifted`, in spreads of the normals: frames now look as hardly any normal one did."""

RELEASE: Final = 0.8
"""A state ends when the average has come back to this share of its limit, so that it does not flicker."""

BLOCK: Final = 20
"""Consecutive normals whose mean shows how far they wandered, at most so many."""


class State(StrEnum):
    """What the chart of one signal says."""

    OK = "ok"
    DRIFTING = "drifting"
    SHIFTED = "shifted"


STATES: Final = tuple(State)
"""From good to bad."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the average, in spreads of the normals: float64 (9,) each."""

    drifting: Signals
    shifted: Signals

    @classmethod
    def of(cls, baseline: Baseline) -> "Limits":
        """The limits that the normals of a bank set."""
        deviations = np.clip(baseline.deviations, -CLIP, CLIP)
        chance = WEIGHT / (2 - WEIGHT)
        drifting = SIGMAS * np.sqrt(chance + 1 / len(deviations) + wander(deviations))
        return cls(drifting, np.maximum(SHIFTED, drifting))


def wander(deviations: Signals) -> Signals:
    """Variance of the mean of consecutive normals beyond what chance gives, float64 (9,); 0 where it cannot be seen.

    deviations: float64 (samples, 9), in the order in which the samples were taken.
    """
    size = max(5, min(BLOCK, len(deviations) // 5))
    blocks = len(deviations) // size
    if blocks < 3:
        return np.zeros(deviations.shape[1])
    means = deviations[: blocks * size].reshape(blocks, size, -1).mean(1)
    return np.asarray(np.maximum(0, means.var(0, ddof=1) - deviations.var(0) / size), np.float64)


class Chart:
    """The charts of one station, one for each signal; used by one thread at a time."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._average = np.zeros(len(SIGNALS))
        self._level = np.zeros(len(SIGNALS))
        self._states = (State.OK,) * len(SIGNALS)

    def take(self, deviations: Signals) -> bool:
        """One more frame, float64 (9,); returns whether a state has changed."""
        self._average += WEIGHT * (np.clip(deviations, -CLIP, CLIP) - self._average)
        self._level += WEIGHT * (deviations - self._level)
        before, self._states = self._states, tuple(map(self._state, range(len(SIGNALS))))
        return self._states != before

    @property
    def levels(self) -> dict[str, float]:
        """The average deviation from the normals' mean, in their spreads, by signal; odd frames are not clipped."""
        return dict(zip(SIGNALS, self._level.tolist(), strict=True))

    @property
    def ratios(self) -> dict[str, float]:
        """The average over the limit of `drifting`, signed, by signal: beyond -1 or 1 it is out of control."""
        return dict(zip(SIGNALS, (self._telling / self._limits.drifting).tolist(), strict=True))

    @property
    def states(self) -> dict[str, State]:
        """The state of each signal."""
        return dict(zip(SIGNALS, self._states, strict=True))

    @property
    def well(self) -> bool:
        """Whether the state of each signal is ok."""
        return all(state is State.OK for state in self._states)

    @property
    def _telling(self) -> Signals:
        """The averages that count: 0 where a signal is below normal and that is no fault."""
        return np.where(ONE_SIDED, np.maximum(self._average, 0), self._average)

    def _state(self, index: int) -> State:
        average = abs(self._telling[index])
        for state, limits in ((State.SHIFTED, self._limits.shifted), (State.DRIFTING, self._limits.drifting)):
            held = STATES.index(self._states[index]) >= STATES.index(state)
            if average > limits[index] * (RELEASE if held else 1):
                return state
        return State.OK
