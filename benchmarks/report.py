"""What benchmarks print and write: Markdown tables, JSON, and on which machine it was measured."""

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from os import cpu_count, getloadavg
from pathlib import Path
from typing import Any

import numpy as np

_PACKAGES = ("openvino", "faiss-cpu", "opencv-python-headless", "numpy")


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; None is an empty cell, numbers stand as they are given."""
    lines = [head, ["---"] * len(head), *([("" if cell is None else str(cell)) for cell in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None, digits: int = 1) -> str | None:
    """A number with so many digits after the point."""
    return None if value is None else f"{value:.{digits}f}"


def mean(values: Iterable[float | None]) -> float | None:
    """Of those that there are; None where there is none."""
    told = [value for value in values if value is not None]
    return float(np.mean(told)) if told else None


def ratio(theirs: float | None, ours: float | None) -> str | None:
    """How many times theirs is ours."""
    return None if theirs is None or ours is None or ours <= 0 else f"{theirs / ours:.1f} x"


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, 95 % quantile and least."""
    return {
        "p50": float(np.median(values)),
        "p95": float(np.quantile(values, 0.95)),
        "min": float(np.min(values)),
        "n": len(values),
    }


def machine() -> dict[str, Any]:
    """Processor, cores, versions, and how busy it was when this was asked."""
    return {
        "processor": _processor(),
        "cores": cpu_count(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "load": round(getloadavg()[0], 2),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def continued(path: Path | None, document: dict[str, Any], *same: str) -> dict[str, Any]:
    """What an earlier run left in the file, or the document where there is none. same: keys whose values must be equal,
    or figures of two kinds would stand in one table.
    """
    if path is None or not path.exists():
        return document
    earlier: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    for key in same:
        if earlier.get(key) != document[key]:
            raise SystemExit(f"{path}: holds figures of {key} {earlier.get(key)}, asked: {document[key]}")
    return earlier


def write(document: dict[str, Any], path: Path | None) -> None:
    """As JSON, where a path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
