"""A copy of the ledger while it is written to, and the way back, also after a kill -9."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from reviewing import filled, verdict
from services import DEADLINE_S, small_disk
from sqlalchemy import create_engine

from inspector.cli import main
from inspector.errors import StoreError
from inspector.store import Ledger, Outbox, open_database
from inspector.store.backup import backup, restore
from inspector.store.database import MIGRATIONS, schemas
from inspector.store.sole_daemon import sole_daemon
from inspector.store.tables import HEAD

WRITER = """
import sys
from reviewing import filled, verdict
from inspector.store import open_database
url, first, last = sys.argv[1:]
with open_database(url) as engine:
    for number in range(int(first), int(last)):
        filled(engine, verdict(number))
    print("written", flush=True)
    sys.stdin.read()
"""


@contextmanager
def writer(url: str, first: int, last: int) -> Iterator[subprocess.Popen[str]]:
    """A process that has written so many frames and keeps the ledger open; killed at the end."""
    command = [sys.executable, "-c", WRITER, url, str(first), str(last)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "support")}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stdout is not None
        assert process.stdin is not None
        with process.stdout, process.stdin:
            assert process.stdout.readline() == "written\n"
            yield process
            process.kill()
    finally:
        process.kill()
        process.wait(DEADLINE_S)


def frames_in(path: Path) -> int:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return int(connection.execute("SELECT count(*) FROM frames").fetchone()[0])


def copied(source: str, folder: Path, *, frames: int = 3) -> Path:
    """A copy of a ledger with so many frames."""
    with open_database(source) as engine:
        filled(engine, *(verdict(i) for i in range(frames)))
    backup(source, folder / "copy.sqlite3")
    return folder / "copy.sqlite3"


def at_schema(path: Path, schema: str) -> None:
    """An empty ledger of an older version."""
    engine = create_engine(f"sqlite:///{path}")
    try:
        with engine.begin() as connection:
            config = Config()
            config.set_main_option("script_location", str(MIGRATIONS))
            config.attributes["connection"] = connection
            command.upgrade(config, schema)
    finally:
        engine.dispose()


@pytest.fixture
def source(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/data/ledger.sqlite3"


def test_a_copy_taken_while_frames_are_written_is_whole(source: str, tmp_path: Path) -> None:
    with open_database(source) as engine:
        filled(engine, *(verdict(i) for i in range(3000)))
        ledger, done, written = Ledger(engine), threading.Event(), []

        def write() -> None:
            while not done.is_set():
                ledger.commit([verdict(3000 + len(written))])
                written.append(1)

        writing = threading.Thread(target=write)
        writing.start()
        shares: list[float] = []
        size = backup(source, tmp_path / "copy.sqlite3", progress=shares.append)
        before = len(written)
        done.set()
        writing.join()
    assert size == (tmp_path / "copy.sqlite3").stat().st_size
    assert shares[-1] == 1.0
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite3"]
    frames = frames_in(tmp_path / "copy.sqlite3")
    assert 3000 <= frames <= 3000 + before + 1
    with open_database(f"sqlite:///{tmp_path}/copy.sqlite3") as engine:
        assert Outbox(engine).depth() == frames


def test_of_two_who_write_the_same_copy_one_wins_whole(source: str, tmp_path: Path) -> None:
    with open_database(source) as engine:
        filled(engine, verdict(1))
        copy, others = tmp_path / "copy.sqlite3", []

        def meanwhile(_: float) -> None:
            if not others:
                others.append(backup(source, copy))

        with pytest.raises(StoreError, match=r"copy.sqlite3: is there already, expected a new name"):
            backup(source, copy, progress=meanwhile)
        assert frames_in(copy) == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.sqlite3", "data"]


def test_what_a_killed_backup_left_goes_with_the_next_but_not_what_another_writes(source: str, tmp_path: Path) -> None:
    with open_database(source) as engine:
        filled(engine, verdict(1))
        left = ["copy.0123abcd.tmp", "copy.0123abcd.tmp-journal"]
        others = ["copy-2.0123abcd.tmp", "copy.sqlite3.0123abcd.tmp"]
        for name in (*left, *others, "copy.456789ef.tmp"):
            (tmp_path / name).write_bytes(b"half")
        for name in (*left, *others):
            os.utime(tmp_path / name, (time.time() - 2 * 86_400,) * 2)
        backup(source, tmp_path / "copy")
        assert sorted(path.name for path in tmp_path.glob("copy*")) == sorted(["copy", "copy.456789ef.tmp", *others])


def test_what_cannot_be_copied_is_told(source: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file, expected the ledger"):
        backup(source, tmp_path / "copy")
    with pytest.raises(StoreError, match=r"got a database of postgresql, expected SQLite; .*pg_dump"):
        backup("postgresql://u:p@h/d", tmp_path / "copy")
    with open_database(source):
        pass
    (tmp_path / "copy").write_text("an older one")
    with pytest.raises(StoreError, match="is there already"):
        backup(source, tmp_path / "copy")
    assert (tmp_path / "copy").read_text() == "an older one"
    for nowhere in (tmp_path / "nowhere", tmp_path / "copy"):
        with pytest.raises(StoreError, match=rf"backup to {nowhere}/copy: .*, expected a folder to write to"):
            backup(source, nowhere / "copy")


def test_a_damaged_ledger_is_not_passed_on(source: str, tmp_path: Path) -> None:
    with open_database(source) as engine:
        filled(engine, *(verdict(i) for i in range(2000)))
    path = tmp_path / "data" / "ledger.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
    data = bytearray(path.read_bytes())
    data[4096 * 200 : 4096 * 260] = b"\xff" * 4096 * 60
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        backup(source, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_the_command(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with open_database(source) as engine:
        filled(engine, verdict(1))
    config = tmp_path / "inspector.yaml"
    config.write_text("data_dir: ./data\nstations: [{id: plant/hall1/line1/cam1, bank: ./bank}]\n")
    for code in (0, 1):
        with pytest.raises(SystemExit) as left:
            main(["db", "backup", str(tmp_path / "copy.sqlite3"), "-c", str(config)])
        assert left.value.code == code
    said = capsys.readouterr()
    assert "MB, checked" in said.out
    assert "is there already" in said.err


@pytest.mark.parametrize("refusal", [errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_without_hard_links_takes_a_copy(
    refusal: int, source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(_: Path, target: Path) -> None:
        if late:
            target.write_text("another one's")
        raise OSError(refusal, os.strerror(refusal))

    late = False
    monkeypatch.setattr(os, "link", no_links)
    copy = copied(source, tmp_path)
    assert frames_in(copy) == 3
    late = True
    with pytest.raises(StoreError, match="is there already"):
        backup(source, tmp_path / "late")
    assert (tmp_path / "late").read_text() == "another one's"
    assert not list(tmp_path.glob("*.tmp"))
    with open_database(source) as engine:
        filled(engine, verdict(3))
    late = False
    kept = restore(source, copy)
    assert kept is not None
    assert (frames_in(kept), frames_in(tmp_path / "data" / "ledger.sqlite3")) == (4, 3)


def test_other_faults_of_a_disk_are_told(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(StoreError, match=r"backup to .*Input/output error"):
        copied(source, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_on_a_disk_that_is_full_nothing_of_a_copy_stays(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path, frames=4000)
    disk = tmp_path / "disk"
    with small_disk(disk, size=2_000_000):
        with pytest.raises(StoreError, match=r"backup of .*disk is full"):
            backup(source, disk / "another.sqlite3")
        assert list(disk.iterdir()) == []
        with pytest.raises(StoreError, match=r"restore of .*disk is full"):
            restore(f"sqlite:///{disk}/ledger.sqlite3", copy)
        assert [path.name for path in disk.iterdir()] == ["ledger.sqlite3.lock"]


@pytest.mark.parametrize("last", [250, 350], ids=["all of it in the log", "a part of it in the log"])
def test_what_was_written_after_the_copy_is_gone_after_kill_9_and_kept_aside(
    last: int, source: str, tmp_path: Path
) -> None:
    copy = copied(source, tmp_path, frames=200)
    ledger = tmp_path / "data" / "ledger.sqlite3"
    with writer(source, 200, last) as process:
        process.kill()
        process.wait(DEADLINE_S)
    assert ledger.with_name("ledger.sqlite3-wal").stat().st_size > 100_000
    kept = restore(source, copy)
    assert kept is not None
    assert kept.name.startswith("ledger-before-restore-")
    assert (frames_in(ledger), frames_in(kept), frames_in(copy)) == (200, last, 200)
    assert sorted(path.name for path in ledger.parent.iterdir()) == sorted(
        [kept.name, ledger.name, "ledger.sqlite3.lock"]
    )
    with open_database(source) as engine:
        filled(engine, verdict(900))
    assert frames_in(ledger) == 201


def test_a_damaged_ledger_is_kept_as_it_is_with_its_log(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    ledger = tmp_path / "data" / "ledger.sqlite3"
    with writer(source, 3, 5):
        pass
    ledger.write_bytes(b"a disk went bad" * 1000)
    log = ledger.with_name("ledger.sqlite3-wal").read_bytes()
    kept = restore(source, copy)
    assert kept is not None
    assert kept.read_bytes() == b"a disk went bad" * 1000
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == log
    assert frames_in(ledger) == 3
    assert not ledger.with_name("ledger.sqlite3-wal").exists()


def test_a_log_without_its_ledger_does_not_come_into_the_copy(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    ledger = tmp_path / "data" / "ledger.sqlite3"
    with writer(source, 3, 5):
        pass
    ledger.unlink()
    assert restore(source, copy) is None
    assert frames_in(ledger) == 3
    assert len(list(ledger.parent.glob("ledger-before-restore-*-wal"))) == 1


def test_a_copy_comes_to_a_new_box(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    assert restore(f"sqlite:///{tmp_path}/new/box/ledger.sqlite3", copy) is None
    assert frames_in(tmp_path / "new" / "box" / "ledger.sqlite3") == 3


def test_a_ledger_in_use_is_not_replaced(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    with sole_daemon(source), pytest.raises(StoreError, match=r"is used by a daemon, expected none; stop it, restore"):
        restore(source, copy)
    with writer(source, 3, 5), pytest.raises(StoreError, match=r"is open in another program.*inspector review"):
        restore(source, copy)
    assert frames_in(tmp_path / "data" / "ledger.sqlite3") == 5
    assert not list((tmp_path / "data").glob("*before*"))
    assert restore(source, copy) is not None


def test_what_is_no_copy_of_a_ledger_is_refused(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    ledger = tmp_path / "data" / "ledger.sqlite3"
    with pytest.raises(StoreError, match=r"got a database of postgresql, expected SQLite; .*pg_restore"):
        restore("postgres://u:p@h/d", copy)
    with pytest.raises(StoreError, match=r"no such file, expected a copy made by inspector db backup"):
        restore(source, tmp_path / "nothing")
    with pytest.raises(StoreError, match="is the ledger itself"):
        restore(source, ledger)
    (tmp_path / "text").write_text("no database, but long enough to be looked at" * 100)
    with pytest.raises(StoreError, match="not a database"):
        restore(source, tmp_path / "text")
    with closing(sqlite3.connect(tmp_path / "other")) as other:
        other.execute("CREATE TABLE frames (id)").close()
    with pytest.raises(StoreError, match="is no ledger"):
        restore(source, tmp_path / "other")
    with closing(sqlite3.connect(copy)) as newer:
        newer.execute("UPDATE alembic_version SET version_num = '9999'")
        newer.commit()
    with pytest.raises(StoreError, match=rf"got schema 9999, expected {HEAD} or older"):
        restore(source, copy)
    damaged = bytearray(copy.read_bytes())
    damaged[4096 * 4 : 4096 * 40] = b"\xff" * 4096 * 36
    copy.write_bytes(damaged)
    with pytest.raises(StoreError, match=r"damaged|malformed"):
        restore(source, copy)
    assert frames_in(ledger) == 3
    assert not list((tmp_path / "data").glob("*before*"))
    assert not list((tmp_path / "data").glob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            "CREATE TRIGGER pass AFTER INSERT ON outbox BEGIN UPDATE outbox SET payload = 'all is well'; END",
            "has the trigger 'pass', which no ledger has",
        ),
        ("CREATE VIEW seen AS SELECT 1", "has the view 'seen', which no ledger has"),
        ("DROP TRIGGER reviews_no_delete", "lacks the trigger 'reviews_no_delete', which keeps the audit"),
    ],
)
def test_a_copy_that_somebody_made_to_act_is_refused(source: str, tmp_path: Path, change: str, told: str) -> None:
    copy = copied(source, tmp_path)
    with closing(sqlite3.connect(copy)) as database:
        database.execute(change)
        database.commit()
    with pytest.raises(StoreError, match=told):
        restore(source, copy)
    assert frames_in(tmp_path / "data" / "ledger.sqlite3") == 3


@pytest.mark.parametrize("schema", sorted(schemas() - {"0001"}))
def test_a_copy_of_an_older_schema_keeps_its_audit_as_it_was_written(source: str, tmp_path: Path, schema: str) -> None:
    """What refuses changes came with the second schema, for accounts with the seventh; no later one makes it again."""
    copy, ledger = tmp_path / "copy.sqlite3", tmp_path / "data" / "ledger.sqlite3"
    ledger.parent.mkdir()
    at_schema(copy, schema)
    assert restore(source, copy) is None
    for change in ("update", "delete"):
        for table in ("reviews", "promotions", *(("account_changes",) if schema >= "0007" else ())):
            lacking = tmp_path / "lacking.sqlite3"
            lacking.write_bytes(copy.read_bytes())
            with closing(sqlite3.connect(lacking)) as database:
                database.execute(f"DROP TRIGGER {table}_no_{change}").close()
                database.commit()
            with pytest.raises(StoreError, match=f"lacks the trigger '{table}_no_{change}', which keeps the audit"):
                restore(source, lacking)


def test_a_copy_from_before_there_was_an_audit_is_restored(source: str, tmp_path: Path) -> None:
    at_schema(tmp_path / "copy.sqlite3", "0001")
    assert restore(source, tmp_path / "copy.sqlite3") is None
    with open_database(source, migrate=True) as engine:
        filled(engine, verdict(1))


def test_other_users_of_the_machine_read_neither_ledger_nor_copy(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        source = f"sqlite:///{tmp_path}/data/ledger.sqlite3"
        with open_database(source) as engine:
            filled(engine, verdict(1))
            there = [*(tmp_path / "data").iterdir(), tmp_path / "data"]
            copy = tmp_path / "copy.sqlite3"
            backup(source, copy)
            restore(f"sqlite:///{tmp_path}/other/ledger.sqlite3", copy)
            ledgers = [
                file for file in (*there, copy, tmp_path / "other" / "ledger.sqlite3") if "lock" not in file.name
            ]
            assert {file.name for file in ledgers} >= {"ledger.sqlite3", "ledger.sqlite3-wal", "data"}
            assert [file for file in ledgers if file.stat().st_mode & 0o007] == []
    finally:
        os.umask(before)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_restores_belongs_to_whom_the_ledger_belonged(source: str, tmp_path: Path) -> None:
    copy = copied(source, tmp_path)
    ledger = tmp_path / "data" / "ledger.sqlite3"
    os.chown(ledger, 65534, 65534)
    ledger.chmod(0o640)
    restore(source, copy)
    for path in (ledger, ledger.with_name("ledger.sqlite3.lock")):
        assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65534)
    assert ledger.stat().st_mode & 0o777 == 0o640


def test_the_command_that_restores(source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = copied(source, tmp_path)
    config = tmp_path / "inspector.yaml"
    config.write_text("data_dir: ./data\nstations: [{id: plant/hall1/line1/cam1, bank: ./bank}]\n")
    with pytest.raises(SystemExit) as left:
        main(["db", "restore", str(copy), "-c", str(config), "--json"])
    assert left.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["file"] == str(copy)
    assert frames_in(Path(said["kept"])) == 3
    (tmp_path / "data" / "ledger.sqlite3").unlink()
    with pytest.raises(SystemExit) as left:
        main(["db", "restore", str(copy), "-c", str(config)])
    assert left.value.code == 0
    assert "checked and put back; there was none before" in capsys.readouterr().out
