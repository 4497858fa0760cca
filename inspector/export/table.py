"""Frames as CSV that a spreadsheet opens without running anything in it.

A cell that begins like a formula gets an apostrophe in front, as does what follows a separator or a quotation mark
inside of a cell, for spreadsheets that split at something else than the comma. All text is quoted, no number is: a
reader can tell them apart. The file begins with a byte order mark, without which Excel takes UTF-8 for the local code
page.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from datetime import datetime

from inspector.store.frame_row import FrameRow

COLUMNS = (
    "id", "station", "frame_id", "part_id", "lot", "recipe", "seq", "captured_at", "received_at", "decided_at",
    "decision", "score", "threshold_ok", "threshold_ng", "p_value", "regions", "bank_id", "bank_digest", "sampled",
    "disposition", "defect_type", "reviewer", "reviewed_at", "note", "image",
)  # fmt: skip

_FORMULA = re.compile(r"""(^|[;,|"\t\r\n])(\s*)(?=[=+\-@＝＋－＠])""")
_CONTROL_FIRST = re.compile(r"^[\t\r\n]")


def table(rows: Iterable[FrameRow]) -> Iterator[str]:
    """The lines of the file, the first with the names of the columns; each ends with CR LF, as RFC 4180 says."""
    yield "\ufeff" + csv_line(COLUMNS)
    for row in rows:
        yield line(row)


def line(row: FrameRow) -> str:
    """One frame."""
    ok, ng = row.thresholds
    return csv_line(
        (
            row.id, safe(row.station), safe(row.frame_id), safe(row.part_id), safe(row.lot), safe(row.recipe),
            row.seq, csv_time(row.captured_at), csv_time(row.received_at), csv_time(row.decided_at), row.decision,
            row.score, ok, ng, row.p_value, len(row.verdict.get("regions", ())), safe(row.bank_id),
            row.bank_digest, int(row.sampled), row.disposition, safe(row.defect_type), safe(row.reviewer),
            csv_time(row.reviewed_at), safe(row.note), file_name(row),
        )
    )  # fmt: skip


def safe(text: str | None) -> str | None:
    """Text that no spreadsheet takes for a formula."""
    if text is None:
        return None
    marked = _FORMULA.sub(r"\1\2'", text)
    return f"'{marked}" if _CONTROL_FIRST.match(marked) else marked


def file_name(row: FrameRow) -> str | None:
    """The picture's name in a bundle; None where it is not kept."""
    return None if row.image is None else f"{row.sha256}.{row.image}"


def csv_line(cells: Iterable[object]) -> str:
    """One line of a file; None is an empty cell."""
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n").writerow(
        ["" if cell is None else cell for cell in cells]
    )
    return written.getvalue()


def csv_time(moment: datetime | None) -> str | None:
    """As the files say a time."""
    return None if moment is None else moment.isoformat(timespec="milliseconds")
