"""The ledger, the outbox and the quarantine: on a real SQLite, a real PostgreSQL and a real folder."""

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from calling import Cli
from postgres import Postgres
from reviewing import delivered
from services import files_no_larger_than
from sqlalchemy import Connection, Engine, create_engine, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError

import inspector.store
from inspector.errors import StoreError
from inspector.store import (
    Accounts,
    Audit,
    AuditFilter,
    ConflictError,
    Entry,
    Ledger,
    Outbox,
    Quarantine,
    Role,
    open_database,
)
from inspector.store.database import revision, schemas
from inspector.store.ledger import variant_of_result
from inspector.store.tables import HEAD, frames, metadata
from inspector.types import StationId

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MIGRATIONS = Path(inspector.store.__file__).parent / "migrations"
CAM1 = "plant/hall1/line1/cam1"
STATION = StationId.parse(CAM1)
VERDICT = Entry(
    result_id="r1",
    station=CAM1,
    frame_id="f1",
    outcome="verdict",
    word="ok",
    sha256="a" * 64,
    received_at=NOON,
    decided_at=NOON,
    score=1.5,
    document=b'{"decision":"ok"}',
    topic="t/verdict",
)
ERROR = replace(VERDICT, outcome="error", word="damaged", topic="t/error")


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    """To a database as it is; an empty one, as it is before the first migration, where there is none."""
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(exist_ok=True)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def upgrade(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(database: Engine) -> Ledger:
    return Ledger(database)


def test_the_migrations_lead_to_the_tables(database: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD
    with database.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


@SQLITE
def test_sqlite_is_opened_to_survive_a_power_cut(database: Engine) -> None:
    with database.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2


def test_it_opens_again_with_what_was_written(url: str) -> None:
    with open_database(url) as engine:
        Ledger(engine).commit([VERDICT])
    with open_database(url) as engine:
        assert Ledger(engine).known([(CAM1, "f1")]) == {(CAM1, "f1", ""): "a" * 64}


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_does_not_hold_every_text_is_refused_when_it_is_opened(
    postgres: Postgres, encoding: str
) -> None:
    with (
        pytest.raises(StoreError, match=rf"^database: its encoding is {encoding}, expected UTF8; .*createdb --enc"),
        open_database(postgres.create_database(encoding=encoding)),
    ):
        pass


def test_a_filled_database_of_the_first_version_is_upgraded(url: str) -> None:
    filled = ["result_id", "station", "frame_id", "variant", "outcome", "word", "sha256"]
    with connected(url) as connection:
        upgrade(connection, "0001")
        connection.execute(
            text(
                f"INSERT INTO frames ({', '.join(filled)}, score, received_at, decided_at, duplicates) "
                "VALUES ('r1', 's', 'f1', '', 'verdict', 'ng', 'aa', 2.5, :noon, :noon, 3)"
            ),
            {"noon": "2026-03-01 12:00:00.000000"},
        )
        connection.execute(text("INSERT INTO outbox (topic, payload) VALUES ('t', '{}')"))
        connection.commit()
    with open_database(url, migrate=True) as engine, engine.connect() as connection:
        row = connection.execute(select(frames)).one()
        assert (row.frame_id, row.score, row.duplicates, row.received_at) == ("f1", 2.5, 3, NOON)
        assert (row.queued, row.sampled, row.version, row.disposition, row.image) == (False, False, 0, None, None)
        assert Outbox(engine).depth() == 1


@pytest.mark.parametrize("table", ["reviews", "promotions", "account_changes"])
def test_the_database_itself_refuses_to_change_what_was_said(table: str, database: Engine) -> None:
    said = {
        "reviews": {
            "frame": 1,
            "frame_id": "f",
            "station": CAM1,
            "reviewer": "ann",
            "action": "dispose",
            "version": 1,
            "decision": "ng",
        },
        "promotions": {"by": "eve", "station": CAM1, "action": "promote", "to_id": "b", "to_digest": "d" * 64},
        "account_changes": {"by": "eve", "account": "ann", "action": "made"},
    }[table]
    with database.begin() as connection:
        connection.execute(insert(metadata.tables[table]), {**said, "at": NOON})
    for change in (f"UPDATE {table} SET action = 'x'", f"DELETE FROM {table}"):
        with pytest.raises(DBAPIError, match=f"{table} is append-only"), database.begin() as connection:
            connection.execute(text(change))
    with database.connect() as connection:
        assert connection.execute(text(f"SELECT action FROM {table}")).all() == [(said["action"],)]


def test_a_database_from_before_changes_of_accounts_were_told_keeps_its_accounts(url: str) -> None:
    with connected(url) as connection:
        upgrade(connection, "0006")
        made = "('eve', 'a hash', 'admin', :noon), ('ann', 'a hash', 'operator', :noon)"
        connection.execute(
            text(f"INSERT INTO accounts (name, password_hash, role, created_at) VALUES {made}"),
            {"noon": "2026-03-01 12:00:00.000000"},
        )
        connection.commit()
    with open_database(url, migrate=True) as engine:
        accounts, audit = Accounts(engine), Audit(engine)
        assert [(one.name, one.role, one.created_at) for one in accounts.all()] == [
            ("ann", Role.OPERATOR, NOON),
            ("eve", Role.ADMIN, NOON),
        ]
        assert audit.account_changes(AuditFilter(), limit=9) == [], "nobody knows who made them"
        accounts.disable("ann", by="eve")
        assert [row.action for row in audit.account_changes(AuditFilter(), limit=9)] == ["disabled"]


def test_two_that_start_together_migrate_once(url: str) -> None:
    def start(_: int) -> set[str]:
        with open_database(url) as engine:
            return set(inspect(engine).get_table_names())

    with ThreadPoolExecutor(8) as pool:
        assert all("reviews" in names for names in pool.map(start, range(8)))


def test_a_half_done_migration_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic import op

    def fail(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    real = op.create_table
    monkeypatch.setattr(op, "create_table", lambda name, *a, **k: fail() if name == "attempts" else real(name, *a, **k))
    with pytest.raises(KeyboardInterrupt), open_database(url):
        pass
    monkeypatch.undo()
    with open_database(url) as engine:
        assert set(inspect(engine).get_table_names()) >= {"frames", "outbox", "attempts"}


def test_a_database_of_a_newer_version_is_refused(url: str) -> None:
    with open_database(url) as engine, engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=rf"got schema 9999, expected {HEAD} or older"), open_database(url):
        pass


def test_whatever_is_no_daemon_leaves_a_ledger_of_an_older_version_to_that_version(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = sorted(schemas())[-2]
    with connected(url) as connection:
        upgrade(connection, older)
        connection.commit()
    config = tmp_path / "inspector.yaml"
    config.write_text(f"{{data_dir: ./data, database: '{url}', stations: [{{id: {CAM1}, bank: ./bank}}]}}")
    password = tmp_path / "password"
    password.write_text("correct horse battery\n")
    for asked in (
        ("replay", tmp_path / "bank", "--from", config),
        ("export", "--format", "csv", "-o", "-", "-c", config),
        ("account", "list", "-c", config),
        ("account", "add", "ann", "--role", "viewer", "--password-file", password, "-c", config),
        ("rebuild", "-c", config),
        ("bank", "promote", tmp_path / "other", tmp_path / "bank", "-c", config),
        ("review", "-c", config),
    ):
        told = Cli(capsys).fails(*asked)
        assert f": got schema {older}, expected {HEAD}; start the daemon of this version, which migrates it" in told
        with connected(url) as connection:
            assert revision(connection) == older
    with open_database(url, migrate=True) as engine, engine.connect() as connection:
        assert revision(connection) == HEAD
    assert Cli(capsys)("account", "list", "-c", config).err.startswith("no account yet")


def test_what_is_no_daemon_makes_the_ledger_where_there_is_none_yet(url: str) -> None:
    with open_database(url) as engine, engine.connect() as connection:
        assert revision(connection) == HEAD


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="not a database"), open_database(f"sqlite:///{tmp_path}/x.sqlite3"):
        pass


def test_a_url_that_says_nothing_is_refused() -> None:
    with pytest.raises(StoreError, match="expected an SQLAlchemy URL"), open_database("sqlite"):
        pass


def test_times_come_back_in_utc(ledger: Ledger, database: Engine) -> None:
    ledger.commit([replace(VERDICT, captured_at=NOON - timedelta(seconds=1))])
    with database.connect() as connection:
        row = connection.execute(select(frames)).one()
    assert row.captured_at == NOON - timedelta(seconds=1)
    assert row.received_at.tzinfo is UTC


def test_a_verdict_claims_its_frame_id_and_an_error_does_not(ledger: Ledger) -> None:
    ledger.commit([ERROR, VERDICT])
    assert set(ledger.known([(CAM1, "f1"), (CAM1, "f2")])) == {(CAM1, "f1", ""), (CAM1, "f1", "a" * 64)}
    with pytest.raises(StoreError):
        ledger.commit([replace(VERDICT, sha256="b" * 64)])


def test_what_only_its_result_tells_apart_is_written_and_not_looked_for(ledger: Ledger, database: Engine) -> None:
    others = [replace(ERROR, result_id=f"r{i}", variant=variant_of_result(f"r{i}")) for i in range(3)]
    ledger.commit([ERROR, *others])
    assert set(ledger.known([(CAM1, "f1")])) == {(CAM1, "f1", "a" * 64)}
    with database.connect() as connection:
        assert len(connection.execute(select(frames)).all()) == 4


def test_a_commit_is_whole_or_not_at_all(ledger: Ledger, database: Engine) -> None:
    ledger.commit([VERDICT])
    with pytest.raises(StoreError):
        ledger.commit([replace(VERDICT, frame_id="f2"), VERDICT], confirmed=[1])
    assert delivered(database) == {("verdict", "ok"): 1}
    assert Outbox(database).depth() == 1


def test_every_delivery_is_counted(ledger: Ledger, database: Engine) -> None:
    ledger.commit([VERDICT, replace(ERROR, frame_id="f2")], duplicates=[VERDICT.key, VERDICT.key])
    ledger.commit([replace(VERDICT, frame_id="f3", outcome="drop", word="superseded", document=None, topic=None)])
    assert delivered(database) == {
        ("verdict", "ok"): 1,
        ("error", "damaged"): 1,
        ("drop", "superseded"): 1,
        ("drop", "duplicate"): 2,
    }


def test_sequence_numbers_come_back_by_station_in_the_order_of_outcomes(ledger: Ledger) -> None:
    assert ledger.sequence_numbers() == {}
    said = [("cam1", 7, "verdict"), ("cam2", 3, "verdict"), ("cam1", None, "verdict"), ("cam1", 9, "drop")]
    said += [("cam1", 8, "error"), ("cam2", 0, "check")]
    for number, (station, seq, outcome) in enumerate(said):
        one = replace(VERDICT, result_id=f"r{number}", station=station, frame_id=f"g{number}", seq=seq)
        ledger.commit([replace(one, outcome=outcome)])  # type: ignore[arg-type]
    ledger.commit(
        [replace(VERDICT, result_id="r9", station="cam1", frame_id="g9", seq=2, outcome="drop", word="retained")]
    )
    assert ledger.sequence_numbers() == {"cam1": [(7, False), (9, False), (8, False)], "cam2": [(3, False), (0, True)]}


def test_the_outbox_keeps_its_order_and_never_reuses_an_id(ledger: Ledger, database: Engine) -> None:
    outbox = Outbox(database)
    ledger.commit([replace(VERDICT, frame_id=f"f{i}", topic=f"t/{i % 2}") for i in range(6)])
    assert [message.topic for message in outbox.waiting(most=3)] == ["t/0", "t/1", "t/0"]
    assert [message.id for message in outbox.waiting(after=2, most=9, but=["t/0"])] == [4, 6]
    ledger.commit([], confirmed=[message.id for message in outbox.waiting(most=9)])
    assert outbox.depth() == 0
    ledger.commit([replace(VERDICT, frame_id="f9")])
    assert outbox.waiting(most=9)[0].id == 7


def test_after_a_conflict_in_the_outbox_the_next_try_succeeds(ledger: Ledger, database: Engine) -> None:
    other = Ledger(database)
    ledger.commit([VERDICT])
    other.commit([replace(VERDICT, frame_id="f2")])
    with pytest.raises(ConflictError, match="outbox"):
        ledger.commit([replace(VERDICT, frame_id="f3")])
    assert [message.id for message in ledger.commit([replace(VERDICT, frame_id="f3")])] == [3]
    ledger.commit([], confirmed=[1, 2, 3])
    with pytest.raises(ConflictError, match="frames"):
        ledger.commit([VERDICT])
    assert [message.id for message in ledger.commit([replace(VERDICT, frame_id="f4")])] == [4]


def test_attempts_are_counted_until_the_outcome(ledger: Ledger) -> None:
    frame = (CAM1, "f1", "a" * 64)
    assert [ledger.attempt(*frame) for _ in range(3)] == [1, 2, 3]
    ledger.commit([VERDICT], attempted=[frame])
    assert ledger.attempt(*frame) == 1


@SQLITE
def test_a_locked_ledger_is_told_and_works_again(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.store.database._BUSY_TIMEOUT_MS", 50)
    with open_database(url) as engine:
        ledger = Ledger(engine)
        other = sqlite3.connect(tmp_path / "data/ledger.sqlite3")
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            ledger.commit([VERDICT])
        other.rollback()
        other.close()
        ledger.commit([VERDICT])


def quarantine(folder: Path, *, max_bytes: int = 1000, max_files: int = 3) -> Quarantine:
    opened = Quarantine(folder, max_bytes=max_bytes, max_files=max_files)
    opened.open()
    return opened


def test_the_quarantine_lets_the_oldest_go(tmp_path: Path) -> None:
    kept = quarantine(tmp_path / "q")
    names = [kept.keep(STATION, f"{i}" * 64, b"x", received_at=NOON + timedelta(seconds=i)) for i in range(5)]
    assert sorted(path.name for path in (tmp_path / "q").iterdir()) == names[2:]
    assert names[4] is not None
    assert (tmp_path / "q" / names[4]).read_bytes() == b"x"


def test_the_quarantine_is_bounded_in_bytes_also_after_a_restart(tmp_path: Path) -> None:
    quarantine(tmp_path, max_files=99).keep(STATION, "a" * 64, b"x" * 600, received_at=NOON)
    (tmp_path / "half.bin.tmp").write_bytes(b"half")
    again = quarantine(tmp_path, max_files=99)
    assert again.size_bytes == 600
    again.keep(STATION, "b" * 64, b"x" * 600, received_at=NOON + timedelta(seconds=1))
    assert again.size_bytes == 600
    assert len(list(tmp_path.iterdir())) == 1
    assert again.keep(STATION, "c" * 64, b"x" * 1001, received_at=NOON) is None
    assert again.keep(STATION, "c" * 64, b"", received_at=NOON) is None


def test_a_folder_that_was_taken_away_is_made_again_and_long_names_fit(tmp_path: Path) -> None:
    kept = quarantine(tmp_path / "q")
    (tmp_path / "q").rmdir()
    longest = StationId(*(letter * 64 for letter in "abcd"))
    name = kept.keep(longest, "a" * 64, b"x", received_at=NOON)
    assert name is not None
    assert (tmp_path / "q" / name).read_bytes() == b"x"


def test_the_same_frame_is_kept_once(tmp_path: Path) -> None:
    kept = quarantine(tmp_path)
    first = kept.keep(STATION, "a" * 64, b"x", received_at=NOON)
    assert kept.keep(STATION, "a" * 64, b"x", received_at=NOON) == first
    assert kept.size_bytes == 1


def test_a_full_disk_leaves_nothing_half_in_the_quarantine(tmp_path: Path) -> None:
    kept = quarantine(tmp_path)
    with files_no_larger_than(500), pytest.raises(StoreError, match="quarantine"):
        kept.keep(STATION, "a" * 64, b"x" * 501, received_at=NOON)
    assert (list(tmp_path.iterdir()), kept.size_bytes) == ([], 0)
    assert kept.keep(STATION, "a" * 64, b"x" * 501, received_at=NOON) is not None


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "q").write_text("a file")
    with pytest.raises(StoreError, match="quarantine"):
        quarantine(tmp_path / "q")
