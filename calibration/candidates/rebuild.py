"""The loop: false alarms become normals of a candidate bank, the guard is asked, a shadow run says what would change.

What operators said lies in the ledger, the pictures in the archive. The candidate is the bank in use, grown by the
false alarms that it does not know and that hide no confirmed defect; its thresholds are those in use.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from calibration.candidates.making import Making, making
from calibration.candidates.trial import try_it
from calibration.growth.derive import Derived
from calibration.growth.grow import grow
from calibration.growth.guard import Conflict, GuardFrame, conflicts
from calibration.growth.reader import Newcomer, Reader, newcomers_in
from inspector.bank import Bank
from inspector.errors import SamplesError
from inspector.progress import Track, silent
from inspector.settings import Settings
from inspector.store import Archive, Candidate, Candidates, Cases, FrameRow

_NAMED: Final = 3
"""How many of the defects that a false alarm would hide are named; all are listed by number."""


def rebuild(
    settings: Settings,
    engine: Engine,
    station: str,
    *,
    by: str,
    good: Path | None = None,
    track: Track = silent,
    on_begun: Callable[[], object] = lambda: None,
) -> Candidate:
    """Build a candidate for a station and try it.

    good: a folder of further good samples that the bank is to know. on_begun: called when its row is there.

    Raises:
        SamplesError: there is nothing that the bank does not know, or somebody works on this station already.
        StoppedError: somebody stopped it.
        BankError, StoreError, UsageError: see there. The candidate's row says so too.
    """
    place = settings.station(station).bank
    base = Bank.load(place)
    with making(settings, engine, station, by=by, base=base, track=track, on_begun=on_begun) as made:
        _work(settings, engine, made, place, good)
    return Candidates(engine).get(made.row.id)


def _work(settings: Settings, engine: Engine, made: Making, place: Path, good: Path | None) -> None:
    station, told = made.row.station, made.told
    archive, cases = Archive(settings.frames_dir), Cases(engine)
    alarms, guards = cases.false_alarms(station), cases.guard(*settings.stations_at(place))
    reader = Reader(place)
    known = {sample.sha256 for sample in reader.bank.manifest.samples}
    named = {_name(one): one for one in alarms if one.sha256 not in known}
    newcomers = [Newcomer(name, archive.path(one.sha256, one.image or "")) for name, one in named.items()]
    further = newcomers_in(good) if good else []
    if not newcomers and not further:
        raise SamplesError(
            f"station {station}: got {len(alarms)} false alarms, all known to the bank in use; "
            "expected at least one that is new: review the queue first"
        )
    refused = conflicts(
        reader,
        newcomers,
        [GuardFrame(str(one.id), archive.path(one.sha256, one.image or "")) for one in guards],
        track=told,
    )
    left_out = {conflict.newcomer for conflict in refused}
    fed = [newcomer for newcomer in newcomers if newcomer.name not in left_out]
    numbers = [named[newcomer.name].id for newcomer in fed]
    defects = {one.id: one for one in guards}
    told.say(fed=numbers, refused=[_refused(named[conflict.newcomer], conflict, defects) for conflict in refused])
    if not fed and not further:
        raise SamplesError(
            f"station {station}: each of the {len(newcomers)} new false alarms looks like a confirmed defect; "
            "look at them again"
        )
    grown = grow(place, [*fed, *further], made.out, operation="false alarms:", replace=True, track=told)
    told.built(Bank.load(made.out), grown=_grown(grown))
    try_it(settings, engine, station, made.out, in_use=place, fed=set(numbers), told=told)


def _name(row: FrameRow) -> str:
    """As the bank's manifest lists it: no path, nothing that a station chose."""
    return f"false_alarm/{row.sha256[:16]}.{row.image}"


def _refused(row: FrameRow, conflict: Conflict, defects: Mapping[int, FrameRow]) -> dict[str, Any]:
    hides = [defects[int(guard)] for guard in conflict.hides]
    return {
        **_named(row),
        "received_at": row.received_at.isoformat(),
        "hides": [one.id for one in hides],
        "hidden": [_named(one) for one in hides[:_NAMED]],
    }


def _named(row: FrameRow) -> dict[str, Any]:
    return {"frame": row.id, "frame_id": row.frame_id, "part_id": row.part_id}


def _grown(grown: Derived) -> dict[str, Any]:
    return {
        "added": len(grown.manifest.lineage.added),
        "skipped": [{"path": item.path.name, "reason": item.reason} for item in grown.skipped],
        "vectors": [grown.before.vectors, grown.manifest.vectors],
        "not_passing": len(grown.still),
        "cautions": list(grown.cautions),
    }
