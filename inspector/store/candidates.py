"""Candidate banks: built from what operators said, tried on recorded frames, promoted or not."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Engine, insert, select, update

from inspector.errors import StoreError
from inspector.store.database import store_errors, writing
from inspector.store.tables import candidates
from inspector.types import BankRef

CandidateState = Literal["building", "built", "shadowed", "promoted", "rolled_back", "rejected", "failed"]

_RUNNING: Final = ("building", "built")
"""States in which somebody works on it."""

PROMOTABLE: Final = ("shadowed", "rolled_back")
"""States in which it may be taken into use."""

_NONE: Final = ""
"""In the column `base_digest`, which always has a value: there was no bank."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row of store.tables.candidates. document: the ids of both banks, what went in, how far it is, the shadow run,
    the fault.

    base_digest: of the bank in use when it was begun; None where there was none.
    """

    id: int
    created_at: datetime
    by: str
    station: str
    path: str
    base_digest: str | None
    digest: str | None
    state: CandidateState
    document: Mapping[str, Any]

    @property
    def running(self) -> bool:
        """Whether somebody works on it, as far as it is told."""
        return self.state in _RUNNING

    @property
    def stopped_by(self) -> str | None:
        """Who said that the work on it is to stop; None where nobody did."""
        name: str | None = self.document.get("stop")
        return name


class Candidates:
    """Reads and writes candidates. Every method raises StoreError where the database cannot be used."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, station: str, *, by: str, base: BankRef | None, **said: Any) -> Candidate:
        """A new one, being built; its path is told later, as it carries the id.

        base: the bank in use; None where there is none. said: what goes into the document.
        """
        row = {
            "created_at": datetime.now(UTC),
            "by": by[:64],
            "station": station,
            "path": "",
            "base_digest": base.digest if base else _NONE,
            "state": "building",
            "document": json.dumps(({"base_id": base.id} if base else {}) | said),
        }
        with store_errors("candidates"), writing(self._engine) as connection:
            return _candidate(connection.execute(insert(candidates).returning(candidates), row).one())

    def get(self, number: int) -> Candidate:
        """The candidate with this id.

        Raises:
            StoreError: there is none.
        """
        found = self.find(number)
        if found is None:
            raise StoreError(f"candidate {number}: no such candidate")
        return found

    def find(self, number: int) -> Candidate | None:
        """The candidate with this id; None where there is none."""
        with store_errors("candidates"), self._engine.connect() as connection:
            row = connection.execute(select(candidates).where(candidates.c.id == number)).one_or_none()
        return None if row is None else _candidate(row)

    def of(self, station: str, *, limit: int = 20) -> list[Candidate]:
        """A station's candidates, newest first."""
        query = select(candidates).where(candidates.c.station == station).order_by(candidates.c.id.desc()).limit(limit)
        with store_errors("candidates"), self._engine.connect() as connection:
            return [_candidate(row) for row in connection.execute(query)]

    def scores(self, digests: Collection[str]) -> dict[int, float]:
        """What banks with these digests scored confirmed defects in their shadow runs, by the number of the frame."""
        query = select(candidates.c.document).where(candidates.c.digest.in_(digests)).order_by(candidates.c.id)
        with store_errors("candidates"), self._engine.connect() as connection:
            shadows = [json.loads(text).get("shadow", {}) for text in connection.scalars(query)]
        return {int(frame): score for shadow in shadows for frame, score in shadow.get("scores", {}).items()}

    def tell(
        self,
        number: int,
        *,
        state: CandidateState | None = None,
        path: str | None = None,
        digest: str | None = None,
        only_from: Collection[CandidateState] | None = None,
        **said: Any,
    ) -> bool:
        """Changes what is given; `said` goes into the document, None takes a key out.

        only_from: nothing is changed unless it is in one of these states; None: whichever. Returns: whether it was.
        """
        with store_errors("candidates"), writing(self._engine) as connection:
            now = connection.execute(
                select(candidates.c.state, candidates.c.document).where(candidates.c.id == number).with_for_update()
            ).one()
            if only_from is not None and now.state not in only_from:
                return False
            document = {key: value for key, value in (json.loads(now.document) | said).items() if value is not None}
            given = {"state": state, "path": path, "digest": digest}
            values = {key: value for key, value in given.items() if value is not None}
            connection.execute(
                update(candidates).where(candidates.c.id == number).values(document=json.dumps(document), **values)
            )
        return True


def _candidate(row: Any) -> Candidate:
    values = dict(row._mapping)
    base = None if values["base_digest"] == _NONE else values["base_digest"]
    return Candidate(**{**values, "base_digest": base, "document": json.loads(values["document"])})
