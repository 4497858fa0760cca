"""The bank of a time is found by the digest of its manifest, whichever folder it is in by now."""

import os
from pathlib import Path

import pytest
from banks import exchanged_after

from inspector.bank import manifest_digest
from inspector.exchange import exchange
from inspector.web import bank_readings
from inspector.web.bank_folders import BankFolders


def written(folder: Path, text: str) -> str:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(text)
    os.utime(folder / "manifest.json", (1_700_000_000, 1_700_000_000))  # as both are, out of one archive
    return manifest_digest(folder)


def test_a_bank_is_found_after_an_exchange_with_one_written_at_the_same_moment(tmp_path: Path) -> None:
    in_use, kept = tmp_path / "tile", tmp_path / ".tile.shelf" / "earlier"
    first, second = written(in_use, "first"), written(kept, "second")
    folders = BankFolders([in_use])
    assert (folders.find(first), folders.find(second)) == (in_use, kept)
    exchange(in_use, kept)
    assert (folders.find(first), folders.find(second)) == (kept, in_use)
    assert folders.find("0" * 64) is None


def test_a_bank_that_is_exchanged_while_it_is_read_is_found_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_use, kept = tmp_path / "tile", tmp_path / ".tile.shelf" / "earlier"
    first, second = written(in_use, "first"), written(kept, "second")
    folders = BankFolders([in_use])
    monkeypatch.setattr(bank_readings, "stamp", exchanged_after(bank_readings.stamp, in_use, kept))
    assert folders.find(second) == in_use
    exchange(in_use, kept)
    assert folders.find(first) == in_use
