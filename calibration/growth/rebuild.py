"""The loop: false alarms become normals of a candidate bank, the guard is asked, a shadow run says what would change.

What operators said lies in the ledger, the pictures in the archive. The candidate is the bank in use, grown by the
false alarms that it does not know and that hide no confirmed defect; its thresholds are those in use. A row of the
table `candidates` tells how far it is, for whoever looks.
"""

import shutil
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Engine

from calibration.growth.derive import Derived
from calibration.growth.grow import grow
from calibration.growth.guard import Conflict, GuardFrame, conflicts
from calibration.growth.reader import Newcomer, Reader, newcomers_in
from inspector.bank import Bank
from inspector.banks.rebuilding import alone
from inspector.banks.replay import Shadow, replay
from inspector.errors import InspectorError, SamplesError
from inspector.pipeline import Pipeline
from inspector.progress import Track, silent
from inspector.settings import Settings
from inspector.store import Archive, Candidate, Candidates, Cases, FrameRow
from inspector.types import BankRef

RECENT: Final = 500
"""How many of the last recorded frames a shadow run inspects, beside the guard and the false alarms."""

KEEP: Final = 5
"""How many candidates of a station stay on the disk."""

_TELL_EVERY_S = 0.5

T = TypeVar("T")


def rebuild(
    settings: Settings,
    engine: Engine,
    station: str,
    *,
    by: str,
    good: Path | None = None,
    track: Track = silent,
) -> Candidate:
    """Build a candidate for a station and try it.

    good: a folder of further good samples that the bank is to know.

    Raises:
        SamplesError: there is nothing that the bank does not know, or somebody rebuilds this station already.
        BankError, StoreError, UsageError: see there. The candidate's row says so too.
    """
    place = settings.station(station).bank
    with alone(settings, station) as folder:
        base = Bank.load(place)
        store = Candidates(engine)
        row = store.begin(station, by=by, base=base.ref)
        try:
            _work(settings, engine, row, place, folder / str(row.id), good, _Told(store, row.id, track))
        except InspectorError as error:
            store.tell(row.id, state="failed", fault=str(error), progress=None)
            raise
        except BaseException as error:
            store.tell(row.id, state="failed", fault=f"{type(error).__name__}: {error}", progress=None)
            raise
        _clear(folder)
    return store.get(row.id)


def _work(
    settings: Settings, engine: Engine, row: Candidate, place: Path, out: Path, good: Path | None, told: "_Told"
) -> None:
    archive, cases = Archive(settings.data_dir / "frames"), Cases(engine)
    alarms, guards = cases.false_alarms(row.station), cases.guard(row.station)
    reader = Reader(place)
    known = {sample.sha256 for sample in reader.bank.manifest.samples}
    named = {_name(one): one for one in alarms if one.sha256 not in known}
    newcomers = [Newcomer(name, archive.path(one.sha256, one.image or "")) for name, one in named.items()]
    further = newcomers_in(good) if good else []
    if not newcomers and not further:
        raise SamplesError(
            f"station {row.station}: got {len(alarms)} false alarms, all known to the bank in use; "
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
    told.say(fed=[named[n.name].id for n in fed], refused=[_refused(named, conflict) for conflict in refused])
    if not fed and not further:
        raise SamplesError(
            f"station {row.station}: each of the {len(newcomers)} new false alarms looks like a confirmed defect; "
            "look at them again"
        )
    grown = grow(place, [*fed, *further], out, operation="false alarms:", replace=True, track=told)
    candidate = Pipeline.open(out, max_pixels=settings.max_pixels, engine=settings.engine)
    told.built(out, candidate.bank.ref, _grown(grown))
    seen = {one.id: one for one in (*guards, *alarms, *cases.recent(row.station, RECENT))}
    in_use = Pipeline.open(place, max_pixels=settings.max_pixels, engine=settings.engine)
    shadow = replay(list(seen.values()), archive, candidate, in_use=in_use, track=told)
    told.tried(shadow, {named[n.name].id for n in fed}, cases.without_picture(row.station))


class _Told:
    """Writes into the candidate's row how far the work is; shows it where it was asked from, too."""

    def __init__(self, store: Candidates, number: int, track: Track) -> None:
        self._store = store
        self._number = number
        self._track = track
        self._next = 0.0

    def __call__(self, items: Sequence[T], label: str, /) -> Iterable[T]:
        for done, item in enumerate(self._track(items, label)):
            if (now := time.monotonic()) >= self._next:
                self._next = now + _TELL_EVERY_S
                self.say(progress={"step": label, "done": done, "of": len(items)})
            yield item

    def say(self, **what: Any) -> None:
        self._store.tell(self._number, **what)

    def built(self, path: Path, bank: BankRef, grown: dict[str, Any]) -> None:
        self._store.tell(self._number, state="built", path=str(path), digest=bank.digest, id=bank.id, grown=grown)

    def tried(self, shadow: Shadow, fed: set[int], unguarded: int) -> None:
        others = [one for one in shadow.false_alarms if one.frame not in fed]
        found = {
            **shadow.to_json(),
            "fed": len(fed),
            "fed_cleared": sum(one.frame in fed for one in shadow.cleared),
            "others_cleared": sum(one.after == "ok" for one in others),
            "defects_without_picture": unguarded,
        }
        self._store.tell(self._number, state="shadowed", shadow=found, progress=None)


def _name(row: FrameRow) -> str:
    """As the bank's manifest lists it: no path, nothing that a station chose."""
    return f"false_alarm/{row.sha256[:16]}.{row.image}"


def _refused(named: dict[str, FrameRow], conflict: Conflict) -> dict[str, Any]:
    return {"frame": named[conflict.newcomer].id, "hides": [int(guard) for guard in conflict.hides]}


def _grown(grown: Derived) -> dict[str, Any]:
    return {
        "added": len(grown.added),
        "skipped": [{"path": item.path.name, "reason": item.reason} for item in grown.skipped],
        "vectors": list(grown.vectors),
        "not_passing": len(grown.still),
        "cautions": list(grown.cautions),
    }


def _clear(folder: Path) -> None:
    """Older candidates make room, and what a process that ended left behind."""
    numbered = sorted((int(entry.name), entry) for entry in folder.iterdir() if entry.name.isdecimal())
    for _, entry in numbered[:-KEEP]:
        shutil.rmtree(entry, ignore_errors=True)
    for entry in folder.glob(".*"):
        if entry.is_dir():
            shutil.rmtree(entry, ignore_errors=True)
