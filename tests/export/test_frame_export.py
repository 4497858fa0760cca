"""Exports: read back by other programs' readers, hostile words and damaged pictures included."""

import csv
import hashlib
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from line import drawn_part
from pictures import grey_png
from PIL import Image
from pycocotools.coco import COCO
from reviewing import CAM1, NOON, filled, verdict
from sqlalchemy import Engine, update

from inspector.export import annotations, bundle, table
from inspector.export.coco import size_of
from inspector.export.table import COLUMNS, safe
from inspector.store import Archive, Entry, FrameRow, QueueFilter, ReviewQueue, Reviews
from inspector.store.tables import frames

SQLITE = pytest.mark.parametrize("url", ["sqlite"], indirect=True)
ALL = QueueFilter(state="all", order="newest")
TYPES = ("scratch", "dent")

INJECTIONS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1-1",
    "-2+3",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1',
    '=HYPERLINK("http://x","y")',
    "a;=1+1",
    "a,=1+1",
    "a\t=1+1",
    "a\n=1+1",
    "a|=1+1",
    "; =1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
)


def document(*regions: tuple[int, int, int, int]) -> bytes:
    said = [{"x": x, "y": y, "width": w, "height": h, "area": w * h - 1, "score": 12.5} for x, y, w, h in regions]
    return json.dumps({"thresholds": {"ok": 5.0, "ng": 10.0, "pixel": 4.0}, "regions": said}).encode()


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "frames")


def kept(archive: Archive, number: int, **changes: object) -> Entry:
    picture = drawn_part(number)
    digest = hashlib.sha256(picture).hexdigest()
    archive.keep(digest, picture, "png")
    return verdict(number, sha256=digest, image="png", **changes)


def rows_of(database: Engine) -> list[FrameRow]:
    return list(ReviewQueue(database).walk(ALL, part=2))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def test_all_frames_of_a_filter_come_once_and_in_order(database: Engine) -> None:
    filled(database, *(verdict(n) for n in range(11)), verdict(20, "ok"))
    queue = ReviewQueue(database)
    for part in (1, 3, 11, 100):
        assert [row.frame_id for row in queue.walk(ALL, part=part)] == [f"f{n}" for n in range(10, -1, -1)]
    assert [row.frame_id for row in queue.walk(QueueFilter(order="worst", score_min=18))] == ["f10", "f9", "f8"]


def test_the_table_is_read_back_as_it_was(database: Engine) -> None:
    ids = filled(database, verdict(1, document=document((1, 2, 3, 4)), lot='a "b"\nc', seq=7), verdict(2, score=-0.5))
    Reviews(database).dispose(ids[0], to="defect", defect_type="dent", reviewer="änn", version=0, note='=1+1\n"rim"')
    text = "".join(table(rows_of(database)))
    two, one = read_csv(text)
    assert text.startswith("\ufeff")
    assert tuple(one) == COLUMNS
    assert (one["lot"], one["defect_type"], one["reviewer"], one["regions"]) == ('a "b"\nc', "dent", "änn", "1")
    assert (one["note"], two["note"]) == ('\'=1+1\n"rim"', "")
    assert (float(one["score"]), float(one["threshold_ng"]), one["seq"]) == (11.0, 10.0, "7")
    assert datetime.fromisoformat(one["received_at"]) == NOON.replace(minute=1)
    assert (two["score"], two["disposition"], two["image"]) == ("-0.5", "", "")
    assert ",-0.5," in text, "a number stays a number"
    assert '"-0.5"' not in text


@pytest.mark.parametrize("words", INJECTIONS)
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_no_spreadsheet_takes_words_for_a_formula(
    database_of_words: list[FrameRow], words: str, separator: str
) -> None:
    text = "".join(table(row for row in database_of_words if row.lot == words)).removeprefix("\ufeff")
    cells = [cell for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator) for cell in row]
    lines = [cell for row in text.splitlines() for cell in row.split(separator)]
    for cell in cells + lines:
        assert not cell.strip().strip('"').strip().startswith(("=", "+", "@", "＝", "＋", "－", "＠"))
        assert not cell.lstrip().startswith("-") or cell.strip().lstrip("-").replace(".", "").isdigit()
        assert not cell.startswith(("\t", "\r", "\n"))


@pytest.fixture(scope="module")
def database_of_words() -> list[FrameRow]:
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    return [
        FrameRow(
            number, f"r{number}", CAM1, words, "ng", "0" * 64, None, words, words, words, 1.0, 0.5, 0.1, "b", "c", None,
            moment, moment, document().decode(), None, True, False, "defect", words, words, moment, 1, None, words,
        )
        for number, words in enumerate(INJECTIONS)
    ]  # fmt: skip


