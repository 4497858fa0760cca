"""Exports over HTTP and from the command line: the same frames, the same files."""

import asyncio
import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from line import CAM1, CAM2
from pages import HOSTILE
from review_site import ReviewSite
from reviewing import filled, verdict
from services import fill_up, small_disk
from sqlalchemy import Engine, text

from inspector.cli import main
from inspector.export import table
from inspector.store import QueueFilter, ReviewQueue, Role
from inspector.web.download import CSV, PIECE, download


@pytest.fixture(scope="module")
def client(site: ReviewSite) -> Iterator[httpx.Client]:
    for number, words in enumerate(HOSTILE):
        frame = site.add(lot=words, part_id=words)
        if number % 2 == 0:
            site.reviews.dispose(frame, to="defect", defect_type=words[:64], reviewer="olga", version=0)
    site.add(station=CAM2)
    with site.client() as opened:
        yield opened


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline="")))


def exported(site: ReviewSite, *arguments: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as left:
        main(["export", "-c", str(site.folder / "inspector.yaml"), *map(str, arguments)])
    assert left.value.code == code


def test_csv_has_the_frames_of_the_filter(client: httpx.Client) -> None:
    answer = client.get("/api/v1/export/csv", params={"state": "all"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert len(rows(answer.text)) == len(HOSTILE) + 1
    assert len(rows(client.get("/api/v1/export/csv", params={"state": "done"}).text)) == 3
    assert [row["station"] for row in rows(client.get("/api/v1/export/csv", params={"station": str(CAM2)}).text)] == [
        str(CAM2)
    ]


def test_coco_has_the_regions(client: httpx.Client) -> None:
    said = client.get("/api/v1/export/coco", params={"state": "all"}).json()
    assert len(said["images"]) == 3
    assert {one["image_id"] for one in said["annotations"]} == {one["id"] for one in said["images"]}
    assert {"scratch", *HOSTILE[::2]} <= {one["name"] for one in said["categories"]}


def test_zip_has_the_pictures(client: httpx.Client) -> None:
    answer = client.get("/api/v1/export/zip", params={"state": "all"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as opened:
        assert opened.testzip() is None
        assert sum(name.startswith("images/") for name in opened.namelist()) == len(HOSTILE) + 1
        assert json.loads(opened.read("manifest.json"))["missing"] == 0


def test_the_command_says_how_many_it_found(
    client: httpx.Client, site: ReviewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(site, "--format", "csv", "--state", "all", "-o", tmp_path / "all.csv")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"{tmp_path / 'all.csv'}: {len(HOSTILE) + 1} frames\n")
    exported(site, "--format", "csv", "--part", "none such", "-o", tmp_path / "none.csv")
    assert f"no frame matches; stations that the ledger has frames of: {CAM1}, {CAM2}" in capsys.readouterr().err


def test_a_machine_exports_with_a_token(client: httpx.Client, site: ReviewSite) -> None:
    token = site.tokens.create("mes", "olga", Role.OPERATOR, by="ada")
    with httpx.Client(base_url=site.url, headers={"authorization": f"Bearer {token}"}) as machine:
        assert machine.get("/api/v1/export/csv").status_code == 200


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_lines_are_sent_together_as_they_are(database: Engine) -> None:
    """Each piece that is sent costs more than a line does."""
    filled(database, *(verdict(number) for number in range(1000)))
    lines = list(table(ReviewQueue(database).walk(QueueFilter())))
    assert len(lines) == 1001

    async def sent() -> list[bytes | str | memoryview]:
        return [piece async for piece in download(iter(lines), "frames.csv", CSV).body_iterator]

    with ThreadPoolExecutor(1) as beside:  # as a browser's tests before this one keep a loop in this thread
        told = beside.submit(asyncio.run, sent()).result()
    pieces = [piece.encode() if isinstance(piece, str) else bytes(piece) for piece in told]
    whole = "".join(lines).encode()
    assert b"".join(pieces) == whole
    assert len(whole) > 2 * PIECE
    assert len(pieces) <= len(whole) / PIECE + 1


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/v1/export/exe", 422), ("/api/v1/export/csv?since=x", 400), ("/api/v1/export/zip?shift=x", 400)],
)
def test_what_cannot_be_asked_is_told(client: httpx.Client, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_nobody_exports_without_a_login(site: ReviewSite) -> None:
    with site.client(None) as stranger:
        assert stranger.get("/api/v1/export/csv").status_code == 401


def test_a_database_that_does_not_answer_is_told_before_a_file_begins(client: httpx.Client, site: ReviewSite) -> None:
    with site.engine.begin() as connection:
        connection.execute(text("ALTER TABLE frames RENAME TO elsewhere"))
    try:
        answer = client.get("/api/v1/export/csv")
    finally:
        with site.engine.begin() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO frames"))
    assert answer.status_code == 503


def test_the_command_line_writes_the_same(client: httpx.Client, site: ReviewSite, tmp_path: Path) -> None:
    exported(site, "--format", "csv", "-o", tmp_path / "frames.csv", "--state", "all")
    over_http = client.get("/api/v1/export/csv", params={"state": "all", "order": "newest"}).text
    assert (tmp_path / "frames.csv").read_bytes().decode() == over_http
    exported(site, "--format", "zip", "-o", tmp_path / "frames.zip", "--station", CAM1)
    with zipfile.ZipFile(tmp_path / "frames.zip") as opened:
        assert opened.testzip() is None
        assert len(rows(opened.read("frames.csv").decode())) == 3
    exported(site, "--format", "coco", "-o", tmp_path / "annotations.json", "--disposition", "defect")
    assert len(json.loads((tmp_path / "annotations.json").read_text())["images"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations.json", "frames.csv", "frames.zip"]


def test_to_the_standard_output(
    site: ReviewSite, client: httpx.Client, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    exported(site, "--format", "csv", "-o", "-", "--state", "open", "--lot", HOSTILE[1])
    assert len(rows(capfdbinary.readouterr().out.decode())) == 1


def test_a_pipe_gets_the_bytes_and_stays(client: httpx.Client, site: ReviewSite, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        exported(site, "--format", "csv", "-o", pipe, "--state", "open", "--lot", HOSTILE[1])
        assert len(rows(os.read(reader, 100_000).decode())) == 1
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_the_file_that_it_names_is_written(
    client: httpx.Client, site: ReviewSite, tmp_path: Path, there: bool
) -> None:
    (tmp_path / "share").mkdir()
    file, link = tmp_path / "share" / "frames.csv", tmp_path / "link.csv"
    if there:
        file.write_text("those of yesterday")
    link.symlink_to(file)
    exported(site, "--format", "csv", "-o", link, "--state", "open", "--lot", HOSTILE[1])
    assert link.readlink() == file
    assert len(rows(file.read_text())) == 1
    assert [path.name for path in (tmp_path / "share").iterdir()] == ["frames.csv"]


@pytest.mark.parametrize(
    "arguments", [("--since", "never"), ("--shift", "lunch"), ("--lot", "x" * 300), ("--format", "exe")]
)
def test_bad_usage_is_one_line_and_leaves_nothing(
    site: ReviewSite, tmp_path: Path, arguments: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    exported(site, "--format", "csv", "-o", tmp_path / "frames.csv", *arguments, code=2)
    said = capsys.readouterr().err
    assert arguments[0].lstrip("-") in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("wrong", ["x", "plant/hall1/line1/cam9"])
def test_a_station_that_nobody_knows_is_told_and_overwrites_nothing(
    client: httpx.Client, site: ReviewSite, tmp_path: Path, wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "frames.csv").write_text("those of yesterday")
    exported(site, "--format", "csv", "-o", tmp_path / "frames.csv", "--station", wrong, code=2)
    assert capsys.readouterr().err == f"error: --station: got {wrong}, expected one of {CAM1}, {CAM2}\n"
    assert (tmp_path / "frames.csv").read_text() == "those of yesterday"


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("no/frames.csv", "cannot be written (No such file or directory), expected a file"),
        ("/dev/null/frames.csv", "cannot be written (Not a directory), expected a file"),
        (".", "is a folder, expected a"),
    ],
)
def test_a_place_that_cannot_be_written_is_told(
    site: ReviewSite, tmp_path: Path, where: str, why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    exported(site, "--format", "csv", "-o", tmp_path / where, code=1)
    said = capsys.readouterr().err
    assert said.startswith(f"error: export to {tmp_path / where}: {why}")
    assert said.count("\n") == 1


def test_a_disk_that_is_full_is_told_with_the_file(
    site: ReviewSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with small_disk(tmp_path / "disk", size=8192):
        fill_up(tmp_path / "disk")
        exported(site, "--format", "csv", "-o", tmp_path / "disk" / "frames.csv", code=1)
        assert [path.name for path in (tmp_path / "disk").iterdir()] == ["filling"]
    said = capsys.readouterr().err
    assert said.startswith(f"error: export to {tmp_path}/disk/frames.csv: cannot be written (No space left on device)")
