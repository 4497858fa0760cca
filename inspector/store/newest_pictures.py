"""The newest picture of each station, small, for whoever looks at the line. It is no record: the next one replaces it.

data_dir/newest/.asked                      its time says when somebody looked last; the page touches it
data_dir/newest/SITE/AREA/LINE/STATION.jpg  drawn by the daemon, while somebody looks
"""

import time
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from inspector.durable import write_content

ASKED_S: Final = 30.0
"""So long after a look pictures are still drawn for the next one."""


class NewestPictures:
    """One process draws, others look. Whoever cannot read the folder has no pictures."""

    def __init__(self, data_dir: Path) -> None:
        self._folder = data_dir / "newest"
        self._asked = self._folder / ".asked"  # no station begins so

    def ask(self) -> None:
        """Somebody looks. Where that cannot be written, nothing is drawn, and nobody is told: a look is no fault."""
        with suppress(OSError):
            self._folder.mkdir(exist_ok=True)
            self._asked.touch()

    def asked(self) -> bool:
        """Whether somebody has looked lately."""
        try:
            return abs(time.time() - self._asked.stat().st_mtime) < ASKED_S
        except OSError:
            return False

    def draw(self, station: str, jpeg: bytes) -> None:
        """Takes the place of the one before, whole at every moment. It is not synced: a power cut may take it.

        Raises:
            OSError: it cannot be written; nothing half written is left.
        """
        place = self._place(station)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_content(place, jpeg, lasting=False)

    def drawn_at(self, stations: Iterable[str]) -> dict[str, datetime]:
        """When the newest picture of each of the stations was drawn; without those that have none."""
        found = {}
        for station in stations:
            with suppress(OSError):
                found[station] = datetime.fromtimestamp(self._place(station).stat().st_mtime, UTC)
        return found

    def read(self, station: str) -> bytes | None:
        """The newest picture, a JPEG, of a station that the settings name; None where there is none."""
        try:
            return self._place(station).read_bytes()
        except OSError:
            return None

    def _place(self, station: str) -> Path:
        return self._folder / f"{station}.jpg"
