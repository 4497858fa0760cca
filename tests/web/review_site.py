"""The review page as tests meet it: the real application behind a real server, on a real database and archive."""

import asyncio
import hashlib
import json
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvicorn
import yaml
from line import CAM1, CAM2, drawn_part
from services import wait_until
from sqlalchemy import Engine

from inspector import settings
from inspector.contract import verdict_json
from inspector.pipeline import Pipeline
from inspector.settings import Settings
from inspector.store import Accounts, Archive, Entry, Ledger, Reviews, Role, Sessions, Tokens, open_database
from inspector.types import StationId, Verdict
from inspector.web.app import create_app

PASSWORD = "correct horse battery"
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class ReviewSite:
    """A running page with accounts `olga` (operator), `emil` (engineer), `ada` (admin), all with PASSWORD.

    Frames are inspected by a real bank and recorded by the real ledger: `add`.
    """

    def __init__(self, folder: Path, bank: Path, engine: Engine, loaded: Settings, url: str) -> None:
        self.folder = folder
        self.url = url
        self.settings = loaded
        self.engine = engine
        self.accounts = Accounts(engine)
        self.sessions = Sessions(engine)
        self.tokens = Tokens(engine)
        self.reviews = Reviews(engine)
        self.archive = Archive(loaded.data_dir / "frames")
        self._ledger = Ledger(engine)
        self._pipeline = Pipeline.open(bank)
        self._added = 0

    def decide_all(self) -> None:
        """Nothing waits any more."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE frames SET disposition = 'unsure' WHERE disposition IS NULL")

    def add(
        self,
        payload: bytes | None = None,
        *,
        station: StationId = CAM1,
        minutes: float | None = None,
        kept: bool = True,
        suffix: str = "png",
        sampled: bool = False,
        **changes: Any,
    ) -> int:
        """Inspects and records a frame, a scratched part where no other is given; returns its id.

        minutes: after NOON; else each comes a minute after the one before.
        """
        number = self._added = self._added + 1
        payload = drawn_part(3000 + number, scratched=True) if payload is None else payload
        seen = self._pipeline.inspect(payload)
        bank = self._pipeline.bank
        at = NOON + timedelta(minutes=number if minutes is None else minutes)
        named: dict[str, Any] = {"frame_id": f"f-{number}", "part_id": f"part-{number}", "lot": "lot-1"} | changes
        verdict = Verdict(
            result_id=str(uuid.uuid4()),
            station=station,
            frame_id=named["frame_id"],
            seq=number,
            part_id=named["part_id"],
            lot=named["lot"],
            recipe=bank.recipe.name,
            decision=seen.decision,
            score=seen.score,
            thresholds=bank.thresholds,
            p_value=seen.p_value,
            regions=seen.regions,
            bank=bank.ref,
            captured_at=at,
            received_at=at,
            decided_at=at,
            stage_ms=seen.stage_ms,
            reason=seen.why,
        )
        digest = hashlib.sha256(payload).hexdigest()
        if kept:
            self.archive.keep(digest, payload, suffix)
        entry = Entry(
            result_id=verdict.result_id,
            station=str(station),
            frame_id=verdict.frame_id,
            outcome="verdict",
            word=verdict.decision.value,
            sha256=digest,
            received_at=at,
            decided_at=at,
            captured_at=at,
            seq=number,
            part_id=verdict.part_id,
            lot=verdict.lot,
            recipe=verdict.recipe,
            score=verdict.score,
            p_value=verdict.p_value,
            bank_id=bank.ref.id,
            bank_digest=bank.ref.digest,
            document=verdict_json(verdict),
            image=suffix if kept else None,
            queued=verdict.decision.value != "ok" or sampled,
            sampled=sampled,
            score_ratio=verdict.score / bank.thresholds.ng,
        )
        self._ledger.commit([entry])
        with self.engine.connect() as connection:
            return int(connection.exec_driver_sql("SELECT max(id) FROM frames").scalar_one())

    @contextmanager
    def client(self, name: str | None = "olga") -> Iterator[httpx.Client]:
        """A browser without scripts; logged in where a name is given, unsafe requests carry the CSRF token."""
        with httpx.Client(base_url=self.url, headers={"accept": "text/html"}, timeout=30) as client:
            if name is not None:
                answer = client.post("/login", data={"name": name, "password": PASSWORD})
                assert answer.status_code == 303, answer.text
                client.headers["x-csrf-token"] = client.get("/api/v1/me").json()["csrf"]
            yield client


def minutes_ago(number: float) -> float:
    """What `ReviewSite.add` is given for a frame of so many minutes ago."""
    return (datetime.now(UTC) - timedelta(minutes=number) - NOON) / timedelta(minutes=1)


class _Server(uvicorn.Server):
    """Ends connections that a browser holds, which would be found unclosed in the middle of another test."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


@contextmanager
def running_site(
    folder: Path,
    bank: Path,
    *,
    port: int = 0,
    stations: Sequence[StationId] = (CAM1, CAM2),
    broker: int = 1883,
    camera: str | None = None,
    **review: Any,
) -> Iterator[ReviewSite]:
    """The application on a free port, or on this one, in a thread. broker: its port. camera: that of all stations."""
    path = folder / "inspector.yaml"
    entries = [{"id": str(station), "bank": str(bank), "camera": camera} for station in stations]
    said = {"data_dir": "data", "broker": {"port": broker}, "review": {"time_zone": "UTC", **review}}
    path.write_text(yaml.safe_dump(said | {"stations": entries}))
    loaded = settings.load(path)
    ledger = loaded.data_dir / "ledger.sqlite3"
    if not ledger.exists():
        ledger.parent.mkdir(exist_ok=True)
        ledger.write_bytes(_ledger_with_accounts())
    with open_database(loaded.database_url) as engine:
        server = _Server(
            uvicorn.Config(create_app(loaded, engine), port=port, log_config=None, timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        wait_until(lambda: server.started, "the review page answers")
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield ReviewSite(folder, bank, engine, loaded, f"http://127.0.0.1:{port}")
        finally:
            server.should_exit = True
            thread.join(30)


@cache
def _ledger_with_accounts() -> bytes:
    """Made once, as good hashes of passwords take their time."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite3"
        with open_database(f"sqlite:///{path}") as engine:
            for name, role in (("olga", Role.OPERATOR), ("emil", Role.ENGINEER), ("ada", Role.ADMIN)):
                Accounts(engine).create(name, PASSWORD, role, by="ada")
        return path.read_bytes()


def decided(site: ReviewSite, frame: int) -> tuple[str | None, str | None, str | None]:
    """Disposition, type and reviewer of a frame, as the ledger has them."""
    with site.engine.connect() as connection:
        query = f"SELECT disposition, defect_type, reviewer FROM frames WHERE id = {frame}"
        row = connection.exec_driver_sql(query).one()
    return row[0], row[1], row[2]


def recorded(site: ReviewSite, frame: int, said: tuple[str | None, str | None, str | None]) -> None:
    wait_until(lambda: decided(site, frame) == said, f"frame {frame} is {said}")


def posted(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    """A JSON request as the page's scripts make it."""
    headers = {"accept": "application/json", "content-type": "application/json"}
    return client.post(path, content=json.dumps(body), headers=headers)
