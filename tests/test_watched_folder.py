"""A folder that a camera writes into, without a broker: what is published when, as what, and what stays."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from pictures import grey_png, smooth_picture, with_opencv, with_pillow
from PIL import Image
from services import wait_until
from test_camera import STATION, as_nobody

from inspector.camera import Answer, CameraOptions, Shot, SourceError, publish, watch
from inspector.camera.watch import WatchedFolder
from inspector.camera.whole import End, end_of
from inspector.errors import UsageError

JPEG = with_opencv(smooth_picture(), ".jpg")
PNG = with_opencv(smooth_picture(), ".png")


class Watched:
    """The folder under watch; each picture is asked for by the test."""

    def __init__(self, folder: Path, *, keep: int | None = None, patience_s: float = 60.0) -> None:
        self.notices: list[str] = []
        self.stop = threading.Event()
        self.folder = folder
        self.source = WatchedFolder(
            str(folder), keep=keep, patience_s=patience_s, stop=self.stop, on_notice=self.notices.append
        )
        self._shots = self.source.shots()

    def next(self, answer: Answer | None = Answer.TAKEN) -> Shot:
        """The next picture, and what the broker says to it."""
        shot = next(self._shots)
        if answer is not None:
            shot.on_answer(answer)
        return shot

    def told(self, part: str) -> int:
        return sum(part in notice for notice in self.notices)


@contextmanager
def watched(folder: Path, **options: object) -> Iterator[Watched]:
    folder.mkdir(exist_ok=True)
    it = Watched(folder, **options)  # type: ignore[arg-type]
    with it.source:
        yield it


def drop(folder: Path, name: str, content: bytes = JPEG, *, age_s: float = 0) -> Path:
    """A file that appears whole, written so long ago."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(".half")
    half.write_bytes(content)
    if age_s:
        moment = half.stat().st_mtime_ns - int(age_s * 1e9)
        os.utime(half, ns=(moment, moment))
    return half.rename(path)


def names(folder: Path) -> list[str]:
    """The names in `sent`, without what is put before them."""
    return sorted(path.name.split("-", 2)[2] for path in (folder / "sent").iterdir())


@pytest.mark.parametrize(
    ("payload", "whole"),
    [
        (JPEG, End.SEEN),
        (with_pillow(Image.fromarray(smooth_picture()), "JPEG", progressive=True), End.SEEN),
        (PNG, End.SEEN),
        (with_opencv(smooth_picture(), ".bmp"), End.COUNTED),
        (with_opencv(smooth_picture(), ".tiff"), End.COUNTED),
        (with_pillow(Image.fromarray(smooth_picture()), "TIFF"), End.COUNTED),
    ],
)
def test_a_picture_is_whole_at_its_last_byte_and_not_before(payload: bytes, whole: End) -> None:
    assert end_of(payload) is end_of(payload + b"what a camera adds") is whole
    cut = [*range(0, len(payload) - 8, 97), len(payload) - 8]
    assert {end_of(payload[:size]) for size in cut} == {End.MISSING}


def test_a_bitmap_ends_with_its_rows_whatever_size_its_header_says() -> None:
    bitmap = with_opencv(smooth_picture(), ".bmp")
    for said in (0, 54, len(bitmap) + 1000):
        payload = bitmap[:2] + said.to_bytes(4, "little") + bitmap[6:]
        assert (end_of(payload), end_of(payload[:-1])) == (End.COUNTED, End.MISSING)


def test_the_end_of_the_small_picture_in_a_jpegs_headers_is_not_its_end() -> None:
    small = with_opencv(smooth_picture(8, 8), ".jpg")
    headers = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    payload = JPEG[:2] + headers + JPEG[2:]
    assert end_of(payload) is End.SEEN
    assert end_of(payload[:-2]) is End.MISSING


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
    with watched(tmp_path, patience_s=1.0) as it:
        shots = [it.next() for _ in range(4)]
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


def test_a_share_that_goes_away_and_comes_back_costs_nothing_and_repeats_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "share"
    with watched(folder) as it:
        drop(folder, "0.jpg", age_s=3)
        drop(folder, "1.jpg", age_s=2)
        first, second = it.next(None), it.next(None)
        folder.rename(tmp_path / "away")
        first.on_answer(Answer.TAKEN)
        back = threading.Timer(1.5, lambda: (tmp_path / "away").rename(folder))
        drop(tmp_path / "away", "2.jpg")
        back.start()
        third = it.next()
        second.on_answer(Answer.TAKEN)
        drop(folder, "3.jpg")
        fourth = it.next()
    assert [shot.part_id for shot in (first, second, third, fourth)] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert names(folder) == ["0.jpg", "1.jpg", "2.jpg", "3.jpg"]
    assert it.told("cannot read") == it.told("can be read") == 1


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
    with it.source:
        threading.Timer(0.6, lambda: drop(tmp_path / "later", "a.jpg")).start()
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
    drop(tmp_path, "ground_truth/mask.png", PNG)
    (tmp_path / "link.jpg").symlink_to(tmp_path / ".hidden.jpg")
    with watched(tmp_path) as it:
        for number in range(3):
            drop(tmp_path, f"{number}.jpg")
            assert it.next().part_id == f"{number}.jpg"
    assert it.told(".csv is left alone") == it.told(".filepart is left alone") == 1
    assert len([path for path in tmp_path.rglob("*.csv") if path.parent == tmp_path]) == 3


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
