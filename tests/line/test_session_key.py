"""The part of client ids that nobody can guess: made once, kept, told to nobody."""

import logging
from pathlib import Path

import pytest
from line import CAM1, CAM2

from inspector.errors import StoreError
from inspector.line.session_key import NAME, SessionKey


def test_a_key_is_made_once_and_is_for_the_daemons_user_alone(tmp_path: Path) -> None:
    (tmp_path / "daemon.lock").touch()
    key = SessionKey.open(tmp_path)
    assert len(key.text) == 32
    assert not key.former
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert [there.name for there in sorted(tmp_path.iterdir())] == ["daemon.lock", NAME]
    (tmp_path / "ledger.sqlite3").touch()
    again = SessionKey.open(tmp_path)
    assert (again.text, again.former) == (key.text, False)


def test_that_a_key_is_made_is_told_without_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sessions under another key keep frames at the broker: who looks for why they are there finds when that began."""
    with caplog.at_level(logging.INFO):
        key = SessionKey.open(tmp_path)
        SessionKey.open(tmp_path)
    assert [record.getMessage() for record in caplog.records] == ["session key made"]
    assert key.text not in str([vars(record) for record in caplog.records])


def test_sessions_without_a_key_are_looked_for_until_they_are_gone(tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite3").touch()
    key = SessionKey.open(tmp_path)
    assert key.former
    assert SessionKey.open(tmp_path).former
    emptied = [key.await_former(station) for station in (CAM1, CAM2)]
    emptied[0]()
    assert SessionKey.open(tmp_path).former
    emptied[1]()
    again = SessionKey.open(tmp_path)
    assert (again.text, again.former) == (key.text, False)
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("written", ["", "0123\n", "g" * 32, "a" * 32 + " later\n"])
def test_a_file_that_holds_no_key_is_refused_and_left_as_it_is(written: str, tmp_path: Path) -> None:
    (tmp_path / NAME).write_text(written)
    with pytest.raises(StoreError, match="expected 32 hexadecimal digits"):
        SessionKey.open(tmp_path)
    assert (tmp_path / NAME).read_text() == written
