"""A folder that a camera writes into, without a broker: what is published when, as what, and what stays."""

import os
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from listening import STATION
from watching import JPEG, PNG, drop, names, watched

from inspector.camera import Answer, CameraOptions, SourceError, publish, watch
from inspector.errors import UsageError


def test_pictures_come_oldest_first_and_leave_when_the_broker_has_them(tmp_path: Path) -> None:
    drop(tmp_path, "b.jpg", age_s=30)
    drop(tmp_path, "a.jpg", age_s=20)
    drop(tmp_path, "day/c.png", PNG, age_s=10)
    with watched(tmp_path) as it:
        shots = [it.next() for _ in range(3)]
        last = drop(tmp_path, "later.jpg")
        moment = last.stat().st_mtime
        shots.append(it.next(None))
        assert last.exists()
        shots[-1].on_answer(Answer.TAKEN)
    assert [shot.part_id for shot in shots] == ["b.jpg", "a.jpg", "day/c.png", "later.jpg"]
    assert [shot.image for shot in shots] == [JPEG, JPEG, PNG, JPEG]
    assert [shot.content_type for shot in shots] == ["image/jpeg", "image/jpeg", "image/png", "image/jpeg"]
    identities = [shot.identity for shot in shots if shot.identity is not None]
    assert [identity.seq for identity in identities] == [0, 1, 2, 3]
    assert identities[-1].captured_at is not None
    assert identities[-1].captured_at.timestamp() == pytest.approx(moment, abs=1e-5)
    assert names(tmp_path) == ["a.jpg", "b.jpg", "c.png", "later.jpg"]
    assert not list(tmp_path.glob("*.jpg"))


def test_a_picture_has_the_same_identity_after_a_restart_and_another_when_it_is_written_again(tmp_path: Path) -> None:
    drop(tmp_path, "a.jpg", age_s=5)
    with watched(tmp_path) as it:
        before = it.next(None).identity
    with watched(tmp_path) as it:
        after = it.next().identity
        moment = drop(tmp_path, "a.jpg").stat().st_mtime_ns
        again = it.next().identity
        there = drop(tmp_path, "other/.a.jpg")
        os.utime(there, ns=(moment, moment))
        there.rename(there.with_name("a.jpg"))
        elsewhere = it.next().identity
    assert before is not None
    assert before == after
    assert len({identity.name for identity in (after, again, elsewhere) if identity is not None}) == 3


