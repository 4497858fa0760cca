"""The queue of the review with a million frames in the ledger: how long an operator waits.

    python -m benchmarks.review_queue [--frames 1000000] [--database postgresql://USER:PASSWORD@HOST/EMPTY]

The ledger is that of twelve stations over sixty days; a twentieth of the frames is flagged, one in a hundred of the
rest sampled; four fifths of what was queued is decided. Rows are written in bulk; everything that is measured goes the
way of the review page. A first page is its rows, its count and what waits at each station.
"""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from itertools import islice
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event, func, insert, select, text

from benchmarks.report import machine, number, spread, table, write
from inspector.store import Cursor, Newest, QueueFilter, ReviewQueue, Reviews, ShiftHours, open_database
from inspector.store.tables import frames, reviews

STATIONS = tuple(f"plant/hall{hall}/line1/cam{cam}" for hall in (1, 2, 3) for cam in (1, 2, 3, 4))
DAYS = 60
END = datetime(2026, 6, 1, tzinfo=UTC)
BEGIN = END - timedelta(days=DAYS)

_TYPES = ("scratch", "dent", "crack", "stain", "other")
_BULK = 5_000
_PAGE = 60
_TURNS = 20
_DISPOSED = 200


def main() -> None:
    """Fills the database, measures, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--flagged", type=float, default=0.05, help="share of frames that are ng or uncertain")
    parser.add_argument("--database", help="URL of an empty database; SQLite in a temporary folder when not given")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--explain", action="store_true", help="print the plans of the queries too")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = arguments.database or f"sqlite:///{folder}/ledger.sqlite3"
        with open_database(url) as database:
            began = time.perf_counter()
            queued = fill(database, arguments.frames, arguments.flagged)
            filled_s = time.perf_counter() - began
            document = {
                "database": database.dialect.name,
                "frames": arguments.frames,
                "queued": queued,
                "filled_s": round(filled_s, 1),
                "pages_ms": pages(database),
                "steps_ms": steps(database),
                "machine": machine(),
            }
            if arguments.explain:
                explain(database)
    print(f"{document['database']}: {arguments.frames} frames, {queued} queued, filled in {filled_s:.0f} s\n")
    for part in ("pages_ms", "steps_ms"):
        rows = [
            (name, number(ms["first"]), number(ms["p50"]), number(ms["p95"])) for name, ms in document[part].items()
        ]
        print(table((part.replace("_", ", "), "first", "p50", "p95"), rows), end="\n\n")
    write(document, arguments.json)


def fill(database: Engine, count: int, flagged: float) -> int:
    """Writes so many frames, and what was said about them; returns how many are queued."""
    rows = _frames(count, flagged)
    number_of = 0
    while bulk := list(islice(rows, _BULK)):
        with database.begin() as connection:
            connection.execute(insert(frames), bulk)
            said = [_said(number_of + i, row) for i, row in enumerate(bulk, 1) if row["disposition"]]
            if said:
                connection.execute(insert(reviews), said)
        number_of += len(bulk)
    if database.dialect.name == "postgresql":
        # As autovacuum does in time.
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    with database.connect() as connection:
        return int(connection.execute(select(func.count()).where(frames.c.queued.is_(True))).scalar_one())


def _frames(count: int, flagged: float) -> Iterator[dict[str, Any]]:
    rng = random.Random(1)
    step = (END - BEGIN) / count
    for i in range(count):
        at = BEGIN + i * step
        station = STATIONS[i % len(STATIONS)]
        ng = 8.0 + STATIONS.index(station)
        asked = rng.random() < flagged
        score = ng * (rng.uniform(0.95, 2.0) if asked else rng.uniform(0.3, 0.9))
        word = "ok" if not asked else "ng" if score > ng else "uncertain"
        sampled = not asked and rng.random() < 0.01
        said = (asked or sampled) and rng.random() < 0.8
        disposition = None if not said else "false_alarm" if not asked else rng.choice(("defect", "false_alarm"))
        bank = f"{STATIONS.index(station) * 1000 + i // 100_000:064x}"
        yield {
            "result_id": f"{i:036d}",
            "station": station,
            "frame_id": f"frame-{i}",
            "variant": "",
            "outcome": "verdict",
            "word": word,
            "sha256": f"{rng.getrandbits(256):064x}",
            "seq": i,
            "part_id": f"part-{i}",
            "lot": f"lot-{i // 2000}",
            "recipe": "default",
            "score": score,
            "p_value": rng.random(),
            "score_ratio": score / ng if asked or sampled else None,
            "bank_id": bank[-12:],
            "bank_digest": bank,
            "captured_at": at,
            "received_at": at,
            "decided_at": at + timedelta(milliseconds=20),
            "document": _document(i, word, score, ng, rng),
            "duplicates": 0,
            "image": "jpg" if asked or sampled else None,
            "queued": asked or sampled,
            "sampled": sampled,
            "disposition": disposition,
            "defect_type": rng.choice(_TYPES) if disposition == "defect" else None,
            "reviewer": f"operator{i % 7}" if said else None,
            "reviewed_at": at + timedelta(hours=1) if said else None,
            "version": int(said),
        }


def _document(i: int, word: str, score: float, ng: float, rng: random.Random) -> str:
    """As long as a published verdict is."""
    regions = [
        {"x": rng.randrange(900), "y": rng.randrange(900), "width": 40, "height": 30, "area": 800, "score": score}
        for _ in range(0 if word == "ok" else 3)
    ]
    said = {"frame_id": f"frame-{i}", "score": score, "regions": regions, "decision": word, "recipe": "default"}
    return json.dumps({**said, "thresholds": {"ok": ng * 0.95, "ng": ng, "pixel": ng}, "stage_ms": "x" * 500})


def _said(frame: int, row: dict[str, Any]) -> dict[str, Any]:
    return {
        "frame": frame,
        "station": row["station"],
        "frame_id": row["frame_id"],
        "at": row["reviewed_at"],
        "reviewer": row["reviewer"],
        "action": "dispose",
        "to_disposition": row["disposition"],
        "to_type": row["defect_type"],
        "version": 1,
        "decision": row["word"],
        "score": row["score"],
    }


def filters() -> dict[str, QueueFilter]:
    """What operators ask for."""
    day = END - timedelta(days=3)
    early = ShiftHours(time_of_day(6), time_of_day(14), UTC)
    return {
        "worst first": QueueFilter(),
        "newest first": QueueFilter(order="newest"),
        "a station": QueueFilter(station=STATIONS[3]),
        "a station, newest": QueueFilter(station=STATIONS[3], order="newest"),
        "a day": QueueFilter(since=day, until=day + timedelta(days=1)),
        "a day of a station": QueueFilter(station=STATIONS[3], since=day, until=day + timedelta(days=1)),
        "the early shifts of two weeks": QueueFilter(shift=early, since=END - timedelta(days=14)),
        "the early shifts of three months": QueueFilter(shift=early, until=END, order="newest"),
        "a lot": QueueFilter(lot="lot-400", state="all"),
        "a part": QueueFilter(part="part-500000", state="all"),
        "a lot that is not there": QueueFilter(lot="nowhere", state="all"),
        "a part that is not there": QueueFilter(part="nowhere"),
        "scores from to": QueueFilter(score_min=12.0, score_max=12.5),
        "uncertain": QueueFilter(decision="uncertain"),
        "sampled ok": QueueFilter(decision="ok", order="newest"),
        "done": QueueFilter(state="done", order="newest"),
        "done, worst first": QueueFilter(state="done"),
        "cracks": QueueFilter(state="done", disposition="defect", defect_type="crack"),
        "cracks of a station": QueueFilter(state="done", station=STATIONS[3], defect_type="crack", order="newest"),
        "a reviewer": QueueFilter(state="done", reviewer="operator3"),
        "a reviewer who is not there": QueueFilter(state="done", reviewer="nobody"),
        "a bank that is not there": QueueFilter(state="all", bank="nothing"),
        "all of a station, worst first": QueueFilter(state="all", station=STATIONS[3]),
    }


def pages(database: Engine) -> dict[str, dict[str, float]]:
    """Milliseconds of first pages, by filter."""
    queue = ReviewQueue(database)

    def first_page(asked: QueueFilter) -> None:
        queue.page(asked, limit=_PAGE)
        queue.counts(asked)

    return {name: _timed(lambda asked=asked: first_page(asked)) for name, asked in filters().items()}  # type: ignore[misc]


def steps(database: Engine) -> dict[str, dict[str, float]]:
    """Milliseconds of what happens between a key and the next picture, and beside it."""
    queue, said, newest = ReviewQueue(database), Reviews(database), Newest(database)
    measured = {
        "what waits, by station": _timed(queue.open_counts),
        "newest frames of all stations": _timed(lambda: newest.outcomes(STATIONS)),
        "newest flagged frame of all stations": _timed(lambda: newest.flagged(STATIONS)),
        "pulse": _timed(queue.pulse),
        "find a part": _timed(lambda: queue.of_part("part-700000", limit=50)),
        "page far down": _timed(lambda: queue.page(QueueFilter(), Cursor("worst", 1.2, 1), limit=_PAGE)),
    }
    asked = QueueFilter()
    row = queue.page(asked, limit=1).rows[0]
    times, neighbours = [], []
    for _ in range(_DISPOSED):
        began = time.perf_counter()
        said.dispose(row.id, to="defect", defect_type="dent", reviewer="ann", version=row.version)
        following = queue.page(asked, Cursor.of(row, "worst"), limit=1).rows
        times.append((time.perf_counter() - began) * 1e3)
        row = following[0]
        began = time.perf_counter()
        queue.neighbours(row, asked)
        neighbours.append((time.perf_counter() - began) * 1e3)
    measured["dispose, and the next frame"] = {"first": times[0], **spread(times)}
    measured["neighbours"] = {"first": neighbours[0], **spread(neighbours)}
    waiting = [(one.id, one.version) for one in queue.page(asked, limit=_DISPOSED).rows]
    began = time.perf_counter()
    said.dispose_many(waiting, to="false_alarm", reviewer="ann")
    measured[f"dispose {_DISPOSED} at once"] = {
        "first": (whole := (time.perf_counter() - began) * 1e3),
        **spread([whole]),
    }
    return measured


def _timed(call: Callable[[], object]) -> dict[str, float]:
    times: list[float] = []
    for _ in range(_TURNS):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1e3)
    return {"first": times[0], **spread(times)}


def explain(database: Engine) -> None:
    """Prints how the database goes about each filter."""
    queue = ReviewQueue(database)
    said: list[tuple[str, Sequence[Any] | dict[str, Any]]] = []

    @event.listens_for(database, "before_cursor_execute")
    def _note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if not statement.startswith("EXPLAIN"):
            said.append((statement, parameters))

    word = "EXPLAIN QUERY PLAN" if database.dialect.name == "sqlite" else "EXPLAIN ANALYZE"
    for name, asked in filters().items():
        said.clear()
        queue.page(asked, limit=_PAGE)
        queue.counts(asked)
        print(f"\n== {name}")
        with database.connect() as connection:
            for statement, parameters in list(said):
                for row in connection.exec_driver_sql(f"{word} {statement}", parameters):
                    print("  ", row[-1])
                print("   -")


if __name__ == "__main__":
    main()