@pytest.mark.parametrize("words", ["scratch", "L-2026-11", "a-b", "a=b", "5+5", "mail@plant", "", "größe", "مرحبا"])
def test_harmless_words_stay_as_they_are(words: str) -> None:
    assert safe(words) == words


def reviewed(database: Engine, archive: Archive) -> list[int]:
    ids = filled(
        database,
        kept(archive, 1, document=document((10, 20, 30, 40), (0, 0, 5, 5))),
        kept(archive, 2, document=document((1, 1, 2, 2))),
        kept(archive, 3, document=document((1, 1, 2, 2))),
        kept(archive, 4, document=document((7, 7, 7, 7))),
        verdict(5, document=document((1, 1, 2, 2))),
        kept(archive, 6, document=document((3, 3, 3, 3))),
    )
    said = Reviews(database)
    said.dispose(ids[0], to="defect", defect_type="dent", reviewer="ann", version=0, note="deep 😀")
    said.dispose(ids[1], to="false_alarm", reviewer="ann", version=0)
    said.dispose(ids[3], to="defect", defect_type="<script>", reviewer="ann", version=0)
    said.dispose(ids[4], to="defect", reviewer="ann", version=0)
    said.dispose(ids[5], to="defect", reviewer="ann", version=0)
    return ids


def test_annotations_are_read_by_the_reference_reader(database: Engine, archive: Archive, tmp_path: Path) -> None:
    ids = reviewed(database, archive)
    path = tmp_path / "annotations.json"
    path.write_text("".join(annotations(rows_of(database), size_of(archive.path), TYPES)), encoding="utf-8")
    coco = COCO(str(path))
    assert sorted(coco.getImgIds()) == sorted([ids[0], ids[1], ids[3], ids[5]])
    assert {one["name"] for one in coco.loadCats(coco.getCatIds())} == {"scratch", "dent", "defect", "<script>"}
    assert [one["id"] for one in coco.loadCats(coco.getCatIds(catNms=["scratch", "dent"]))] == [1, 2]
    (dent,) = coco.getCatIds(catNms=["dent"])
    found = coco.loadAnns(coco.getAnnIds(imgIds=[ids[0]], catIds=[dent]))
    assert [one["bbox"] for one in found] == [[10, 20, 30, 40], [0, 0, 5, 5]]
    assert [one["area"] for one in found] == [1199, 24]
    assert coco.getAnnIds(imgIds=[ids[1]]) == []
    assert coco.loadImgs([ids[0]])[0]["width"] == 96
    assert {one["note"] for one in coco.loadImgs(coco.getImgIds())} == {"deep 😀", None}
    assert json.loads(path.read_text())["info"]["left_out"] == {"not_decided": 1, "no_regions": 0, "no_picture": 1}
    numbers = [one["id"] for one in coco.dataset["annotations"]]
    assert len(set(numbers)) == len(numbers) == 4


@SQLITE
def test_a_defect_without_a_region_is_no_negative(database: Engine, archive: Archive) -> None:
    sampled = {"document": document(), "sampled": True, "queued": True}
    defect, good = filled(database, kept(archive, 1, word="ok", **sampled), kept(archive, 2, word="ok", **sampled))
    said = Reviews(database)
    said.dispose(defect, to="defect", reviewer="ann", version=0)
    said.dispose(good, to="false_alarm", reviewer="ann", version=0)
    told = json.loads("".join(annotations(rows_of(database), size_of(archive.path), TYPES)))
    assert [one["id"] for one in told["images"]] == [good]
    assert told["annotations"] == []
    assert told["info"]["left_out"] == {"not_decided": 0, "no_regions": 1, "no_picture": 0}


@SQLITE
def test_a_picture_larger_than_pillow_opens_has_a_size_too(database: Engine, archive: Archive) -> None:
    wh = 16_000, 11_500
    assert wh[0] * wh[1] > 2 * (Image.MAX_IMAGE_PIXELS or 0)
    picture = grey_png(*wh)
    digest = hashlib.sha256(picture).hexdigest()
    archive.keep(digest, picture, "png")
    (frame,) = filled(database, verdict(1, sha256=digest, image="png"))
    Reviews(database).dispose(frame, to="false_alarm", reviewer="ann", version=0)
    said = json.loads("".join(annotations(rows_of(database), size_of(archive.path), TYPES)))
    assert [(one["width"], one["height"]) for one in said["images"]] == [wh]


