"""Taking a bank into use at a station: the guard is asked, the exchange made, and the audit told."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from inspector.banks import guard
from inspector.banks.journal import Move
from inspector.banks.replay import Judged
from inspector.banks.shelf import Shelf
from inspector.draft import draft_folder
from inspector.errors import BankError, InspectorError, StoreError
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.progress import Track, silent
from inspector.settings import Settings
from inspector.store import Archive, Candidates, Cases, FrameRow, Promotions
from inspector.store.candidates import PROMOTABLE, CandidateState
from inspector.types import ExchangeAction


class GuardError(InspectorError):
    """A bank would pass confirmed defects, and nobody said that it may.

    missed: those frames. guard: how many confirmed defects were asked.
    """

    def __init__(self, message: str, missed: tuple[Judged, ...], guard: int) -> None:
        super().__init__(message)
        self.missed = missed
        self.guard = guard


@dataclass(frozen=True, slots=True)
class Promoted:
    """A bank was taken into use. guard: confirmed defects that it was held against; missed: those it passes.

    lost: confirmed defects that could not be asked, as their pictures are not there.
    """

    move: Move
    guard: int
    missed: tuple[Judged, ...]
    lost: int = 0


def promote(
    settings: Settings,
    engine: Engine,
    station: str,
    candidate: Path,
    *,
    by: str,
    reason: str | None = None,
    action: ExchangeAction = "promote",
    seen: str | None = None,
    passing: int | None = None,
    check: Callable[[], object] | None = None,
    track: Track = silent,
) -> Promoted:
    """The bank at `candidate` is taken into use at `station`, and at all others that name the same folder.

    seen: the digest of the bank in use on which the decision rests; None: whichever. passing: how many confirmed
    defects may pass, as whoever decides was told; None: any number, as the reason is for them. check: as
    `Shelf.promote` has it.

    Raises:
        GuardError: it passes confirmed defects, and no reason is given, or they are more than `passing`.
        ChangedError: one of the two banks was exchanged meanwhile.
        BankError, EngineError: it cannot be used. UsageError: no such station.
        StoreError: the database cannot be read, or did not take the record; the shelf's journal has it then.
    """
    place = settings.station(station).bank
    reason = (reason or "").strip() or None
    cases, sharing = Cases(engine), settings.stations_at(place)
    pipeline = Pipeline.open(candidate, max_pixels=settings.max_pixels, engine=settings.engine)
    bank, defects = pipeline.bank, cases.guard(*sharing)
    parent = bank.manifest.lineage.parent if action == "thresholds" else None
    scores = _scores(engine, defects, Shelf(place).with_memory_of(parent or bank.ref.digest))
    shadow = guard.ask(defects, Archive(settings.frames_dir), pipeline, scores, track=track)
    missed = shadow.missed
    if missed and (reason is None or (passing is not None and len(missed) > passing)):
        may = "with a written reason" if passing is None else f"saying that {len(missed)} may pass, with a reason"
        raise GuardError(
            f"bank {candidate}: passes {len(missed)} of {len(shadow.guard)} confirmed defects "
            f"(frame {missed[0].frame}{', …' if len(missed) > 1 else ''}); promote it {may}, or not",
            missed,
            len(shadow.guard),
        )
    move = Shelf(place).promote(
        candidate,
        by=by,
        reason=reason,
        action=action,
        guard=len(shadow.guard),
        guard_missed=len(missed),
        tried=bank.ref.digest,
        seen=seen,
        check=check,
    )
    record(settings, engine, place)
    lost = shadow.lost + cases.without_picture(*sharing)
    return Promoted(move, len(shadow.guard), missed, lost)


def rollback(
    settings: Settings, engine: Engine, station: str, *, by: str, reason: str | None = None, seen: str | None = None
) -> Move:
    """The bank that the one in use replaced is taken into use again. seen: as `promote` has it.

    Raises:
        ChangedError: another bank is in use by now. BankError: there is none. UsageError: no such station.
        StoreError: the database did not take the record.
    """
    place = settings.station(station).bank
    move = Shelf(place).rollback(by=by, reason=(reason or "").strip() or None, seen=seen)
    record(settings, engine, place)
    return move


def apply_thresholds(
    settings: Settings,
    engine: Engine,
    station: str,
    *,
    ok: float,
    ng: float,
    by: str,
    reason: str | None = None,
    seen: str | None = None,
    passing: int = 0,
) -> Promoted:
    """The bank in use under other thresholds, as a bank of its own whose lineage names the one before. A bank that is
    taken into use meanwhile is not replaced.

    passing: as `promote` has it; a reason is given for any thresholds, so it alone does not say that defects may pass.

    Raises: as `promote`, and UsageError where the thresholds cannot be.
    """
    from calibration.growth.derive import with_thresholds

    place = settings.station(station).bank
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with draft_folder(settings.data_dir, ".thresholds.") as folder:
        bank = folder / "bank"
        with_thresholds(place, bank, ok=ok, ng=ng)
        seen = seen or read_manifest(bank).lineage.parent
        return promote(
            settings, engine, station, bank, by=by, reason=reason, action="thresholds", seen=seen, passing=passing
        )


def record(settings: Settings, engine: Engine, place: Path) -> None:
    """Brings the audit, and what is said of candidates, up to what the shelf's journal says, exchanges by the command
    line included. A station that came to the bank later has of its journal what `Promotions.record` says.

    Raises:
        StoreError: the database did not take it; the journal has it, and the next call tries again.
    """
    _record(engine, place, settings.stations_at(place))


def record_all(settings: Settings, engine: Engine) -> list[str]:
    """The same for the banks of all stations; why that could not be, for each bank that it could not."""
    faults = []
    for place, stations in settings.banks.items():
        try:
            _record(engine, place, stations)
        except (BankError, StoreError) as error:
            faults.append(str(error))
    return faults


def _scores(engine: Engine, defects: Sequence[FrameRow], banks: Collection[str]) -> dict[int, float]:
    """What these banks gave confirmed defects, on the line or in a shadow run, by the number of the frame."""
    decided = {row.id: row.score for row in defects if row.bank_digest in banks and row.score is not None}
    return Candidates(engine).scores(banks) | decided


def _record(engine: Engine, place: Path, stations: Sequence[str]) -> None:
    done = [move for move in Shelf(place).moves() if move.done]
    became, candidates = _became(done), Candidates(engine)
    for station in stations:
        Promotions(engine).record(station, done)
        for candidate in candidates.of(station):
            state = became.get(candidate.digest or "", candidate.state)
            if candidate.state in ("promoted", *PROMOTABLE) and candidate.state != state:
                candidates.tell(candidate.id, state=state)


def _became(moves: Sequence[Move]) -> dict[str, CandidateState]:
    """What exchanges, oldest first, made of banks, by digest. One that a better one replaced stays promoted."""
    became: dict[str, CandidateState] = {}
    for move in moves:
        became[move.after.digest] = "promoted"
        if move.action == "rollback" and move.before is not None:
            became[move.before.digest] = "rolled_back"
    return became
