"""A new candidate is tried on recorded frames beside the bank in use: confirmed defects, false alarms, the newest."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from sqlalchemy import Engine

from calibration.candidates.making import Told
from inspector.banks.replay import Shadow, replay
from inspector.pipeline import Pipeline
from inspector.settings import Settings
from inspector.store import Archive, Cases

RECENT: Final = 500
"""How many of the last recorded frames a shadow run inspects, beside the guard and the false alarms."""


def try_it(
    settings: Settings,
    engine: Engine,
    station: str,
    bank: Path,
    *,
    in_use: Path | None,
    fed: Collection[int] = (),
    told: Told,
) -> None:
    """Inspects recorded frames by the bank at `bank`, and tells what would change, at the station and at all others
    that inspect with the same bank.

    in_use: the bank that it is held against; None: what the line decided then. fed: frames that became its samples.

    Raises:
        BankError, EngineError: a bank cannot be used. StoreError: the database cannot be used.
    """
    archive, cases = Archive(settings.frames_dir), Cases(engine)
    sharing = settings.stations_at(settings.station(station).bank)
    rows = (*cases.guard(*sharing), *cases.false_alarms(*sharing), *cases.recent(*sharing, limit=RECENT))
    frames = list({row.id: row for row in rows}.values())
    shadow = replay(
        frames,
        archive,
        _opened(settings, bank),
        in_use=None if in_use is None else _opened(settings, in_use),
        track=told,
    )
    found = _found(shadow, fed) | {"defects_without_picture": cases.without_picture(*sharing)}
    told.say(state="shadowed", shadow=found, progress=None)


def _opened(settings: Settings, bank: Path) -> Pipeline:
    return Pipeline.open(bank, max_pixels=settings.max_pixels, engine=settings.engine)


def _found(shadow: Shadow, fed: Collection[int]) -> dict[str, object]:
    others = [one for one in shadow.false_alarms if one.frame not in fed]
    return {
        **shadow.to_json(),
        "fed": len(fed),
        "fed_cleared": sum(one.frame in fed for one in shadow.cleared),
        "others_cleared": sum(one.after == "ok" for one in others),
        "scores": {str(one.frame): one.score_after for one in shadow.guard},
    }