def test_annotations_of_nothing_are_a_document_too(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    path.write_text("".join(annotations([], size_of(Archive(tmp_path).path), TYPES)), encoding="utf-8")
    assert COCO(str(path)).getImgIds() == []


def test_a_bundle_is_sound_and_its_manifest_tells_the_truth(database: Engine, archive: Archive) -> None:
    ids = reviewed(database, archive)
    rows = rows_of(database)
    again = [*rows, next(row for row in rows if row.id == ids[0])]
    parts = bundle(again, archive.read, size_of(archive.path), TYPES, NOON)
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert len(names) == len(set(names)) == 5 + 3
        manifest = json.loads(opened.read("manifest.json"))
        assert sorted(one["name"] for one in manifest["files"]) == sorted(set(names) - {"manifest.json"})
        for one in manifest["files"]:
            data = opened.read(one["name"])
            assert (hashlib.sha256(data).hexdigest(), len(data)) == (one["sha256"], one["bytes"])
        listed = read_csv(opened.read("frames.csv").decode("utf-8"))
        drawn = json.loads(opened.read("annotations.json"))
    assert len(listed) == 7
    assert {f"images/{row['image']}" for row in listed if row["image"]} <= set(names)
    assert {f"images/{one['file_name']}" for one in drawn["images"]} <= set(names)


def test_what_is_damaged_or_gone_is_told_and_left_out(database: Engine, archive: Archive) -> None:
    filled(database, kept(archive, 1), kept(archive, 2), kept(archive, 3))
    three, two, _one = rows = rows_of(database)
    archive.path(three.sha256, "png").write_bytes(b"not what it was")
    archive.remove(two.sha256, "png")
    data = b"".join(bundle(rows, archive.read, size_of(archive.path), TYPES, NOON))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        manifest = json.loads(opened.read("manifest.json"))
        assert sum(name.startswith("images/") for name in opened.namelist()) == 1
    assert manifest["missing"] == 2
    assert [one["missing"] for one in manifest["files"] if "missing" in one] == ["damaged", "not kept"]


@SQLITE
def test_a_picture_that_had_to_make_room_is_told_once_unless_another_frame_has_it(
    database: Engine, archive: Archive
) -> None:
    pictured = [kept(archive, number) for number in (1, 2)]
    again = [replace(one, result_id=f"again{one.result_id}", frame_id=f"again{one.frame_id}") for one in pictured]
    *_, shown = filled(database, pictured[0], again[0], pictured[1], again[1])
    with database.begin() as connection:  # as retention says it
        freed = update(frames).where(frames.c.id != shown)
        connection.execute(freed.values(image=None, image_freed_at=NOON))
    rows = rows_of(database)
    for ordered in (rows, rows[::-1]):
        data = b"".join(bundle(ordered, archive.read, size_of(archive.path), TYPES, NOON))
        with zipfile.ZipFile(io.BytesIO(data)) as opened:
            manifest = json.loads(opened.read("manifest.json"))
            assert sum(name.startswith("images/") for name in opened.namelist()) == 1
        assert manifest["missing"] == 1
        (lost,) = [one for one in manifest["files"] if "missing" in one]
        assert lost == {"name": f"images/{pictured[0].sha256}", "missing": "not kept"}


def test_a_bundle_of_nothing(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    data = b"".join(bundle([], archive.read, size_of(archive.path), TYPES, NOON))
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.namelist() == ["frames.csv", "annotations.json", "manifest.json"]


def test_memory_does_not_grow_with_the_pictures(tmp_path: Path) -> None:
    """100 MB of pictures, none of which is kept, in 16 MB."""
    moment = datetime(2026, 3, 2, tzinfo=UTC)
    block = bytes(range(256)) * 4096

    def picture(number: int) -> bytes:
        return number.to_bytes(4, "big") + block

    def rows() -> Iterator[FrameRow]:
        for number in range(100):
            digest = hashlib.sha256(picture(number)).hexdigest()
            yield FrameRow(
                number, f"r{number}", CAM1, f"f{number}", "ng", digest, None, None, None, None, 1.0, 0.5, 0.1, "b", "c",
                None, moment, moment, document((1, 1, 2, 2)).decode(), "png", True, False, None, None, None, None, 0,
            )  # fmt: skip

    numbers = iter(range(100))
    tracemalloc.start()
    try:
        written = sum(
            len(part)
            for part in bundle(rows(), lambda *_: picture(next(numbers)), size_of(Archive(tmp_path).path), TYPES, NOON)
        )
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert written > 100 * len(block)
    assert most < 16_000_000
