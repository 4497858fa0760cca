"""Frames as COCO annotations: the regions of confirmed defects, each with its defect type as category.

A false alarm is an image without annotations. Frames that nobody has decided, or of which somebody was unsure, are
left out, and so are defects without a region, as what the line passed has none: they would read as false alarms; and
those whose picture is no longer kept, because COCO needs its size. `info` counts each. A region is known by its box and
its area, so segmentations are empty. What COCO has no word for is in further keys.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from inspector.errors import FrameError
from inspector.export.table import file_name
from inspector.header import upright_size_wh
from inspector.store.frame_row import FrameRow

UNTYPED = "defect"
"""The category of defects that nobody named."""

_IN_MEMORY = 4_000_000
_PART = 65_536

SizeOf = Callable[[FrameRow], tuple[int, int] | None]
"""Width and height of a frame, upright; None where its picture is not kept or damaged."""


def size_of(path: Callable[[str, str], Path]) -> SizeOf:
    """Reads pictures' headers alone. path: where the picture of a digest and a suffix is."""

    def size(row: FrameRow) -> tuple[int, int] | None:
        if row.image is None:
            return None
        try:
            with path(row.sha256, row.image).open("rb") as file:
                return upright_size_wh(file)
        except (OSError, FrameError):
            return None

    return size


class Annotations:
    """One JSON document, part by part: `begin`, `add` for each frame, `end`.

    defect_types: categories that are there in any case, numbered from 1 in order.
    """

    begin = '{"images":['

    def __init__(self, size: SizeOf, defect_types: Sequence[str]) -> None:
        self._size = size
        self._categories = {name: number for number, name in enumerate(dict.fromkeys((*defect_types, UNTYPED)), 1)}
        self._left_out = Counter({"not_decided": 0, "no_regions": 0, "no_picture": 0})
        self._images = self._annotations = 0
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115 (closed by exit)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._spool.close()

    def add(self, row: FrameRow) -> str:
        """The frame's part; nothing where it is left out. Its annotations are kept on disk until the end."""
        if row.disposition not in ("defect", "false_alarm"):
            self._left_out["not_decided"] += 1
            return ""
        regions = row.verdict.get("regions", ())
        if row.disposition == "defect" and not regions:
            self._left_out["no_regions"] += 1
            return ""
        size_wh = self._size(row)
        if size_wh is None:
            self._left_out["no_picture"] += 1
            return ""
        self._images += 1
        if row.disposition == "defect":
            category = self._categories.setdefault(row.defect_type or UNTYPED, len(self._categories) + 1)
            for region in regions:
                self._annotations += 1
                said = _json(_annotation(self._annotations, row, category, region))
                self._spool.write(("," if self._annotations > 1 else "") + said)
        return ("," if self._images > 1 else "") + _json(_image(row, size_wh))

    def end(self) -> Iterator[str]:
        """Everything after the frames."""
        yield '],"annotations":['
        self._spool.seek(0)
        while part := self._spool.read(_PART):
            yield part
        named = [{"id": number, "name": name, "supercategory": "defect"} for name, number in self._categories.items()]
        info = {"description": "Reviewed frames of inspector", "version": "1.0", "left_out": self._left_out}
        yield f'],"categories":{_json(named)},"licenses":[],"info":{_json(info)}}}\n'


def annotations(rows: Iterable[FrameRow], size: SizeOf, defect_types: Sequence[str]) -> Iterator[str]:
    """The document in parts."""
    with Annotations(size, defect_types) as document:
        yield document.begin
        for row in rows:
            yield document.add(row)
        yield from document.end()


def _image(row: FrameRow, size_wh: tuple[int, int]) -> dict[str, Any]:
    return {
        "id": row.id,
        "file_name": file_name(row),
        "width": size_wh[0],
        "height": size_wh[1],
        "date_captured": (row.captured_at or row.received_at).isoformat(),
        "station": row.station,
        "frame_id": row.frame_id,
        "part_id": row.part_id,
        "lot": row.lot,
        "decision": row.decision,
        "score": row.score,
        "disposition": row.disposition,
        "reviewer": row.reviewer,
        "note": row.note,
    }


def _annotation(number: int, row: FrameRow, category: int, region: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": row.id,
        "category_id": category,
        "bbox": [region["x"], region["y"], region["width"], region["height"]],
        "area": region["area"],
        "segmentation": [],
        "iscrowd": 0,
        "score": region["score"],
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
