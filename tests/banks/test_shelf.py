"""The shelf: a bank is in use at every moment, and the one before it is a step away."""

import errno
import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest
from banks import change_manifest
from services import files_no_larger_than, wait_until

from inspector.bank import Bank, file_sha256
from inspector.bank_place import new_folder
from inspector.banks import shelf as shelves
from inspector.banks.shelf import NO_BANK, ChangedError, Shelf
from inspector.errors import BankError
from inspector.exchange import exchange
from inspector.pipeline import Pipeline


def variant(bank: Path, place: Path, pixel: float) -> Path:
    """The same bank with another threshold: sound, with a digest of its own."""
    shutil.copytree(bank, place)
    change_manifest(place, lambda manifest: manifest["calibration"].update(pixel=pixel))
    return place


@pytest.fixture
def in_use(bank: Path, tmp_path: Path) -> Path:
    return variant(bank, tmp_path / "banks" / "tile", 1.0)


def digest(bank: Path) -> str:
    return file_sha256(bank / "manifest.json")


def kept(bank: Path) -> set[float]:
    """The pixel thresholds of the banks on the shelf, by which this test tells them apart."""
    return {Bank.load(folder).thresholds.pixel for folder in Shelf(bank).kept().values()}


def test_a_promoted_bank_is_in_use_and_the_old_one_is_kept(in_use: Path, bank: Path, tmp_path: Path) -> None:
    candidate = variant(bank, tmp_path / "candidate", 2.0)
    move = Shelf(in_use).promote(candidate, by="anna", reason="cleaner")
    assert Bank.load(in_use).thresholds.pixel == 2.0
    assert kept(in_use) == {1.0}
    assert (move.by, move.reason, move.action, move.done) == ("anna", "cleaner", "promote", True)
    assert move.after.digest == digest(candidate)
    assert Shelf(in_use).moves() == (move,)
    assert candidate.is_dir()
    assert sorted(entry.name for entry in in_use.parent.iterdir()) == [".tile.shelf", "tile"]


def test_what_was_promoted_is_replaced_by_promotion_alone(in_use: Path, bank: Path, tmp_path: Path) -> None:
    """By `calibrate --replace` the guard would not be asked, nor would there be a way back."""
    with new_folder(in_use, replace=True) as draft:
        shutil.copytree(bank, draft, dirs_exist_ok=True)
    Shelf(in_use).promote(variant(bank, tmp_path / "new", 2.0), by="emil")
    before = digest(in_use)
    with pytest.raises(BankError, match="inspector bank promote NEW"), new_folder(in_use, replace=True):
        pass
    assert digest(in_use) == before


def test_rolling_back_goes_one_step_further_each_time(in_use: Path, bank: Path, tmp_path: Path) -> None:
    shelf = Shelf(in_use)
    for pixel in (2.0, 3.0):
        shelf.promote(variant(bank, tmp_path / f"candidate{pixel}", pixel), by="anna")
    for expected, others in ((2.0, {1.0, 3.0}), (1.0, {2.0, 3.0})):
        assert shelf.rollback(by="ben", reason="worse").action == "rollback"
        assert Bank.load(in_use).thresholds.pixel == expected
        assert kept(in_use) == others
    assert shelf.previous() is None
    with pytest.raises(BankError, match="nothing to roll back to"):
        shelf.rollback(by="ben")
    shelf.promote(next(f for f in shelf.kept().values() if Bank.load(f).thresholds.pixel == 3.0), by="ben")
    assert Bank.load(in_use).thresholds.pixel == 3.0


def test_a_decision_about_another_bank_exchanges_nothing(in_use: Path, bank: Path, tmp_path: Path) -> None:
    shelf, seen = Shelf(in_use), digest(in_use)
    first, second = (variant(bank, tmp_path / name, pixel) for name, pixel in (("a", 2.0), ("b", 3.0)))
    shelf.promote(first, by="anna", seen=seen)
    with pytest.raises(ChangedError, match=f"by now, expected {seen[:12]}; look at it again"):
        shelf.promote(second, by="ben", seen=seen)
    with pytest.raises(ChangedError, match="has changed since it was tried"):
        shelf.promote(second, by="ben", seen=digest(first), tried=digest(first))
    shelf.promote(second, by="ben", seen=digest(first), tried=digest(second))
    shelf.rollback(by="anna", seen=digest(second))
    with pytest.raises(ChangedError, match="look at it again"):
        shelf.rollback(by="ben", seen=digest(second))  # the same button, pressed twice
    assert Bank.load(in_use).thresholds.pixel == 2.0
    assert [move.after.digest for move in shelf.moves()] == [digest(first), digest(second), digest(first)]


