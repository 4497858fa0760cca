"""Latency of several pipelines, measured in turns: what disturbs the machine for a moment disturbs all alike."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from inspector.pipeline import Pipeline
from inspector.progress import Track, silent

ROUNDS: Final = 10
BURST: Final = 4
WARM: Final = 2
"""In each of ROUNDS, BURST frames of each pipeline are timed after WARM that are not."""

PAUSE_S: Final = 0.05
"""Between turns: idle threads of one pipeline spin for a while and would take the next one's cores."""


def take_turns(sides: Sequence[tuple[Pipeline, Sequence[Path]]], track: Track = silent) -> list[list[float]]:
    """Milliseconds from encoded frame to decision, ROUNDS * BURST of each pipeline.

    sides: each pipeline with files of frames that it can inspect, at least one.
    """
    timed: list[list[float]] = [[] for _ in sides]
    for turn in track(range(ROUNDS), "timing in turns"):
        for shift in range(len(sides)):
            number = (turn + shift) % len(sides)
            pipeline, frames = sides[number]
            time.sleep(PAUSE_S)
            for index in range(-WARM, BURST):
                inspection = pipeline.inspect(frames[(turn * BURST + index) % len(frames)].read_bytes())
                if index >= 0:
                    timed[number].append(sum(inspection.stage_ms.values()))
    return timed
