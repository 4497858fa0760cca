"""Image scores by what is known of the frames, one row a kind, with two thresholds that can be dragged.

A script moves the elements whose ids are named here; without it the drawing stands as it is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from inspector.charts import svg
from inspector.charts.markup import Markup, el
from inspector.charts.wording import score

WIDTH = 800.0
_LEFT, _TOP, _ROW, _TAB = 150.0, 62.0, 80.0, 90.0
_RIGHT = WIDTH - _TAB - 2
"""Where the scores end: the tab of ng has room beside it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of frames: name, fill, and how many there are in each bin."""

    name: str
    fill: str
    counts: Sequence[int]


@dataclass(frozen=True, slots=True)
class Mark:
    """A pair of thresholds."""

    ok: float
    ng: float


def draw(rows: Sequence[Row], low: float, high: float, chosen: Mark, in_use: Mark) -> Markup:
    """Rows over the scores from low to high in equal bins. Heights are logarithmic, so that a single frame is seen."""
    height = _TOP + _ROW * len(rows) + 44
    x = svg.Scale(low, high, _LEFT, _RIGHT)
    floor = _TOP + _ROW * len(rows)
    tallest = math.log10(1 + max((number for row in rows for number in row.counts), default=0)) or 1.0
    parts = _areas(x, floor, chosen)
    for n, row in enumerate(rows):
        parts += _row(row, x, _TOP + (n + 1) * _ROW, (_ROW - 16) / tallest)
    for tick in svg.ticks(low, high, 9):
        parts.append(svg.line(x(tick), floor, x(tick), floor + 6, svg.INK_SOFT))
        parts.append(svg.text(x(tick), floor + 22, f"{tick:g}", anchor="middle", fill=svg.INK_SOFT))
    more = any(row.counts and row.counts[-1] for row in rows)
    parts.append(svg.text((_LEFT + _RIGHT) / 2, height - 6, "image score", anchor="middle", fill=svg.INK_SOFT))
    if more:
        parts.append(svg.text(_RIGHT, height - 6, "last bar: and above", anchor="end", fill=svg.INK_SOFT))
    for value in sorted({in_use.ok, in_use.ng}):
        parts.append(svg.line(x(value), _TOP, x(value), floor, svg.INK_SOFT, stroke_dasharray="2 5", stroke_width=2))
    parts.append(_handle("ok", chosen.ok, x, floor, svg.GOOD, low, chosen.ng))
    parts.append(_handle("ng", chosen.ng, x, floor, "#b84f00", chosen.ok, high))
    desc = "; ".join(f"{row.name}: {sum(row.counts):,} frames" for row in rows)
    label = "Image scores of recorded frames with the thresholds ok and ng"
    return el(
        "svg", el("desc", desc), parts, id="scores", class_="chart scores", role="group", aria_label=label,
        viewBox=f"0 0 {WIDTH:g} {height:g}", xmlns="http://www.w3.org/2000/svg", data_low=repr(low),
        data_high=repr(high), data_left=_LEFT, data_right=_RIGHT,
    )  # fmt: skip


def _areas(x: svg.Scale, floor: float, chosen: Mark) -> list[Markup]:
    """What passes, what a person decides, what is rejected."""
    areas = []
    for name, begin, end, fill in (
        ("ok", x.start, x(chosen.ok), svg.GOOD_TINT),
        ("between", x(chosen.ok), x(chosen.ng), svg.UNCERTAIN_TINT),
        ("ng", x(chosen.ng), x.end, svg.DEFECT_TINT),
    ):
        areas.append(
            el("rect", id=f"area-{name}", x=begin, y=_TOP, width=round(end - begin, 1), height=floor - _TOP, fill=fill)
        )
    return areas


def _row(row: Row, x: svg.Scale, floor: float, scale: float) -> list[Markup]:
    wide = (x.end - x.start) / max(1, len(row.counts))
    step = (x.high - x.low) / max(1, len(row.counts))
    parts = [
        svg.text(_LEFT - 14, floor - 22, row.name, anchor="end", class_="strong", fill=row.fill),
        svg.text(_LEFT - 14, floor - 4, f"{sum(row.counts):,}", anchor="end", fill=svg.INK_SOFT),
        svg.line(x.start, floor, x.end, floor, "#aab2bc"),
    ]
    for n, number in enumerate(row.counts):
        if number:
            up = math.log10(1 + number) * scale
            bar = svg.rect(x.start + n * wide + 0.5, floor - up, wide - 1, up, row.fill)
            begin, end = score(x.low + n * step), score(x.low + (n + 1) * step)
            more = " and above" if n == len(row.counts) - 1 else ""
            parts.append(el("g", el("title", f"{row.name}: {number:,} with scores {begin} to {end}{more}"), bar))
    return parts


def _handle(name: str, value: float, x: svg.Scale, floor: float, colour: str, least: float, most: float) -> Markup:
    """A line with a tab to hold; ok's lies to the left, ng's to the right, so that both can be held where they meet."""
    across = x(value)
    left = -_TAB if name == "ok" else 0.0
    meaning = "passes at or below" if name == "ok" else "rejected above"
    return el(
        "g",
        el("rect", x=-14, y=0, width=28, height=floor, fill="#fff", fill_opacity=0),
        svg.line(0, 8, 0, floor, colour, stroke_width=3),
        el("rect", x=left, y=4, width=_TAB, height=48, rx=8, fill=colour),
        svg.text(left + _TAB / 2, 24, name, anchor="middle", fill="#fff", class_="strong"),
        svg.text(left + _TAB / 2, 44, score(value), anchor="middle", fill="#fff", id=f"label-{name}"),
        id=f"handle-{name}", class_="handle", transform=f"translate({across} 0)", role="slider", tabindex=0,
        focusable="true", aria_label=f"threshold {name}: {meaning}", aria_valuemin=f"{least:.6g}",
        aria_valuemax=f"{most:.6g}", aria_valuenow=f"{value:.6g}", aria_valuetext=score(value),
    )  # fmt: skip
