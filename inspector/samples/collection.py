"""What a collection tells of itself: a file in the station's folder that its process writes and the page reads."""

import os
from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from inspector.durable import write_file
from inspector.errors import SamplesError
from inspector.samples.folder import SampleFolder

LOTS: Final = 20
"""So many lots are named, those with the most samples."""

_BLOCK: Final = 512
"""Bytes in which a file's room on the disk is counted."""


class Collection(BaseModel):
    """The last one of a station.

    id: names it. count: how many samples were asked for. over_s: seconds that they are spread over; 0: as frames come.
    lots: how many samples of each, at most LOTS; unnamed: where the camera said no lot; other_lots: how many more lots.
    unreadable: frames that were no samples; why: what was wrong with the first. trouble: what keeps frames away now.
    due: when the next sample is due. ended: why it is over, where it has fewer samples than were asked for.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    by: str
    begun: datetime
    count: int
    over_s: float
    state: Literal["running", "done", "stopped", "failed"] = "running"
    taken: int = 0
    lots: dict[str, int] = {}
    unnamed: int = 0
    other_lots: int = 0
    repeated: int = 0
    unreadable: int = 0
    why: str | None = None
    trouble: str | None = None
    due: datetime | None = None
    ended: str | None = None

    def but(self, **changes: object) -> Self:
        """The same with changes."""
        return self.model_copy(update=changes)


def named_lots(lots: Mapping[str | None, int]) -> dict[str, object]:
    """How a collection tells of the lots that it met: its fields `lots`, `unnamed` and `other_lots`."""
    named = sorted(((lot, number) for lot, number in lots.items() if lot is not None), key=lambda one: -one[1])
    return {"lots": dict(named[:LOTS]), "unnamed": lots.get(None, 0), "other_lots": max(0, len(named) - LOTS)}


def read(samples: SampleFolder) -> Collection | None:
    """What the last one told; None: there was none.

    Raises:
        SamplesError: the file cannot be read, or holds something else.
    """
    try:
        return Collection.model_validate_json(samples.collection_file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not what a collection writes"
        raise SamplesError(f"{samples.collection_file}: cannot be read ({reason}); delete it") from error


def write(samples: SampleFolder, collection: Collection) -> None:
    """Tells it durably. Raises OSError: the folder cannot be written."""
    samples.folder.mkdir(parents=True, exist_ok=True)
    write_file(samples.collection_file, collection.model_dump_json(exclude_defaults=True).encode())


def write_end(samples: SampleFolder, collection: Collection) -> None:
    """Tells how it ended, as `write`. Where the disk is full, over what was told before, whose room on it the file has;
    without lots and what was not read, if that room is too small for them.

    Raises OSError: neither can be written.
    """
    try:
        write(samples, collection)
    except OSError:
        with samples.collection_file.open("r+b", buffering=0) as file:
            there = os.fstat(file.fileno())
            for said in (collection, collection.but(lots={}, unnamed=0, other_lots=0, why=None)):
                data = said.model_dump_json(exclude_defaults=True).encode()
                if len(data) <= there.st_blocks * _BLOCK:
                    file.write(data.ljust(there.st_size))  # no reader meets the end of the former text
                    os.fsync(file.fileno())
                    return
        raise
