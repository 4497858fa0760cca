"""A copy of the ledger while it is written to."""

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from reviewing import filled, verdict

from inspector.cli import main
from inspector.errors import StoreError
from inspector.store import Ledger, Outbox, open_database
from inspector.store.backup import backup


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
    with open_database(f"sqlite:///{tmp_path}/copy.sqlite3") as engine:
        frames = sum(Ledger(engine).counts().values())
        assert 3000 <= frames <= 3000 + before + 1
        assert Outbox(engine).depth() == frames
    assert sorted(path.name for path in tmp_path.glob("copy*")) == ["copy.sqlite3"]


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
    with pytest.raises(StoreError, match=r"backup to .*No such file|unable to open"):
        backup(source, tmp_path / "nowhere" / "copy")


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
