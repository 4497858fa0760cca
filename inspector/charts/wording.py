"""Numbers and counts as reports and pages write them."""

from collections.abc import Iterable


def number(value: float | None, digits: int = 3) -> str:
    """A figure of merit with so many digits after the point; a dash where it could not be told."""
    return "–" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """A share (0..1) as a percentage; a dash where it could not be told."""
    return "–" if value is None else f"{value:.1%}"


def score(value: float) -> str:
    """A score or threshold, to three significant digits, without an exponent."""
    return f"{value:#.3g}".rstrip(".") if 1e-3 <= abs(value) < 1e6 else f"{value:.3g}"


def told_apart(*values: float) -> tuple[str, ...]:
    """Scores and thresholds beside one another: to four significant digits, or as many more as tell those apart that
    differ.
    """
    for digits in range(4, 17):
        said = tuple(f"{value:.{digits}g}" for value in values)
        if len(set(said)) == len(set(values)):
            return said
    return tuple(repr(value) for value in values)


def count(number_of: int, one: str, many: str | None = None) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number_of:,} {one if number_of == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """`42 s`, `3 min 5 s`, `2 h 10 min`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 1:
        return f"{rest} s"
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def short_station(station: str, among: Iterable[str] = ()) -> str:
    """`line1/cam1` of `plant/hall1/line1/cam1`, and as much more as tells it from the others."""
    levels = station.split("/")
    others = [other.split("/") for other in among if other != station]
    for depth in range(2, len(levels)):
        if all(other[-depth:] != levels[-depth:] for other in others):
            return "/".join(levels[-depth:])
    return station