def test_a_first_bank_replaces_no_other_that_came_meanwhile(bank: Path, tmp_path: Path) -> None:
    shelf = Shelf(tmp_path / "banks" / "tile")
    first, second = (variant(bank, tmp_path / name, pixel) for name, pixel in (("a", 2.0), ("b", 3.0)))
    shelf.promote(first, by="anna", seen=NO_BANK)
    with pytest.raises(ChangedError, match=r"by now, expected none; look at it again"):
        shelf.promote(second, by="ben", seen=NO_BANK)
    assert digest(shelf.bank) == digest(first)


def test_the_shelf_is_bounded(in_use: Path, bank: Path, tmp_path: Path) -> None:
    for number in range(shelves.KEEP + 3):
        place = variant(bank, tmp_path / f"candidate{number}", 2.0 + number)
        Shelf(in_use).promote(place, by="anna")
    assert kept(in_use) == {2.0 + number for number in range(2, shelves.KEEP + 2)}
    assert len(Shelf(in_use).moves()) == shelves.KEEP + 3
    assert len(list((in_use.parent / ".tile.shelf").iterdir())) == shelves.KEEP + 2


def test_a_bank_that_rests_nowhere_can_be_promoted_to_a_new_place(bank: Path, tmp_path: Path) -> None:
    move = Shelf(tmp_path / "new" / "tile").promote(bank, by="anna")
    assert move.before is None
    assert digest(tmp_path / "new" / "tile") == digest(bank)
    with pytest.raises(BankError, match="nothing to roll back to"):
        Shelf(tmp_path / "new" / "tile").rollback(by="anna")


def test_what_is_damaged_is_never_taken_into_use(in_use: Path, bank: Path, tmp_path: Path) -> None:
    candidate = variant(bank, tmp_path / "candidate", 2.0)
    (candidate / "graph.bin").write_bytes(b"x")
    with pytest.raises(BankError, match=r"graph\.bin has sha256"):
        Shelf(in_use).promote(candidate, by="anna")
    assert Bank.load(in_use).thresholds.pixel == 1.0
    assert Shelf(in_use).moves() == ()


def test_the_bank_in_use_is_not_promoted_again(in_use: Path) -> None:
    with pytest.raises(BankError, match=r"is in use at .* already"):
        Shelf(in_use).promote(in_use, by="anna")


def test_a_rollback_that_is_refused_leaves_nothing_behind(in_use: Path) -> None:
    with pytest.raises(BankError, match="replaced no other bank, so there is nothing to roll back to"):
        Shelf(in_use).rollback(by="anna")
    assert list(in_use.parent.iterdir()) == [in_use]


def test_a_promotion_that_was_refused_keeps_no_bank_from_being_replaced(in_use: Path, bank: Path) -> None:
    with pytest.raises(BankError, match="is in use at"):
        Shelf(in_use).promote(in_use, by="anna")
    with new_folder(in_use, replace=True) as draft:
        shutil.copytree(bank, draft, dirs_exist_ok=True)
    assert digest(in_use) == digest(bank)


def test_an_earlier_bank_that_is_damaged_is_not_rolled_back_to(in_use: Path, bank: Path, tmp_path: Path) -> None:
    Shelf(in_use).promote(variant(bank, tmp_path / "candidate", 2.0), by="anna")
    for folder in Shelf(in_use).kept().values():
        (folder / "graph.bin").write_bytes(b"x")
    with pytest.raises(BankError, match=r"graph\.bin has sha256"):
        Shelf(in_use).rollback(by="anna")
    assert Bank.load(in_use).thresholds.pixel == 2.0


def test_a_bank_whose_manifest_is_damaged_can_be_rolled_back_and_replaced(
    in_use: Path, bank: Path, tmp_path: Path
) -> None:
    shelf = Shelf(in_use)
    for pixel in (2.0, 3.0):
        shelf.promote(variant(bank, tmp_path / f"candidate{pixel}", pixel), by="anna")
    (in_use / "manifest.json").write_bytes(b"{")
    assert shelf.rollback(by="ben").action == "rollback"
    assert Bank.load(in_use).thresholds.pixel == 2.0
    assert kept(in_use) == {1.0}
    (in_use / "manifest.json").write_bytes(b"")
    shelf.promote(tmp_path / "candidate3.0", by="ben")
    assert Bank.load(in_use).thresholds.pixel == 3.0
    assert kept(in_use) == {1.0}


