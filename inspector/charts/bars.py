"""Charts of counts and rates: columns over time, bars by kind, rates with their intervals.

Each is drawn to be read in grey as well: series differ in lightness, and what a bar says is told when it is pointed at.
Long names are cut in the drawing; the table beside it has them whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inspector.charts import svg
from inspector.charts.markup import Markup, el

_LABEL = 22
"""Characters of a name that are drawn."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour of stacked columns: name, fill, and a value for each column."""

    name: str
    fill: str
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Interval:
    """A rate with its interval, 0..1; value None where it could not be told."""

    name: str
    value: float | None
    low: float
    high: float
    text: str


def columns(title: str, desc: str, names: Sequence[str], series: Sequence[Series], groups: Sequence[str]) -> Markup:
    """Stacked columns. names: what each column is called when pointed at. groups: what is written below each; equal
    neighbours share it.
    """
    width, height = 640.0, 260.0
    totals = [sum(one.values[n] for one in series) for n in range(len(names))]
    top = max(totals, default=0) or 1
    x = svg.Scale(0, max(1, len(names)), 64, width - 8)
    y = svg.Scale(0, top * 1.06, height - 46, 34)
    parts = _legend(series) + _left_axis(x, y, top)
    gap = min(4.0, 0.15 * (x(1) - x(0)))
    for n, name in enumerate(names):
        left, right, floor = x(n) + gap / 2, x(n + 1) - gap / 2, 0.0
        said = f"{name}: " + ", ".join(f"{one.values[n]:,} {one.name}" for one in series)
        drawn = []
        for one in series:
            up, down = y(floor + one.values[n]), y(floor)
            drawn.append(svg.rect(left, up, right - left, down - up, one.fill))
            floor += one.values[n]
        parts.append(el("g", el("title", said), _target(left, y.end, right - left, y.start - y.end), drawn))
    parts += _groups(groups, x, y.start)
    return _drawing(width, height, title, desc, parts)


def pareto(title: str, desc: str, bars: Sequence[tuple[str, int, float, float]]) -> Markup:
    """Bars by kind with the running sum as a line. bars: name, count, share and running share of all (0..1)."""
    width, row, head = 640.0, 32.0, 14.0
    height = head + row * len(bars) + 40
    x = svg.Scale(0, 1, 176, width - 76)
    bottom = height - 40
    parts: list[Markup] = []
    for tick in svg.ticks(0, 1):
        parts.append(svg.line(x(tick), head, x(tick), bottom))
        parts.append(svg.text(x(tick), bottom + 17, f"{tick:.0%}", anchor="middle", fill=svg.INK_SOFT))
    course = []
    for n, (name, count, share, running) in enumerate(bars):
        up = head + n * row
        said = f"{name}: {count:,}, {share:.1%} of all, {running:.1%} with those above"
        label = svg.text(x.start - 10, up + row / 2 + 5, cut(name), anchor="end")
        bar = svg.rect(x.start, up + 5, x(share) - x.start, row - 10, svg.DEFECT)
        number = svg.text(width - 4, up + row / 2 + 5, f"{count:,}", anchor="end", class_="strong")
        parts.append(el("g", el("title", said), _target(0, up, width, row), label, bar, number))
        course.append((x(running), up + row / 2))
    line = " ".join(f"{across},{down:g}" for across, down in course)
    parts.append(el("polyline", points=line, fill="none", stroke=svg.INK, stroke_width=1.5))
    parts += [el("circle", cx=across, cy=down, r=4, fill="#fff", stroke=svg.INK, stroke_width=2)
              for across, down in course]  # fmt: skip
    caption = "share of all defects; the line adds them up"
    parts.append(svg.text((x.start + x.end) / 2, height - 6, caption, anchor="middle", fill=svg.INK_SOFT))
    return _drawing(width, height, title, desc, parts)