def test_a_file_that_grows_is_read_when_it_is_whole_and_holds_nobody_up(tmp_path: Path) -> None:
    with watched(tmp_path) as it, (tmp_path / "slow.jpg").open("wb", buffering=0) as slow:
        slow.write(JPEG[: len(JPEG) // 3])
        for number in range(2):
            drop(tmp_path, f"quick{number}.jpg")
            assert it.next().part_id == f"quick{number}.jpg"
            slow.write(JPEG[(number + 1) * len(JPEG) // 3 : (number + 2) * len(JPEG) // 3])
        shot = it.next()
    assert (shot.part_id, shot.image) == ("slow.jpg", JPEG)


def test_what_never_becomes_a_picture_is_told_once_and_published_for_the_line_to_report(tmp_path: Path) -> None:
    drop(tmp_path, "half.jpg", JPEG[:-100], age_s=9)
    drop(tmp_path, "empty.png", b"", age_s=8)
    drop(tmp_path, "text.bmp", b"no picture", age_s=7)
    drop(tmp_path, "whole.jpg")
    with watched(tmp_path) as it:
        shots = [it.next()]
    with watched(tmp_path, patience_s=1.0) as it:
        shots += [it.next() for _ in range(3)]
    assert [shot.part_id for shot in shots] == ["whole.jpg", "half.jpg", "empty.png", "text.bmp"]
    assert shots[1].image == JPEG[:-100]
    assert it.told("is no whole picture, and has not changed for 1 s") == 3


def test_a_file_that_is_written_anew_before_the_broker_answers_is_another_picture(tmp_path: Path) -> None:
    path = drop(tmp_path, "current.jpg")
    with watched(tmp_path) as it:
        first = it.next(None)
        drop(tmp_path, "current.jpg", PNG)
        first.on_answer(Answer.TAKEN)
        second = it.next()
    assert second.image == PNG
    assert first.identity != second.identity
    assert not path.exists()
    assert names(tmp_path) == ["current.jpg"]


def test_a_file_that_is_written_anew_between_look_and_reading_is_one_picture_once_it_has_settled(
    tmp_path: Path,
) -> None:
    drop(tmp_path, "a.jpg", age_s=9)
    drop(tmp_path, "b.jpg", JPEG + b"old", age_s=8)
    drop(tmp_path, "c.jpg", age_s=7)
    with watched(tmp_path) as it:
        shots = [it.next()]
        moment = drop(tmp_path, "b.jpg", JPEG + b"new").stat().st_mtime
        shots += [it.next(), it.next()]
        drop(tmp_path, "d.jpg")
        shots.append(it.next())
    assert [shot.part_id for shot in shots] == ["a.jpg", "c.jpg", "b.jpg", "d.jpg"]
    assert shots[2].image == JPEG + b"new"
    identity = shots[2].identity
    assert identity is not None
    assert identity.captured_at is not None
    assert identity.captured_at.timestamp() == pytest.approx(moment, abs=1e-5)


@pytest.mark.parametrize("answer", [Answer.UNHEARD, Answer.REFUSED])
def test_what_the_broker_did_not_take_stays_and_comes_again_in_order(tmp_path: Path, answer: Answer) -> None:
    for number in range(3):
        drop(tmp_path, f"{number}.jpg", age_s=9 - number)
    with watched(tmp_path) as it:
        first, second = it.next(None), it.next(None)
        first.on_answer(answer)
        second.on_answer(answer)
        shots = [it.next() for _ in range(3)]
    assert [shot.part_id for shot in shots] == ["0.jpg", "1.jpg", "2.jpg"]
    told = [shot.identity for shot in shots if shot.identity is not None]
    assert [(identity.seq, identity.again) for identity in told] == [(0, True), (1, True), (2, False)]
    assert shots[0].identity is not None
    assert first.identity is not None
    assert shots[0].identity.name == first.identity.name
    assert it.told("pictures wait in") == it.told("pictures are taken again") == 1


def test_after_one_that_was_not_taken_pictures_go_one_by_one(tmp_path: Path) -> None:
    for number in range(2):
        drop(tmp_path, f"{number}.jpg", age_s=9 - number)
    with watched(tmp_path) as it:
        it.next(Answer.UNHEARD)
        again = it.next(None)
        answered = threading.Event()

        def answer() -> None:
            answered.set()
            again.on_answer(Answer.TAKEN)

        later = threading.Timer(1.0, answer)
        later.start()
        last = it.next()
        assert answered.is_set()
        later.join()
    assert [again.part_id, last.part_id] == ["0.jpg", "1.jpg"]


def test_only_the_last_pictures_are_kept_and_nothing_else_is_touched(tmp_path: Path) -> None:
    note = drop(tmp_path, "sent/notes-of-somebody.jpg")
    with watched(tmp_path, keep=2) as it:
        for number in range(4):
            drop(tmp_path, f"{number}.jpg")
            it.next()
    kept = sorted(path.name for path in (tmp_path / "sent").iterdir() if path != note)
    assert [name[-5:] for name in kept] == ["2.jpg", "3.jpg"]
    with watched(tmp_path, keep=1) as it:
        drop(tmp_path, "4.jpg")
        it.next()
    assert [path.name[-5:] for path in (tmp_path / "sent").iterdir() if path != note] == ["4.jpg"]
    with watched(tmp_path, keep=0) as it:
        drop(tmp_path, "5.jpg")
        it.next()
    assert len(list((tmp_path / "sent").iterdir())) == 2
    assert note.exists()
    assert not list(tmp_path.glob("*.jpg"))


def test_a_folder_full_of_somebodys_pictures_is_refused_until_it_is_said_how_many_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "KEPT", 3)
    for number in range(4):
        drop(tmp_path, f"{number}.jpg")
    with pytest.raises(UsageError, match=r"has 4 pictures, and only the last 3 .* say with --keep"), watched(tmp_path):
        pass
    with watched(tmp_path, keep=3) as it:
        it.next()
    drop(tmp_path, "5.jpg")
    with watched(tmp_path):  # watched before: what waits now came since
        pass


def test_a_file_from_no_time_that_there_is_has_an_identity(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("no file system in memory, which alone takes any time")
    with TemporaryDirectory(dir=shared) as place:
        path = drop(Path(place), "a.jpg")
        os.utime(path, (2**40, 2**40))
        with watched(Path(place)) as it:
            identity = it.next().identity
        assert identity is not None
        assert identity.captured_at is None
        assert identity.name.startswith("undated-")
        assert names(Path(place)) == ["a.jpg"]


@pytest.mark.parametrize("source", ["synthetic", "synthetic:cap", "0", "rtsp://camera/stream", "/dev/null", "clip.avi"])
def test_only_a_folder_can_be_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.avi").write_bytes(b"RIFF")
    with pytest.raises(SourceError, match="--watch expects a folder that a camera writes into"):
        publish(CameraOptions(source=source, station=STATION, watch=True))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"watch": True, "loop": True}, "no end to start over at"),
        ({"keep": 5}, "without --watch"),
        ({"watch": True, "keep": -1}, "expected 0 to 1000000"),
    ],
)
def test_options_that_contradict_each_other_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        CameraOptions(source="inbox", station=STATION, **wrong)  # type: ignore[arg-type]


def test_thousands_of_waiting_pictures_are_held_by_name_alone(tmp_path: Path) -> None:
    """Their bytes are not: three thousand pictures of a megabyte would be three gigabytes."""
    picture = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes() + bytes(1_000)
    for number in range(3000):
        (tmp_path / f"{number:04}.jpg").write_bytes(picture)
    with watched(tmp_path, keep=0) as it:
        parts = [it.next().part_id for _ in range(3000)]
    assert sorted(set(map(str, parts))) == [f"{number:04}.jpg" for number in range(3000)]
    assert list(tmp_path.iterdir()) == []