def test_what_root_takes_into_use_belongs_to_the_user_of_the_line(in_use: Path, bank: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes files of others")
    line = 12345
    for path in (in_use, *in_use.rglob("*")):
        os.chown(path, line, line)
    candidate = variant(bank, tmp_path / "a", 2.0)
    (candidate / "memory.safetensors").chmod(0o600)
    Shelf(in_use).promote(candidate, by="anna")
    made = [in_use, in_use.parent / ".tile.shelf"]
    found = [(path, path.stat()) for folder in made for path in (folder, *folder.rglob("*"))]
    assert {(about.st_uid, about.st_gid) for _, about in found} == {(line, line)}
    assert all(about.st_mode & 0o444 == 0o444 for path, about in found if in_use in (path, *path.parents))


def test_a_line_that_a_crash_cut_off_is_passed_over(in_use: Path, bank: Path, tmp_path: Path) -> None:
    first = Shelf(in_use).promote(variant(bank, tmp_path / "a", 2.0), by="anna")
    with (in_use.parent / ".tile.shelf" / "journal.jsonl").open("a") as journal:
        journal.write('{"number": 2, "at": "20')
    second = Shelf(in_use).promote(variant(bank, tmp_path / "b", 3.0), by="anna")
    assert Shelf(in_use).moves() == (first, second)
    assert second.number == 2


def test_a_line_that_a_crash_cut_off_inside_a_letter_is_passed_over(in_use: Path, bank: Path, tmp_path: Path) -> None:
    first = Shelf(in_use).promote(variant(bank, tmp_path / "a", 2.0), by="Jürgen")
    Shelf(in_use).promote(variant(bank, tmp_path / "b", 3.0), by="Jürgen")
    journal = in_use.parent / ".tile.shelf" / "journal.jsonl"
    text = journal.read_bytes()
    journal.write_bytes(text[: text.rindex("ü".encode()) + 1])
    assert [move.number for move in Shelf(in_use).moves()] == [first.number, 2]
    assert Shelf(in_use).rollback(by="anna").number == 3


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\n", "\r\n"])
def test_whatever_separates_lines_in_a_reason_the_way_back_stays(
    separator: str, in_use: Path, bank: Path, tmp_path: Path
) -> None:
    shelf = Shelf(in_use)
    move = shelf.promote(variant(bank, tmp_path / "candidate", 2.0), by="anna", reason=f"pasted{separator}text")
    assert shelf.moves() == (move,)
    assert kept(in_use) == {1.0}
    shelf.rollback(by="anna", reason=f"back{separator}again")
    assert Bank.load(in_use).thresholds.pixel == 1.0
    assert [one.action for one in shelf.moves()] == ["promote", "rollback"]


@pytest.mark.parametrize("reason", ["nothing\x00more", "half of \ud83d one"])
def test_a_reason_that_no_database_holds_is_refused_before_anything_happens(
    reason: str, in_use: Path, bank: Path, tmp_path: Path
) -> None:
    shelf = Shelf(in_use)
    with pytest.raises(BankError, match="reason: got a character that no database holds"):
        shelf.promote(variant(bank, tmp_path / "candidate", 2.0), by="anna", reason=reason)
    with pytest.raises(BankError, match="reason: got a character that no database holds"):
        shelf.rollback(by="anna", reason=reason)
    assert Bank.load(in_use).thresholds.pixel == 1.0
    assert shelf.moves() == ()


@pytest.mark.parametrize("what", ["pictures", "banks", "file"])
def test_what_is_no_bank_is_never_replaced(what: str, in_use: Path, bank: Path, tmp_path: Path) -> None:
    place = tmp_path / "place"
    if what == "file":
        place.write_text("precious")
    elif what == "pictures":
        place.mkdir()
        (place / "0.png").write_text("precious")
    else:
        variant(bank, place / "tile", 3.0)
    before = sorted(place.rglob("*"))
    with pytest.raises(BankError, match="is no bank, so it is not replaced"):
        Shelf(place).promote(variant(bank, tmp_path / "candidate", 2.0), by="anna")
    assert place.exists()
    assert sorted(place.rglob("*")) == before
    assert not (tmp_path / ".place.shelf").exists()


@pytest.mark.faults
def test_a_full_disk_is_told_in_a_line_and_nothing_is_left(in_use: Path, bank: Path, tmp_path: Path) -> None:
    candidate = variant(bank, tmp_path / "candidate", 2.0)
    with files_no_larger_than(1000), pytest.raises(BankError, match="candidate: cannot be copied to") as told:
        Shelf(in_use).promote(candidate, by="anna")
    assert str(told.value).count("File too large") == 1
    assert Bank.load(in_use).thresholds.pixel == 1.0
    assert [entry.name for entry in Shelf(in_use).folder.iterdir()] == ["lock"]


@pytest.mark.faults
@pytest.mark.parametrize("how", ["Ctrl-C", "the disk fails", "the disk is full"])
def test_what_goes_wrong_behind_an_exchange_leaves_the_way_back(
    how: str, in_use: Path, bank: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, before = Shelf(in_use), digest(in_use)
    candidate = variant(bank, tmp_path / "candidate", 2.0)

    def go_wrong(_folder: Path) -> None:
        monkeypatch.undo()
        if how == "Ctrl-C":
            raise KeyboardInterrupt
        if how == "the disk fails":
            raise OSError(errno.EIO, "Input/output error")
        full.enter_context(files_no_larger_than((shelf.folder / "journal.jsonl").stat().st_size))

    monkeypatch.setattr(shelves, "sync_dir", go_wrong)
    expected = KeyboardInterrupt if how == "Ctrl-C" else BankError
    with ExitStack() as full, pytest.raises(expected, match=None if how == "Ctrl-C" else "is in use now, but: "):
        shelf.promote(candidate, by="anna")
    assert digest(in_use) == digest(candidate)
    assert sorted(entry.name for entry in shelf.folder.iterdir()) == sorted([before, "journal.jsonl", "lock"])
    shelf.rollback(by="ben")
    assert digest(in_use) == before


def test_an_exchange_is_refused_in_words_where_it_is_impossible(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "b")
    (tmp_path / "a" / "inner").mkdir()
    with pytest.raises(OSError, match="this file system cannot exchange two folders"):
        exchange(tmp_path / "a", tmp_path / "a" / "inner")


def test_a_reader_never_finds_half_a_bank(in_use: Path, bank: Path, tmp_path: Path) -> None:
    others = [variant(bank, tmp_path / f"candidate{pixel}", pixel) for pixel in (2.0, 3.0)]
    digests = {digest(in_use), *map(digest, others)}
    ended = threading.Event()
    seen: set[str] = set()

    def exchange_often() -> None:
        for number in count():
            Shelf(in_use).promote(others[number % 2], by="anna")
            if ended.is_set() or (number >= 11 and len(seen) > 1):
                return

    writer = threading.Thread(target=exchange_often)
    writer.start()
    try:
        wait_until(lambda: seen.add(Pipeline.open(in_use).bank.ref.digest) or not writer.is_alive(), "both were busy")  # type: ignore[func-returns-value]
    finally:
        ended.set()
        writer.join()
    assert len(seen) > 1
    assert seen <= digests


def _exchange_forever(place: Path, candidates: list[Path]) -> None:
    while True:
        for candidate in candidates:
            if digest(candidate) != digest(place):
                Shelf(place).promote(candidate, by="anna")


@pytest.mark.faults
def test_kill_9_at_any_moment_leaves_a_bank_in_use_and_one_to_go_back_to(
    in_use: Path, bank: Path, tmp_path: Path
) -> None:
    candidates = [variant(bank, tmp_path / f"candidate{pixel}", pixel) for pixel in (2.0, 3.0)]
    chance = random.Random(3)
    for _ in range(5):
        moves = len(Shelf(in_use).moves())
        process = multiprocessing.get_context("spawn").Process(target=_exchange_forever, args=(in_use, candidates))
        process.start()
        wait_until(lambda moves=moves: len(Shelf(in_use).moves()) > moves, "an exchange")  # type: ignore[misc]
        time.sleep(chance.uniform(0, 0.2))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        before = Pipeline.open(in_use).bank.ref.digest
        shelf = Shelf(in_use)
        assert shelf.previous() is not None
        assert shelf.rollback(by="ben").before.digest == before  # type: ignore[union-attr]
        assert Pipeline.open(in_use).bank.ref.digest != before
        leftovers = [entry.name for entry in shelf.folder.iterdir() if entry.name.startswith(".")]
        assert leftovers == []