def intervals(title: str, desc: str, rows: Sequence[Interval]) -> Markup:
    """A line for each interval and a point for its rate where that could be told, on one axis from nought."""
    width, row, head = 640.0, 34.0, 12.0
    height = head + row * len(rows) + 26
    values = [one.value for one in rows if one.value is not None]
    reach = max((one.high for one in rows if one.value is not None or not values), default=0.0)
    most = max(values, default=0.0)
    high = min(1.0, max(min(reach, 6 * most or reach) * 1.05, 1e-4))
    x, bottom = svg.Scale(0, high, 176, width - 190), height - 26
    parts: list[Markup] = []
    for tick in svg.ticks(0, high, 4):
        parts.append(svg.line(x(tick), head, x(tick), bottom))
        parts.append(svg.text(x(tick), bottom + 17, f"{tick * 100:g} %", anchor="middle", fill=svg.INK_SOFT))
    for n, one in enumerate(rows):
        middle = head + (n + 0.5) * row
        low_end, high_end = x(one.low), x(one.high)
        drawn = [
            _target(0, middle - row / 2, width, row),
            svg.text(x.start - 10, middle + 5, cut(one.name), anchor="end"),
            svg.text(width - 180, middle + 5, one.text),
            svg.line(low_end, middle, high_end, middle, svg.GOOD, stroke_width=3),
            _end(low_end, middle),
            _end(high_end, middle, beyond=one.high > high),
        ]
        if one.value is not None:
            drawn.append(el("circle", cx=x(one.value), cy=middle, r=6, fill=svg.GOOD, stroke="#fff", stroke_width=2))
        parts.append(el("g", el("title", f"{one.name}: {one.text}"), drawn))
    return _drawing(width, height, title, desc, parts)


def cut(name: str) -> str:
    """A name short enough for a drawing."""
    return name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…"


def _end(x: float, middle: float, *, beyond: bool = False) -> Markup:
    """An end of an interval; an arrow where it lies beyond the axis."""
    if beyond:
        points = f"{x},{middle - 6} {x + 9},{middle} {x},{middle + 6}"
        return el("polygon", points=points, fill=svg.GOOD)
    return svg.line(x, middle - 6, x, middle + 6, svg.GOOD, stroke_width=2)


def _drawing(width: float, height: float, title: str, desc: str, parts: Sequence[Markup]) -> Markup:
    return svg.drawing(width, height, title, el("desc", desc), parts, class_="chart")


def _target(x: float, y: float, width: float, height: float) -> Markup:
    """Something to point at where a bar is thin."""
    return svg.rect(x, y, width, height, "#fff", fill_opacity=0)


def _legend(series: Sequence[Series]) -> list[Markup]:
    parts, left = [], 64.0
    for one in series:
        parts.append(svg.rect(left, 8, 14, 14, one.fill))
        parts.append(svg.text(left + 20, 20, one.name))
        left += 44 + 7.4 * len(one.name)
    return parts


def _left_axis(x: svg.Scale, y: svg.Scale, top: int) -> list[Markup]:
    parts = []
    for tick in svg.ticks(0, top, 4):
        if tick == int(tick):
            parts.append(svg.line(x.start, y(tick), x.end, y(tick), svg.INK if tick == 0 else svg.FAINT))
            parts.append(svg.text(x.start - 8, y(tick) + 4, f"{tick:,.0f}", anchor="end", fill=svg.INK_SOFT))
    return parts


def _groups(groups: Sequence[str], x: svg.Scale, floor: float) -> list[Markup]:
    """Each name once, in the middle of its columns, as far as there is room."""
    parts, begin, free = [], 0, -1.0
    for n in range(1, len(groups) + 1):
        if n < len(groups) and groups[n] == groups[begin]:
            continue
        if begin:
            parts.append(svg.line(x(begin), floor, x(begin), floor + 8, svg.INK_SOFT))
        middle, half = (x(begin) + x(n)) / 2, 3.8 * len(groups[begin])
        if middle - half > free:
            anchor = "end" if middle + half > x.end + 8 else "middle"
            place = x.end + 8 if anchor == "end" else middle
            parts.append(svg.text(place, floor + 22, groups[begin], anchor=anchor, fill=svg.INK_SOFT))
            free = middle + half + 6
        begin = n
    return parts
