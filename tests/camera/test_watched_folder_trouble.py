"""A watched folder on a share that comes and goes, with files that cannot be read, moved or sent."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pictures import grey_png
from services import as_nobody, wait_until
from watching import JPEG, PNG, Watched, drop, names, watched

from inspector.camera import Answer, SourceError, watch


@contextmanager
def once_told(it: Watched, part: str, act: Callable[[], object]) -> Iterator[None]:
    """Does something as soon as this is told."""

    def wait() -> None:
        wait_until(lambda: it.told(part), part)
        act()

    waiting = threading.Thread(target=wait)
    waiting.start()
    yield
    waiting.join()


def test_a_share_that_goes_away_and_comes_back_costs_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    with watched(folder) as it:
        drop(folder, "0.jpg", age_s=3)
        drop(folder, "1.jpg", age_s=2)
        first, second = it.next(None), it.next(None)
        folder.rename(tmp_path / "away")
        first.on_answer(Answer.TAKEN)
        drop(tmp_path / "away", "2.jpg")
        with once_told(it, "cannot read", lambda: (tmp_path / "away").rename(folder)):
            third = it.next()
        second.on_answer(Answer.TAKEN)
        drop(folder, "3.jpg")
        fourth = it.next()
    assert [shot.part_id for shot in (first, second, third, fourth)] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert names(folder) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert it.told("cannot read") == it.told("can be read") == 1


@pytest.mark.parametrize("keep", [None, 0])
@pytest.mark.parametrize("meanwhile", ["nothing", "no links", "a third"])
def test_a_picture_that_is_written_over_one_that_is_just_taken_away_is_published_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meanwhile: str, keep: int | None
) -> None:
    pictures = [JPEG + bytes([number]) for number in range(3 if meanwhile == "a third" else 2)]
    second, third = pictures[1:2], pictures[2:]
    path = drop(tmp_path, "current.jpg", pictures[0])
    lstat, real_link = Path.lstat, os.link

    def looked_at(self: Path) -> os.stat_result:
        found = lstat(self)
        if self == path and second:
            drop(tmp_path, path.name, second.pop())
        return found

    def link(source: Path, target: Path) -> None:
        if meanwhile == "no links":
            raise OSError(errno.EOPNOTSUPP, "the share has none")
        if third:
            drop(tmp_path, path.name, third.pop())
        real_link(source, target)

    monkeypatch.setattr(Path, "lstat", looked_at)
    monkeypatch.setattr(os, "link", link)
    with watched(tmp_path, keep=keep) as it:
        images = [it.next().image for _ in pictures]
    assert images == pictures
    left = [each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()]
    assert sorted(left) == ([] if keep == 0 else pictures[1:])


def test_an_empty_mount_point_is_left_as_it_is_and_what_was_published_is_known_when_the_share_is_back(
    tmp_path: Path,
) -> None:
    folder, other = tmp_path / "share", tmp_path / "mount point"
    with watched(folder) as it:
        drop(folder, "0.jpg")
        shot = it.next(None)
        folder.rename(tmp_path / "away")
        folder.mkdir()
        shot.on_answer(Answer.TAKEN)
        drop(folder, "1.png", PNG)
        assert it.next(None).part_id == "1.png"
        folder.rename(other)
        (tmp_path / "away").rename(folder)
        drop(folder, "2.jpg")
        assert it.next().part_id == "2.jpg"
    assert [path.name for path in other.iterdir()] == ["1.png"]
    assert names(folder) == ["0.jpg", "2.jpg"]


def test_a_folder_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    it = Watched(tmp_path / "later")
    with it.source, once_told(it, "waiting until that is possible", lambda: drop(tmp_path / "later", "a.jpg")):
        assert it.next().part_id == "a.jpg"
    assert it.told("waiting until that is possible") == 1


def test_a_file_that_cannot_be_taken_away_is_published_once_and_told_once() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        for number in range(3):
            drop(folder, f"closed/{number}.jpg", age_s=9 - number)
        (folder / "closed").chmod(0o755)
        with as_nobody(), watched(folder) as it:
            shots = [it.next() for _ in range(3)]
            drop(folder, "open.jpg")
            shots.append(it.next())
            drop(folder, "more.jpg")
            shots.append(it.next())
            assert it.told("closed/0.jpg out of the folder (Permission denied)") == it.told("out of the folder") == 1
            os.seteuid(os.getuid())
            (folder / "closed").chmod(0o777)
            if os.getuid() == 0:
                os.seteuid(65534)
            at_last = threading.Thread(target=when_empty, args=(folder / "closed",))
            at_last.start()
            shots.append(it.next())
            at_last.join()
        parts = [shot.part_id for shot in shots]
        assert parts == [*(f"closed/{number}.jpg" for number in range(3)), "open.jpg", "more.jpg", "closed/last.jpg"]
        assert names(folder) == ["0.jpg", "1.jpg", "2.jpg", "last.jpg", "more.jpg", "open.jpg"]


def when_empty(folder: Path) -> None:
    wait_until(lambda: not list(folder.iterdir()), "all can be taken away")
    drop(folder, "last.jpg")


def test_a_folder_that_nothing_can_be_taken_out_of_is_refused() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o755)
        with as_nobody(), pytest.raises(SourceError, match="cannot be written to"), watched(folder):
            pass


def test_a_file_that_cannot_be_read_yet_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_TOLD_AFTER_S", 0.1)
    with TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        shut = drop(folder, "shut.jpg", age_s=5)
        shut.chmod(0)
        with as_nobody(), watched(folder) as it:
            drop(folder, "open.jpg")
            assert it.next().part_id == "open.jpg"
            assert it.told("shut.jpg (Permission denied); it waits") == 1
            os.seteuid(os.getuid())
            shut.chmod(0o644)
            if os.getuid() == 0:
                os.seteuid(65534)
            assert it.next().part_id == "shut.jpg"


def test_odd_names_are_published_and_moved_as_they_are(tmp_path: Path) -> None:
    odd = [
        "-rf *.jpg",
        "two\nlines\x1b[31m.jpg",
        os.fsdecode(b"Pr\xfcfteil.JPG"),
        f"{'x' * 251}.jpg",
        "ä/ö.jpg",
        "o/ö.jpg",
    ]
    for number, name in enumerate(odd):
        drop(tmp_path, name, age_s=20 - number)
    with watched(tmp_path) as it:
        parts = [it.next().part_id for _ in odd]
    assert parts == [
        "-rf *.jpg",
        "two\N{REPLACEMENT CHARACTER}lines\N{REPLACEMENT CHARACTER}[31m.jpg",
        "Pr\N{REPLACEMENT CHARACTER}fteil.JPG",
        f"{'x' * 124}.jpg",
        "ä/ö.jpg",
        "o/ö.jpg",
    ]
    moved = [path.name for path in (tmp_path / "sent").iterdir()]
    assert len(moved) == 6
    assert max(len(os.fsencode(name)) for name in moved) == 255
    for name in ("-rf *.jpg", "two\nlines\x1b[31m.jpg", os.fsdecode(b"Pr\xfcfteil.JPG")):
        assert any(each.endswith(f"-{name}") for each in moved)


def test_what_is_no_picture_is_left_alone_and_told_once_for_all_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_TOLD_AFTER_S", 0.3)
    for number in range(3):
        drop(tmp_path, f"{number}.csv", b"1;2")
    drop(tmp_path, "upload.jpg.filepart", JPEG[:50])
    drop(tmp_path, ".hidden.jpg")
    for place in ("ground_truth", "1/Masks", "2/masks"):
        drop(tmp_path, f"{place}/mask.png", PNG)
    (tmp_path / "link.jpg").symlink_to(tmp_path / ".hidden.jpg")
    with watched(tmp_path) as it:
        for number in range(3):
            drop(tmp_path, f"{number}.jpg")
            assert it.next().part_id == f"{number}.jpg"
    assert it.told(".csv is left alone") == it.told(".filepart is left alone") == 1
    assert it.told("ground_truth is left alone") == it.told("asks is left alone") == 1
    assert len([path for path in tmp_path.rglob("*.csv") if path.parent == tmp_path]) == 3


def test_what_is_taken_away_by_somebody_else_is_told(tmp_path: Path) -> None:
    for number in range(2):
        drop(tmp_path, f"{number}.jpg", age_s=9 - number)
    with watched(tmp_path) as it:
        it.next()
        (tmp_path / "1.jpg").unlink()
        drop(tmp_path, "2.jpg")
        assert it.next().part_id == "2.jpg"
    assert it.told("1.jpg went away before it was published") == 1


def test_a_subfolder_that_cannot_be_read_is_told_and_the_rest_goes_on() -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        folder.chmod(0o777)
        drop(folder, "closed/0.jpg")
        (folder / "closed").chmod(0)
        with as_nobody(), watched(folder) as it:
            for number in range(2):
                drop(folder, f"{number}.jpg")
                assert it.next().part_id == f"{number}.jpg"
        assert it.told("closed (Permission denied); what lies there waits") == 1


def test_a_file_that_is_larger_than_can_be_sent_is_a_gap_and_stops_nobody(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as huge:
        huge.truncate(200 * 1024**2)
    os.utime(tmp_path / "huge.png", (1, 1))
    drop(tmp_path, "a.png", grey_png(20, 20))
    with watched(tmp_path) as it:
        shots = [it.next()]
        drop(tmp_path, "b.png", grey_png(20, 20))
        shots.append(it.next())
    numbers = [shot.identity.seq for shot in shots if shot.identity is not None]
    assert [(shot.part_id, shot.lost) for shot in shots] == [("a.png", 1), ("b.png", 0)]
    assert numbers == [1, 2]
    assert it.told("huge.png has 209715200 bytes") == 1
    assert (tmp_path / "huge.png").exists()
