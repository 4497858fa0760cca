"""Rates and times as people read them: a few significant digits, the unit that suits."""

from inspector.review.figures import FalseRejects
from inspector.review.intervals import Rate


def share(value: float | None) -> str:
    """A rate as a percentage with two significant digits; a dash where it could not be told."""
    if value is None:
        return "–"
    percent = 100 * value
    return f"{percent:.0f} %" if percent >= 10 or percent == 0 else f"{percent:.2g} %"


def grouped(number: int) -> str:
    """A whole number in groups of three digits, a narrow space between them: to many a comma is a decimal point."""
    return f"{number:,}".replace(",", "\u202f")


def pace(per_minute: float) -> str:
    """A rate of frames: three significant digits, and no fewer than the whole ones."""
    return grouped(round(per_minute)) if per_minute >= 100 else f"{per_minute:.3g}"


def between(rate: Rate) -> str:
    """Its interval."""
    return f"{share(rate.low).removesuffix(' %')} to {share(rate.high)}"


def so_far(rejects: FalseRejects) -> str:
    """False rejects at a glance: the rate, while flagged frames wait the interval, and a dash where none is decided."""
    return between(rejects.rate) if rejects.open and rejects.value is not None else share(rejects.value)


def duration(seconds: float | None) -> str:
    """As a person says it; a dash where there is none."""
    return "–" if seconds is None else " ".join(measured(seconds))


def measured(seconds: float) -> tuple[str, str]:
    """A time as a number and its unit: s, min, h or days."""
    for limit, unit, size in ((90, "s", 1), (5400, "min", 60), (48 * 3600, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.0f}" if size < 3600 else f"{seconds / size:.1f}", unit
    return f"{seconds / 86400:.1f}", "days"
