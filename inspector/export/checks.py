"""Check parts as CSV, by the same rules as the frames of `table`."""

from collections.abc import Iterable, Iterator

from inspector.export.table import csv_line, csv_time, safe
from inspector.review.checks import Check

COLUMNS = (
    "received_at", "station", "frame_id", "part_id", "lot", "expected", "decision", "reason", "score", "threshold_ng",
    "bank_id", "bank_digest", "result",
)  # fmt: skip


def check_table(checks: Iterable[Check]) -> Iterator[str]:
    """The lines of the file, the first with the names of the columns."""
    yield "\ufeff" + csv_line(COLUMNS)
    for one in checks:
        yield csv_line(
            (
                csv_time(one.at), safe(one.station), safe(one.frame_id), safe(one.part_id), safe(one.lot),
                one.expected.value, one.decision.value, one.reason, one.score, one.ng, safe(one.bank_id),
                one.bank_digest, "passed" if one.passed else "failed",
            )
        )  # fmt: skip
