"""A ZIP with the pictures, the table, the annotations, and a manifest with the sha256 of each file.

    images/<sha256>.<suffix>    each picture once, however many frames show it; its bytes as the camera sent them
    frames.csv                  one line a frame
    annotations.json            COCO; its file names are those below images/
    manifest.json               name, bytes and sha256 of each file above, and what is missing and why; a picture that
                                had to make room is named without its suffix, which nobody knows any more

It is written from the front to the back, while the frames are read. What stays in memory is the ZIP's own directory,
less than a kilobyte a picture.
"""

import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import IO, Any

from inspector.errors import StoreError
from inspector.export.coco import Annotations, SizeOf
from inspector.export.table import file_name, line, table
from inspector.store.frame_row import FrameRow

Read = Callable[[str, str], bytes]
"""The picture of a digest and a suffix; StoreError where it cannot be read."""

_IN_MEMORY = 4_000_000
_PART = 262_144
_MODE = 0o644 << 16
_EARLIEST = (1980, 1, 1, 0, 0, 0)
"""What a ZIP can say of a time."""


def bundle(
    rows: Iterable[FrameRow], read: Read, size: SizeOf, defect_types: Sequence[str], at: datetime
) -> Iterator[bytes]:
    """The bytes of the ZIP in parts. at: when it was asked for."""
    sink = _Sink()
    with (
        zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive,
        _spool() as listed,
        _spool() as drawn,
        Annotations(size, defect_types) as document,
    ):
        pack = _Pack(archive, at)
        listed.writelines(table(()))
        drawn.write(document.begin)
        for row in rows:
            listed.write(line(row))
            drawn.write(document.add(row))
            pack.picture(row, read)
            yield sink.take()
        drawn.writelines(document.end())
        for name, spool in (("frames.csv", listed), ("annotations.json", drawn)):
            for _ in pack.text(name, spool):
                yield sink.take()
        for _ in pack.manifest():
            yield sink.take()
    yield sink.take()


class _Pack:
    """Puts files into the ZIP and remembers, on disk, what the manifest will say of them."""

    def __init__(self, archive: zipfile.ZipFile, at: datetime) -> None:
        self._archive = archive
        self._at = at
        self._said = _spool()
        self._seen: set[bytes] = set()
        self._freed: set[bytes] = set()
        self._missing = 0

    def picture(self, row: FrameRow, read: Read) -> None:
        """The frame's picture, as it is: it is compressed already. What is damaged is left out, and told."""
        name, key = file_name(row), bytes.fromhex(row.sha256)
        if row.image_freed_at is not None:
            self._freed.add(key)
        if name is None or row.image is None or key in self._seen:
            return
        self._seen.add(key)
        try:
            data = read(row.sha256, row.image)
        except StoreError:
            self._lack(name, "not kept")
            return
        if hashlib.sha256(data).hexdigest() != row.sha256:
            self._lack(name, "damaged")
            return
        self._archive.writestr(self._entry(f"images/{name}", row.received_at), data, zipfile.ZIP_STORED)
        self._say({"name": f"images/{name}", "bytes": len(data), "sha256": row.sha256})

    def text(self, name: str, spool: IO[str]) -> Iterator[None]:
        """A file that was spooled, part by part."""
        digest, size = hashlib.sha256(), 0
        spool.seek(0)
        with self._archive.open(self._entry(name, self._at), "w", force_zip64=True) as entry:
            while part := spool.read(_PART):
                data = part.encode()
                digest.update(data)
                size += len(data)
                entry.write(data)
                yield
        self._say({"name": name, "bytes": size, "sha256": digest.hexdigest()})

    def manifest(self) -> Iterator[None]:
        """The last file. A picture that had to make room may be there all the same, by another frame that shows it."""
        for key in sorted(self._freed - self._seen):
            self._lack(key.hex(), "not kept")
        with self._said as said:
            said.seek(0)
            with self._archive.open(self._entry("manifest.json", self._at), "w", force_zip64=True) as entry:
                begin = {"schema": 1, "created_at": self._at.astimezone(UTC).isoformat(), "missing": self._missing}
                entry.write(json.dumps(begin)[:-1].encode() + b', "files": [\n')
                while part := said.read(_PART):
                    entry.write(part.encode())
                    yield
                entry.write(b"]}\n")

    def _lack(self, name: str, why: str) -> None:
        self._missing += 1
        self._say({"name": f"images/{name}", "missing": why})

    def _say(self, what: dict[str, object]) -> None:
        self._said.write((",\n" if self._said.tell() else "") + json.dumps(what))

    def _entry(self, name: str, moment: datetime) -> zipfile.ZipInfo:
        entry = zipfile.ZipInfo(name, max(_EARLIEST, moment.astimezone(UTC).timetuple()[:6]))
        entry.compress_type = zipfile.ZIP_DEFLATED
        entry.external_attr = _MODE
        return entry


class _Sink(io.RawIOBase):
    """What a ZipFile writes to that has no end to seek to."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Kept until it is taken."""
        part = bytes(data)
        self._parts.append(part)
        return len(part)

    def take(self) -> bytes:
        """What was written since."""
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


def _spool() -> IO[str]:
    return tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="")
