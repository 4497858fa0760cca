"""Frames as the ledger has them when they wait for an operator."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event, func, select

from inspector.store import Entry, Ledger
from inspector.store.tables import frames
from inspector.types import Decision, Expected

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
CAM1 = "plant/hall1/line1/cam1"
CAM2 = "plant/hall1/line1/cam2"


def verdict(number: int, word: str = "ng", **changes: Any) -> Entry:
    """A frame of cam1, a minute after the one before, the higher the number the worse; queued unless it is ok."""
    score = changes.pop("score", 10.0 + number)
    document = {"thresholds": {"ok": 5.0, "ng": 10.0, "pixel": 4.0}, "score": score, "regions": []}
    fields: dict[str, Any] = {
        "result_id": f"r{number}",
        "station": CAM1,
        "frame_id": f"f{number}",
        "outcome": "verdict",
        "word": word,
        "sha256": f"{number:064x}",
        "received_at": NOON + timedelta(minutes=number),
        "decided_at": NOON + timedelta(minutes=number),
        "part_id": f"part{number}",
        "lot": "lot1",
        "score": score,
        "bank_id": "bank1",
        "bank_digest": "b" * 64,
        "document": json.dumps(document).encode(),
        "topic": "t/verdict",
        "queued": word != "ok",
        "score_ratio": None if word == "ok" else score / 10.0,
    }
    return Entry(**(fields | changes))


def check(number: int, expected: str, word: str, **changes: Any) -> Entry:
    """A check part at cam1 as the daemon records it; a word that is no decision is the reason of an error."""
    decided = word in tuple(Decision)
    document: dict[str, Any] = {"expected": expected}
    if decided:
        passed = Expected(expected).met_by(Decision(word))
        document = {"thresholds": {"ok": 5.0, "ng": 10.0}, "check": {"expected": expected, "passed": passed}}
    said = {"outcome": "check" if decided else "error", "queued": False, "document": published(document)}
    unscored = {} if decided else dict.fromkeys(("score", "bank_id", "bank_digest"))
    return replace(verdict(number, word, **(said | changes)), score_ratio=None, **unscored)


def published(document: dict[str, Any]) -> bytes:
    """As the daemon writes JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def filled(database: Engine, *entries: Entry) -> list[int]:
    """Writes them; returns their ids in the ledger."""
    Ledger(database).commit(entries)
    names = [entry.frame_id for entry in entries]
    with database.connect() as connection:
        ids = dict(tuple(row) for row in connection.execute(select(frames.c.frame_id, frames.c.id)))
    return [ids[name] for name in names]


def after_first_read(database: Engine, do: Callable[[], object]) -> None:
    """What happens once this database has answered one question."""
    left = [do]

    def then(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if left and statement.startswith("SELECT"):
            left.pop()()

    event.listen(database, "after_cursor_execute", then)


def delivered(database: Engine) -> dict[tuple[str, str], int]:
    """Deliveries by outcome and word; further ones of frames that had an outcome are duplicates."""
    groups = select(frames.c.outcome, frames.c.word, func.count(), func.sum(frames.c.duplicates))
    with database.connect() as connection:
        rows = connection.execute(groups.group_by(frames.c.outcome, frames.c.word)).all()
    told = {(outcome, word): number for outcome, word, number, _ in rows}
    repeated = sum(int(duplicates) for *_, duplicates in rows)
    return told | ({("drop", "duplicate"): repeated} if repeated else {})
