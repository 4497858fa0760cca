"""The archive of pictures, in a real folder."""

import hashlib
import threading
from pathlib import Path

import pytest
from services import files_no_larger_than, no_threads_left

from inspector.errors import StoreError
from inspector.store import Archive
from inspector.store.archive import SHARDS

DIGEST = "ab" + "0" * 62


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path / "frames")


def test_what_is_kept_can_be_read_until_it_is_removed(archive: Archive) -> None:
    archive.keep(DIGEST, b"picture", "png")
    assert archive.read(DIGEST, "png") == b"picture"
    assert archive.path(DIGEST, "png").parent.name == "ab"
    assert archive.remove(DIGEST, "png") == 7
    assert archive.remove(DIGEST, "png") == 0
    with pytest.raises(StoreError, match="No such file"):
        archive.read(DIGEST, "png")


def test_what_it_holds_is_told_without_reading(archive: Archive) -> None:
    digest = "ab" * 32
    assert not archive.holds(digest, "png")
    archive.keep(digest, b"picture", "png")
    assert archive.holds(digest, "png")
    assert not archive.holds(digest, "jpg")
    archive.remove(digest, "png")
    assert not archive.holds(digest, "png")
    with pytest.raises(StoreError, match="64 hexadecimal digits"):
        archive.holds("../../etc/passwd", "png")


def test_the_same_picture_is_written_once(archive: Archive) -> None:
    archive.keep(DIGEST, b"picture", "png")
    first = archive.path(DIGEST, "png").stat().st_ino
    archive.keep(DIGEST, b"picture", "png")
    assert archive.path(DIGEST, "png").stat().st_ino == first


def test_many_are_kept_together_and_one_that_cannot_be_holds_up_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    archive = Archive(folder, max_bytes=100 * 40)
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(50)]
    archive.keep(digests[3], b"was there", "png")
    (folder / digests[7][:2]).write_text("in the way")
    for shard in SHARDS:
        archive.measure(shard, before=0)
    before = archive.size_bytes
    archive.keep_together([(digest, digest.encode() + b"x" * 36, "png") for digest in (*digests[:20], digests[1])])
    kept = [digest for digest in digests if archive.holds(digest, "png")]
    assert kept == [digest for digest in digests[:20] if digest[:2] != digests[7][:2]]
    assert archive.read(digests[3], "png") == b"was there"
    assert archive.read(digests[0], "png") == digests[0].encode() + b"x" * 36
    assert archive.size_bytes == before + 100 * (len(kept) - 1)
    archive.keep_together([(digest, b"x" * 100, "png") for digest in digests[20:]])
    assert archive.size_bytes <= 100 * 40  # the rest finds no room
    with pytest.raises(StoreError, match="expected room below"):
        archive.keep(digests[49], b"x" * 100, "png")
    assert not list(folder.rglob("*.tmp"))


@pytest.mark.faults
def test_many_are_kept_together_also_where_no_thread_can_be_started(archive: Archive) -> None:
    digests = [hashlib.sha256(bytes([number])).hexdigest() for number in range(20)]
    with no_threads_left():
        archive.keep_together([(digest, b"picture", "png") for digest in digests])
    assert all(archive.holds(digest, "png") for digest in digests)


@pytest.mark.parametrize(
    "digest", ["../../etc/passwd", "a" * 63, "A" * 64, "a" * 64 + "\n", "..", "", "/" + "a" * 63, "a" * 63 + "\x00"]
)
def test_nothing_but_a_digest_leads_to_a_file(archive: Archive, digest: str) -> None:
    for call in (archive.path, archive.read, archive.remove):
        with pytest.raises(StoreError, match="expected 64 hexadecimal digits"):
            call(digest, "png")


@pytest.mark.parametrize("suffix", ["../x", "", "p.g", "PNG", "png\n", "waytoolong"])
def test_nothing_but_letters_is_a_suffix(archive: Archive, suffix: str) -> None:
    with pytest.raises(StoreError, match="expected one to eight letters"):
        archive.keep(DIGEST, b"x", suffix)


@pytest.mark.faults
def test_a_full_disk_leaves_no_half_picture(archive: Archive) -> None:
    with files_no_larger_than(1000), pytest.raises(StoreError, match=r"archive .*File too large"):
        archive.keep(DIGEST, b"x" * 2000, "png")
    assert list(archive.path(DIGEST, "png").parent.iterdir()) == []
    archive.keep(DIGEST, b"x" * 2000, "png")
    assert len(archive.read(DIGEST, "png")) == 2000


def test_a_picture_that_gets_its_name_meanwhile_is_no_fault(archive: Archive) -> None:
    digests = [f"ab{number:062x}" for number in range(200)]
    archive.keep(digests[0], b"x", "png")
    for digest in digests:
        archive.path(digest, "png").touch()
    done = threading.Event()

    def write_on() -> None:
        while not done.is_set():
            for digest in digests:
                path = archive.path(digest, "png")
                half = path.with_name(f"{path.name}.tmp")
                half.touch()
                half.rename(path)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for _ in range(300):
            archive.measure("ab", before=0)
            assert archive.unreadable is None
    finally:
        done.set()
        writer.join()


def test_a_folder_that_cannot_be_read_is_told_until_it_can(archive: Archive) -> None:
    archive.keep(DIGEST, b"picture", "png")
    folder = archive.path(DIGEST, "png").parent
    folder.rename(folder.with_name("away"))
    folder.symlink_to("x" * 300)
    assert archive.measure("ab", before=0) == []
    assert archive.unreadable == f"archive {folder}: File name too long"
    folder.unlink()
    folder.with_name("away").rename(folder)
    archive.measure("ab", before=0)
    assert archive.unreadable is None
    assert archive.size_bytes == 7
