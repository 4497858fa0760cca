"""The page of a comparison: accuracy against milliseconds and megabytes, and what can be told apart at all."""

from pathlib import Path

from calibration.comparison.intervals import CONFIDENCE
from calibration.comparison.outcome import Comparison, Judged, conclusion
from calibration.report.front import front
from calibration.report.page import document, legend, notes, section, table, write
from inspector.charts import svg
from inspector.charts.markup import Child, Markup, el
from inspector.charts.wording import count, number, percent

NAME = "comparison.html"

NOT_TOLD = number(None)

SYNTHETIC = (
    "No defect was there to judge by: samples were held back and scored, as they are and with a defect drawn on them, "
    "against a bank of the others. This tells candidates apart, not how many real defects a line will catch."
)


def write_comparison(comparison: Comparison, good_dir: Path, test_dir: Path | None, folder: Path) -> Path:
    """Write the page into a folder; returns its path.

    Raises:
        UsageError: the folder cannot be written.
    """
    where = f"{good_dir} and {test_dir}" if test_dir else str(good_dir)
    page = document(
        f"Comparison of {count(len(comparison.judged), 'candidate')} on {where}",
        conclusion(comparison),
        el("p", SYNTHETIC if comparison.synthetic else _judged_by(comparison), class_="lead"),
        _chart(comparison),
        _table(comparison),
        _failed(comparison),
        notes(comparison.notes),
    )
    return write(folder, NAME, page)


def _judged_by(comparison: Comparison) -> str:
    return (
        f"Judged by {count(comparison.n_good, 'good frame')} and {count(comparison.n_defect, 'defective frame')}, at "
        "the thresholds that each calibration set from the good samples alone. The same frames judge all: a defect "
        "where a candidate does not look counts for it too, as on the line it would pass."
    )


def _chart(comparison: Comparison) -> Markup:
    if all(item.image_auroc is None for item in comparison.judged):
        return Markup("")
    said = (
        "The higher the better separated, the further left the faster. On the dashed line lies what no other candidate "
        f"beats at both. Bars are where the true image AUROC lies with {CONFIDENCE:.0%} confidence."
    )
    return section(
        "Accuracy against time",
        said,
        legend((svg.GOOD, "on the front"), (svg.UNCERTAIN, "another is as good and faster, or as fast and better")),
        el("div", el("figure", front(comparison.judged), class_="wide"), class_="charts"),
    )


def _table(comparison: Comparison) -> Markup:
    head = ["", "image AUROC", "pixel AUROC", "AUPRO", "false rejects", "escapes", "uncertain", "ms a frame", "bank MB",
            "calibration s"]  # fmt: skip
    rows = [_row(item, comparison) for item in comparison.judged]
    told = [column for column in range(len(head)) if any(row[column] != NOT_TOLD for row in rows)]
    said = (
        f"Below image AUROC its {CONFIDENCE:.0%} interval, below milliseconds what 95% of frames take at most. Rates "
        "are those at the bank's own thresholds, pixel figures those of what each looks at. Milliseconds are medians "
        "from encoded frame to decision, measured in turns on this machine; calibration seconds are not, so take them "
        "as a hint."
    )
    shown = table([head[column] for column in told], [[row[column] for column in told] for row in rows],
                  figures=tuple(range(1, len(told))))  # fmt: skip
    return section("Figures", said, shown)


def _row(item: Judged, comparison: Comparison) -> list[Child]:
    alike = item.behind is not None and not item.told_apart and item is not comparison.judged[0]
    interval = "" if item.interval is None else f"{item.interval[0]:.3f} to {item.interval[1]:.3f}"
    return [
        _two_lines(el("b", item.candidate.name), "not told from the best" if alike else ""),
        _two_lines(number(item.image_auroc), interval),
        number(item.pixel_auroc),
        number(item.aupro),
        percent(item.false_reject_rate),
        percent(item.escape_rate),
        percent(item.uncertain_rate),
        _two_lines(number(item.ms_p50, 1), number(item.ms_p95, 1)),
        f"{item.bank['bytes'] / 1e6:.1f}",
        f"{item.seconds:.0f}",
    ]


def _two_lines(first: str, second: str) -> Child:
    return [first, el("br"), el("small", second)] if second else first


def _failed(comparison: Comparison) -> Markup:
    if not comparison.failed:
        return Markup("")
    items = [el("li", el("b", candidate.name), f": {error}") for candidate, error in comparison.failed]
    return section("Not compared", "These could not be calibrated or judged.", el("ul", items, class_="notes"))
