"""A shadow run: recorded frames before another bank, and which verdicts change."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final, Self

from inspector.errors import FrameError, StoreError
from inspector.pipeline import Pipeline
from inspector.progress import Track, silent
from inspector.store import Archive, FrameRow

PASSED = "ok"

NO_PICTURE: Final = "no_picture"
"""Why a frame could not be tried: the archive does not have its picture."""

_LISTED = 500


@dataclass(frozen=True, slots=True)
class Judged:
    """A frame before two banks. before: as the line decided it, or as the bank in use does; scores likewise.

    reason_before, reason_after: why it is uncertain; None where it is not, or nobody knows.
    """

    frame: int
    station: str
    frame_id: str
    disposition: str | None
    defect_type: str | None
    before: str
    after: str
    score_before: float | None
    score_after: float
    part_id: str | None = None
    received_at: datetime | None = None
    reason_before: str | None = None
    reason_after: str | None = None

    @classmethod
    def of(cls, row: FrameRow, after: str, score_after: float, reason_after: str | None = None) -> Self:
        """A frame beside what the line decided then."""
        return cls(
            frame=row.id,
            station=row.station,
            frame_id=row.frame_id,
            disposition=row.disposition,
            defect_type=row.defect_type,
            before=row.word,
            after=after,
            score_before=row.score,
            score_after=score_after,
            part_id=row.part_id,
            received_at=row.received_at,
            reason_before=row.verdict.get("reason"),
            reason_after=reason_after,
        )

    def to_json(self) -> dict[str, Any]:
        """As `inspector replay --json` and the page have it."""
        received_at = self.received_at.isoformat() if self.received_at else None
        return asdict(self) | {"score_after": round(self.score_after, 6), "received_at": received_at}


@dataclass(frozen=True, slots=True)
class Untried:
    """A frame that could not be tried. kind: in one word, that of an error frame, or NO_PICTURE; why: in a line."""

    frame: int
    frame_id: str
    disposition: str | None
    kind: str
    why: str


@dataclass(frozen=True, slots=True)
class Shadow:
    """What a shadow run found. judged: all frames that could be tried; untried: the others."""

    judged: tuple[Judged, ...]
    untried: tuple[Untried, ...] = ()

    @property
    def lost(self) -> int:
        """How many frames could not be tried."""
        return len(self.untried)

    @property
    def changed(self) -> tuple[Judged, ...]:
        """Frames with another decision, guard defects first, then by score."""
        found = (one for one in self.judged if one.before != one.after)
        return tuple(sorted(found, key=lambda one: (one.disposition != "defect", -one.score_after)))

    @property
    def guard(self) -> tuple[Judged, ...]:
        """Confirmed defects."""
        return tuple(one for one in self.judged if one.disposition == "defect")

    @property
    def missed(self) -> tuple[Judged, ...]:
        """Confirmed defects that would pass."""
        return tuple(one for one in self.guard if one.after == PASSED)

    @property
    def false_alarms(self) -> tuple[Judged, ...]:
        """Frames that an operator passed and the line had not."""
        return tuple(one for one in self.judged if one.disposition == "false_alarm" and one.before != PASSED)

    @property
    def cleared(self) -> tuple[Judged, ...]:
        """False alarms that would pass."""
        return tuple(one for one in self.false_alarms if one.after == PASSED)

    def to_json(self) -> dict[str, Any]:
        """One object; of the changed frames at most _LISTED are listed."""
        moves = Counter((one.before, one.after) for one in self.judged)
        return {
            "frames": len(self.judged),
            "lost": self.lost,
            "lost_defects": sum(one.disposition == "defect" for one in self.untried),
            "lost_false_alarms": sum(one.disposition == "false_alarm" for one in self.untried),
            "lost_kinds": self._kinds(),
            "decisions": [{"before": b, "after": a, "frames": n} for (b, a), n in sorted(moves.items())],
            "guard": len(self.guard),
            "missed": [one.to_json() for one in self.missed],
            "missed_before": sum(one.before == PASSED for one in self.guard),
            "false_alarms": len(self.false_alarms),
            "cleared": len(self.cleared),
            "changed": [one.to_json() for one in self.changed[:_LISTED]],
            "changed_total": len(self.changed),
        }

    def _kinds(self) -> list[dict[str, Any]]:
        """Why frames could not be tried, the most frequent first, each with its first frame."""
        firsts = {one.kind: one for one in reversed(self.untried)}
        return [
            {"kind": kind, "frames": frames, "frame": first.frame, "frame_id": first.frame_id, "why": first.why}
            for kind, frames in Counter(one.kind for one in self.untried).most_common()
            for first in (firsts[kind],)
        ]


def replay(
    frames: Sequence[FrameRow],
    archive: Archive,
    candidate: Pipeline,
    *,
    in_use: Pipeline | None = None,
    track: Track = silent,
) -> Shadow:
    """Inspect recorded frames by another bank.

    in_use: what to compare with; a frame that it decided itself is not inspected by it again. None compares with what
    the line decided then, by whichever bank it ran.
    """
    judged, untried = [], []
    for row in track(frames, "shadow run"):
        try:
            payload = archive.read(row.sha256, row.image or "")
            after = candidate.inspect(payload)
            one = Judged.of(row, after.decision.value, after.score, after.why)
            if in_use is not None and in_use.bank.ref.digest != row.bank_digest:
                again = in_use.inspect(payload)
                one = replace(one, before=again.decision.value, score_before=again.score, reason_before=again.why)
        except (FrameError, StoreError) as error:
            kind = error.reason if isinstance(error, FrameError) else NO_PICTURE
            why = str(error).removeprefix("frame: ")
            untried.append(Untried(row.id, row.frame_id, row.disposition, kind, why))
            continue
        judged.append(one)
    return Shadow(tuple(judged), tuple(untried))
