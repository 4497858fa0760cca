"""Whose confirmed defects guard a bank that the command line takes into use, and what is said where they are not asked.

The ledger knows the defects, and the settings know the ledger: those that are named, or inspector.yaml in the folder
where the command is called. A bank that no settings speak of, as on an engineer's own machine, has no guard.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inspector import settings
from inspector.banks.journal import Move
from inspector.banks.promotion import promote
from inspector.banks.shelf import Shelf
from inspector.cli.progress import track
from inspector.errors import UsageError
from inspector.store import open_database

USUAL = Path("inspector.yaml")
"""Where settings are looked for when none are named."""


@dataclass(frozen=True, slots=True)
class TakenIntoUse:
    """A bank was taken into use. not_asked: why the guard was not; None where it was.

    missed: ids of the confirmed defects that it passes. lost: how many could not be asked, as their pictures are not
    there.
    """

    move: Move
    not_asked: str | None = None
    missed: tuple[int, ...] = ()
    lost: int = 0

    def to_json(self) -> dict[str, Any]:
        """The move, and how it was guarded."""
        return self.move.model_dump(mode="json") | {
            "guard_not_asked": self.not_asked,
            "missed": list(self.missed),
            "lost": self.lost,
        }

    def text(self, bank: Path) -> str:
        """For people: one line."""
        if self.not_asked is not None:
            return (
                f"not asked: {self.not_asked}. With -c SETTINGS a bank is held against the defects that operators "
                f"confirmed; inspector replay {shlex.quote(str(bank))} --from SETTINGS shows which of them this one "
                "passes"
            )
        lost = f"; {self.lost} more could not be asked, their pictures are not there" if self.lost else ""
        if not self.move.guard:
            return f"no defect with a picture is confirmed yet, so there was nothing to hold it against{lost}"
        frames = f" (frame {', '.join(map(str, self.missed[:3]))}{', …' if len(self.missed) > 3 else ''})"
        return (
            f"{len(self.missed)} of {self.move.guard} confirmed defects would pass{frames if self.missed else ''}{lost}"
        )


def take_into_use(
    candidate: Path, bank: Path, *, config: Path | None, by: str, reason: str | None, guarded: bool
) -> TakenIntoUse:
    """Promotes the candidate, asked of the guard where there is one.

    config: the settings; None looks for USUAL. guarded: False asks nobody, for which there must be a reason.

    Raises:
        UsageError: the settings cannot be read or looked for, or those that were named do not speak of the bank.
        GuardError: confirmed defects would pass, and no reason is given.
        BankError, EngineError: the candidate cannot be used. StoreError: the ledger cannot be asked.
    """
    found = _ask_whom(config, bank) if guarded else "--no-guard"
    if isinstance(found, str):
        return TakenIntoUse(Shelf(bank).promote(candidate, by=by, reason=reason), found)
    with open_database(found.database_url) as engine:
        done = promote(found, engine, found.stations_at(bank)[0], candidate, by=by, reason=reason, track=track)
    return TakenIntoUse(done.move, missed=tuple(one.frame for one in done.missed), lost=done.lost)


def _ask_whom(config: Path | None, bank: Path) -> settings.Settings | str:
    """The settings whose ledger has the bank's defects, or why there are none."""
    if config is None and not _is_usual_there():
        return f"there is no {USUAL} in this folder, so nobody knows which defects are confirmed"
    loaded = settings.load(config or USUAL)
    if not loaded.stations_at(bank):
        known = ", ".join(dict.fromkeys(str(one.bank) for one in loaded.stations))
        said = f"{config or USUAL}: no station runs the bank {bank.resolve()}, expected one of {known}"
        if config is not None:
            raise UsageError(said)
        return said
    ledger = loaded.ledger_file
    if loaded.database is None and not ledger.is_file():
        return f"{ledger} is not there yet, so no defect was ever confirmed"
    return loaded


def _is_usual_there() -> bool:
    try:
        USUAL.stat()
    except FileNotFoundError:
        return False
    except OSError as error:  # as in the home of root, for the daemon's user
        raise UsageError(
            f"{USUAL} in this folder cannot be looked at ({error.strerror}); name the settings with -c"
        ) from error
    return True
