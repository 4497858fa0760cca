"""The chart of a comparison: image AUROC over milliseconds a frame, and the front that nothing beats at both."""

import math
from collections.abc import Iterable, Sequence

from calibration.comparison.outcome import Judged
from inspector.charts import svg
from inspector.charts.markup import Markup, el
from inspector.charts.wording import number

LEAST_SPAN = 0.02
"""Of the vertical axis: smaller differences are not blown up to the chart's whole height."""


def front(judged: Sequence[Judged]) -> Markup:
    """Every candidate whose AUROC can be told, with its 90 % interval; those on the front joined by a line."""
    shown = [item for item in judged if item.image_auroc is not None]
    width, height = 760.0, 400.0
    lows = [item.interval[0] if item.interval else item.image_auroc or 0 for item in shown]
    highs = [item.interval[1] if item.interval else item.image_auroc or 0 for item in shown]
    middle, span = (max(highs) + min(lows)) / 2, max(max(highs) - min(lows), LEAST_SPAN) * 1.15
    y = svg.Scale(max(0.0, middle - span / 2), min(1.0, middle + span / 2), height - 48, 16)
    times = [item.ms_p50 for item in shown]
    across = svg.Scale(math.log10(min(times) * 0.8), math.log10(max(times) * 1.9), 64, width - 16)

    def x(milliseconds: float) -> float:
        return across(math.log10(milliseconds))

    parts = [svg.rect(across.start, y.end, across.end - across.start, y.start - y.end, "#fff", stroke=svg.FAINT)]
    for tick in log_ticks(10**across.low, 10**across.high):
        parts.append(svg.line(x(tick), y.start, x(tick), y.end))
        parts.append(svg.text(x(tick), y.start + 18, f"{tick:g}", anchor="middle"))
    for tick in svg.ticks(y.low, y.high):
        parts.append(svg.line(across.start, y(tick), across.end, y(tick)))
        parts.append(svg.text(across.start - 8, y(tick) + 4, f"{tick:.3g}", anchor="end"))
    best = sorted((item for item in shown if item.front), key=lambda item: item.ms_p50)
    course = " ".join(f"{x(item.ms_p50)},{y(item.image_auroc or 0)}" for item in best)
    parts.append(el("polyline", points=course, fill="none", stroke=svg.GOOD, stroke_width=1.5, stroke_dasharray="5 4"))
    taken: list[tuple[float, float, float]] = []
    for item in sorted(shown, key=lambda one: -(one.image_auroc or 0)):
        parts += _point(item, x(item.ms_p50), y, taken)
    parts.append(
        svg.text((across.start + across.end) / 2, height - 8, "milliseconds a frame, median", anchor="middle",
                 class_="axis")
    )  # fmt: skip
    upright = f"rotate(-90 14 {(y.start + y.end) / 2:g})"
    parts.append(svg.text(14, (y.start + y.end) / 2, "image AUROC", anchor="middle", class_="axis", transform=upright))
    return svg.drawing(width, height, "Image AUROC over milliseconds a frame", parts)


def _point(item: Judged, across: float, y: svg.Scale, taken: list[tuple[float, float, float]]) -> list[Markup]:
    """A candidate's dot, interval and name; names avoid those in `taken`: left, right, baseline."""
    colour = svg.GOOD if item.front else svg.UNCERTAIN
    down = y(item.image_auroc or 0)
    label = f"{item.candidate.name}  {number(item.image_auroc)}"
    left, right, baseline = across + 11, across + 11 + 7.2 * len(label), down + 4
    while any(left < end and right > start and abs(baseline - line) < 17 for start, end, line in taken):
        baseline += 17
    taken.append((left, right, baseline))
    parts = []
    if item.interval:
        low, high = y(item.interval[0]), y(item.interval[1])
        parts.append(svg.line(across, low, across, high, colour, stroke_width=2, opacity="0.45"))
    parts.append(el("circle", cx=across, cy=down, r=6.5, fill=colour, stroke="#fff", stroke_width=2))
    parts.append(svg.text(left, baseline, label, class_="halo strong" if item.front else "halo"))
    return parts


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from low to high, both above nought, on an axis of logarithms: 1, 2 and 5, or all where three of
    those do not fit.
    """
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def fitting(factors: Iterable[int]) -> list[float]:
        return [tick for power in powers for factor in factors if low <= (tick := factor * 10.0**power) <= high]

    few = fitting((1, 2, 5))
    return few if len(few) > 2 else fitting(range(1, 10))
