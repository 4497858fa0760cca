"""The guard: confirmed defects before a bank that is to be taken into use.

A frame that the bank's own memory has scored is not inspected again, as its score would be the same: hundreds of them
would take longer than whoever waits for a page may be kept.
"""

from collections.abc import Mapping, Sequence

from inspector.bank import Bank
from inspector.banks.replay import Judged, Shadow, replay
from inspector.errors import InspectorError
from inspector.header import upright_size_wh
from inspector.pipeline import Pipeline
from inspector.progress import Track
from inspector.store import Archive, FrameRow
from inspector.types import Decision


def ask(
    defects: Sequence[FrameRow], archive: Archive, pipeline: Pipeline, scores: Mapping[int, float], *, track: Track
) -> Shadow:
    """Which of these would pass.

    scores: what the memory of the pipeline's bank gave, by the number of the frame; defects without one are inspected.
    Of a defect with a score that is told as ng, drift may explain so much that the line would call it uncertain.
    """
    tried = replay([row for row in defects if row.id not in scores], archive, pipeline, track=track)
    known = [_judged(row, scores[row.id], archive, pipeline.bank) for row in defects if row.id in scores]
    return Shadow(tuple(sorted((*known, *tried.judged), key=lambda one: one.frame)), tried.untried)


def _judged(row: FrameRow, score: float, archive: Archive, bank: Bank) -> Judged:
    decision, why = bank.thresholds.decide(score), None
    if decision is Decision.OK:
        try:
            with archive.path(row.sha256, row.image or "").open("rb") as picture:
                decision, why = bank.decide(score, upright_size_wh(picture))
        except (OSError, InspectorError):
            pass  # whether its size would keep it back is not known: it counts as one that passes
    return Judged.of(row, decision.value, score, why)
