"""The folder of a station's samples, on a real disk."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inspector import recipe as recipes
from inspector.errors import RecipeError, SamplesError
from inspector.folder import image_files
from inspector.roi import Roi
from inspector.samples import folder as folder_module
from inspector.samples.folder import FullError, SampleFolder
from inspector.samples.naming import digest_of, named_digest, named_moment

STATION = "plant/hall1/line1/cam1"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> SampleFolder:
    found = SampleFolder(tmp_path, STATION)
    found.good.mkdir(parents=True)
    for name in ("b.png", "a.jpg", "c.bmp"):
        (found.good / name).write_bytes(name.encode())
    return found


def names(folder: SampleFolder, *, left_out: bool = False) -> list[str]:
    return [one.name for one in folder.samples() if one.left_out is left_out]


def test_a_station_without_samples_has_none_and_makes_no_folder(tmp_path: Path) -> None:
    assert SampleFolder(tmp_path, STATION).samples() == []
    assert list(tmp_path.iterdir()) == []


def test_samples_are_listed_by_name_with_their_sizes(folder: SampleFolder) -> None:
    (folder.good / "half.png.tmp").write_bytes(b"")
    (folder.good / ".hidden.png").write_bytes(b"")
    (folder.good / "notes.txt").write_bytes(b"")
    (folder.good / "below.png").mkdir()
    assert [(one.name, one.size) for one in folder.samples()] == [("a.jpg", 5), ("b.png", 5), ("c.bmp", 5)]


def test_what_is_left_out_is_no_sample_until_it_is_taken_back(folder: SampleFolder) -> None:
    assert folder.leave_out(["b.png", "gone.png", "b.png"]) == 1
    assert (names(folder), names(folder, left_out=True)) == (["a.jpg", "c.bmp"], ["b.png"])
    assert folder.path("b.png").read_bytes() == b"b.png"
    assert folder.take_back(["b.png"]) == 1
    assert (names(folder), names(folder, left_out=True)) == (["a.jpg", "b.png", "c.bmp"], [])


def test_only_what_was_left_out_is_removed(folder: SampleFolder) -> None:
    folder.leave_out(["a.jpg", "b.png"])
    seen = [one for one in folder.samples() if one.left_out]
    folder.take_back(["b.png"])
    folder.leave_out(["c.bmp"])
    assert folder.remove(seen) == 1
    assert names(folder) == ["b.png"]
    assert names(folder, left_out=True) == ["c.bmp"]


@pytest.mark.parametrize(
    "name", ["part 7 ü.png", "_x.png", "(1).JPG", "lot 7/a.png", "lot7/below/a.png", "no.umläut.png"]
)
def test_what_a_calibration_takes_is_listed_shown_and_left_out(folder: SampleFolder, name: str) -> None:
    (folder.good / name).parent.mkdir(parents=True, exist_ok=True)
    (folder.good / name).write_bytes(b"by hand")
    assert name in names(folder)
    assert len(names(folder)) == len(image_files(folder.good))
    assert folder.path(name).read_bytes() == b"by hand"
    assert folder.leave_out([name]) == 1
    assert (names(folder, left_out=True), len(image_files(folder.good))) == ([name], 3)
    assert folder.take_back([name]) == 1
    assert folder.path(name) == folder.good / name


@pytest.mark.parametrize("name", ["teil_\udcfc.png", "a\nb.png", "/".join(["x" * 200] * 6) + "/a.png"])
def test_a_name_that_no_page_can_say_is_told(folder: SampleFolder, name: str) -> None:
    place = folder.good / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"by hand")
    with pytest.raises(SamplesError, match="rename it") as told:
        folder.samples()
    assert str(told.value).encode()


def test_another_picture_of_the_same_name_is_not_overwritten(folder: SampleFolder) -> None:
    folder.leave_out(["a.jpg"])
    (folder.good / "a.jpg").write_bytes(b"another")
    assert folder.leave_out(["a.jpg"]) == 1
    assert {path.read_bytes() for path in folder.left_out.iterdir()} == {b"a.jpg", b"another"}
    assert folder.take_back(names(folder, left_out=True)) == 2


def test_samples_that_move_meanwhile_hide_no_others(folder: SampleFolder) -> None:
    for number in range(300):
        (folder.good / f"stays{number}.png").write_bytes(b"x")
    over = threading.Event()

    def to_and_fro() -> None:
        while not over.is_set():
            folder.leave_out(["a.jpg", "b.png"])
            folder.take_back(["a.jpg", "b.png"])

    with ThreadPoolExecutor(1) as pool:
        pool.submit(to_and_fro)
        fewest = min(len(folder.samples()) for _ in range(150))
        over.set()
    assert fewest >= 300


@pytest.mark.parametrize(
    "name",
    [
        "../../secret.png",
        "",
        ".",
        "..",
        "/etc/passwd",
        "a.jpg\n",
        "x" * 300,
        "gone.png",
        "ü" * 200 + ".png",
        ".hidden.png",
        "a/../../left_out/a.png",
        "a\0.png",
        "../good/a.jpg",
    ],
)
def test_names_do_not_lead_out_of_the_folder(folder: SampleFolder, name: str) -> None:
    (folder.folder.parent / "secret.png").write_bytes(b"secret")
    with pytest.raises(SamplesError, match="not there"):
        folder.path(name)
    assert folder.leave_out([name]) == 0


def test_a_region_is_kept_as_a_recipe_that_calibrate_reads(folder: SampleFolder) -> None:
    region = Roi.model_validate(
        {
            "frame_wh": (320, 240),
            "include": ([(10, 10), (200.5, 10), (100, 200)],),
            "exclude": ([(20, 20), (40, 20), (40, 40)],),
        }
    )
    folder.look_at(region)
    assert recipes.load(folder.recipe_file).roi == region
    assert folder.recipe().roi == region
    folder.look_at(None)
    assert folder.recipe().roi is None


def test_a_region_leaves_what_else_the_recipe_says(folder: SampleFolder) -> None:
    folder.recipe_file.write_text("size_wh: [320, 320]\nlight: 0.3\n")
    folder.look_at(Roi(frame_wh=(320, 240)))
    assert (folder.recipe().size_wh, folder.recipe().light) == ((320, 320), 0.3)


def test_a_region_does_not_overwrite_a_recipe_that_nobody_can_read(folder: SampleFolder) -> None:
    folder.recipe_file.write_text("size_wh: [")
    with pytest.raises(RecipeError, match="not YAML"):
        folder.look_at(None)
    assert folder.recipe_file.read_text() == "size_wh: ["


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("shift: 0.05\nroi: {frame_wh: [320, 240]}\n", "shift: got 0.05 without"),
        ("crop: {x: 0, y: 0, width: 400, height: 8}\n", "crop: got 400x8 at"),
    ],
)
def test_a_region_that_the_recipe_cannot_have_is_refused(folder: SampleFolder, written: str, told: str) -> None:
    folder.recipe_file.write_text(written)
    with pytest.raises(RecipeError, match=told):
        folder.look_at(None if "shift" in written else Roi(frame_wh=(320, 240)))
    assert folder.recipe_file.read_text() == written


def test_a_picture_is_named_by_time_and_bytes_and_taken_once(tmp_path: Path) -> None:
    folder = SampleFolder(tmp_path, STATION)
    name = folder.add(b"BM a picture", NOON)
    assert name == f"20260302T120000000Z-{digest_of(b'BM a picture')}.bmp"
    assert (folder.good / name).read_bytes() == b"BM a picture"
    assert folder.add(b"BM a picture", NOON + timedelta(hours=1)) is None
    folder.leave_out([name])
    assert folder.add(b"BM a picture", NOON) is None
    assert folder.digests() == {digest_of(b"BM a picture")}
    assert (named_moment(name), named_digest(name)) == (NOON, digest_of(b"BM a picture"))


def test_a_name_that_somebody_else_gave_says_neither_time_nor_bytes() -> None:
    for name in ("part-7.png", "20260302T1200-abc.png", "99999999T999999999Z-nothex.png", ""):
        assert (named_moment(name), named_digest(name)) == (None, None)
    assert named_moment("20269902T120000000Z-0123456789ab.png") is None


def test_there_are_never_more_than_the_most(folder: SampleFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "MOST", 8)
    folder.leave_out(["a.jpg"])

    def add(number: int) -> bool:
        try:
            return folder.add(b"BM %d" % number, NOON) is not None
        except FullError:
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(add, range(40))) == 5
    assert len(folder.samples()) == 8
    with pytest.raises(FullError, match="8 is the most"):
        folder.refuse_full()
