"""A bank's folder is never half there, and takes the place of nothing that is no bank."""

import multiprocessing
import os
import signal
from multiprocessing.synchronize import Event
from pathlib import Path

import pytest
from banks import write_good

from calibration.calibrate import Options, calibrate
from inspector.bank_place import new_folder
from inspector.errors import BankError
from inspector.recipe import Recipe


def names(folder: Path) -> list[str]:
    """What lies in a folder, hidden entries included."""
    return sorted(entry.name for entry in folder.iterdir())


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    place = tmp_path / "deep" / "bank"
    with new_folder(place) as draft:
        assert not place.exists()
        assert draft.parent == place.parent
        assert draft.name.startswith(".")
        (draft / "file").write_text("x")
    assert (place / "file").read_text() == "x"
    assert names(place.parent) == ["bank"]
    assert place.stat().st_mode & 0o777 == 0o755


def test_what_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> None:
        with new_folder(tmp_path / "bank") as draft:
            (draft / "file").write_text("x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert names(tmp_path) == []


def test_an_existing_bank_is_replaced_only_when_asked(tmp_path: Path) -> None:
    place = tmp_path / "bank"
    place.mkdir()
    (place / "manifest.json").write_text("x")
    told = f"exists already; choose another name, or pass --replace, .* go back: .* inspector bank promote NEW {place}"
    with pytest.raises(BankError, match=told), new_folder(place):
        pass
    with new_folder(place, replace=True) as draft:
        (draft / "new").write_text("y")
        assert (place / "manifest.json").exists()
    assert names(place) == ["new"]
    assert names(tmp_path) == ["bank"]


@pytest.mark.parametrize("name", ["samples", "note.txt"])
def test_what_is_no_bank_is_never_replaced(tmp_path: Path, name: str) -> None:
    write_good(tmp_path / "samples", 3)
    (tmp_path / "note.txt").write_text("kept")
    with pytest.raises(BankError, match="is no bank, so it is not replaced"), new_folder(tmp_path / name, replace=True):
        pass
    assert names(tmp_path) == ["note.txt", "samples"]
    assert len(names(tmp_path / "samples")) == 3
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty", replace=True) as draft:
        (draft / "manifest.json").write_text("{}")
    assert names(tmp_path / "empty") == ["manifest.json"]


def test_a_replacement_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bank"
    place.mkdir()
    (place / "manifest.json").write_text("x")

    def full(first: Path, second: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("inspector.bank_place.exchange", full)
    with pytest.raises(BankError, match="No space left"), new_folder(place, replace=True) as draft:
        (draft / "new").write_text("y")
    assert names(place) == ["manifest.json"]
    assert names(tmp_path) == ["bank"]


def test_the_folder_in_which_one_stands_may_be_the_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "bank"
    place.mkdir()
    monkeypatch.chdir(place)
    with new_folder(Path(), replace=True) as draft:
        (draft / "file").write_text("x")
    assert names(place) == ["file"]
    assert names(tmp_path) == ["bank"]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BankError, match="cannot be written"), new_folder(tmp_path / "file" / "bank"):
        pass


def _calibrate_until_killed(good: Path, place: Path) -> None:
    options = Options(recipe=Recipe(size_wh=(64, 64), vectors=64), folds=2, replace=True)
    calibrate(good, place, options, track=lambda *_: os.kill(os.getpid(), signal.SIGKILL))  # type: ignore[arg-type]


def test_a_calibration_that_is_killed_leaves_no_bank_behind(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 40)
    place = tmp_path / "banks" / "bank"
    process = multiprocessing.get_context("spawn").Process(target=_calibrate_until_killed, args=(good, place))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert list(tmp_path.glob("banks/.bank.*"))
    assert not place.exists()
    with new_folder(place) as draft:  # the next one for this place clears up
        (draft / "file").write_text("x")
    assert names(place.parent) == ["bank"]


def _write_until_told(place: Path, begun: Event, end: Event) -> None:
    with new_folder(place, replace=True) as draft:
        (draft / "manifest.json").write_text("the other's")
        begun.set()
        assert end.wait(60)


def test_what_another_process_is_writing_is_never_cleared_away(tmp_path: Path) -> None:
    place = tmp_path / "bank"
    context = multiprocessing.get_context("spawn")
    begun, end = context.Event(), context.Event()
    process = context.Process(target=_write_until_told, args=(place, begun, end))
    process.start()
    assert begun.wait(60)
    (tmp_path / ".bank.draft.notes").mkdir()  # named by somebody else
    with new_folder(place, replace=True) as draft:
        (draft / "manifest.json").write_text("ours")
    assert len(names(tmp_path)) == 3
    end.set()
    process.join(60)
    assert process.exitcode == 0
    assert (place / "manifest.json").read_text() == "the other's"
    assert names(tmp_path) == [".bank.draft.notes", "bank"]


@pytest.mark.parametrize("replace", [False, True])
def test_what_somebody_else_put_there_meanwhile_stays(replace: bool, tmp_path: Path) -> None:
    place = tmp_path / "bank"

    def meet(draft: Path) -> None:
        (draft / "made").write_text("ours")
        place.mkdir()
        (place / "notes.txt").write_text("precious")

    with pytest.raises(BankError, match=r"meanwhile|by now"), new_folder(place, replace=replace) as draft:
        meet(draft)
    assert (place / "notes.txt").read_text() == "precious"
    assert [entry.name for entry in tmp_path.iterdir()] == ["bank"]
