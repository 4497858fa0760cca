"""Charts of image scores: the ROC curve and the histogram, each with the bank's two thresholds."""

import math

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_curve

from inspector.charts import svg
from inspector.charts.markup import Markup, el
from inspector.charts.wording import percent, score, told_apart
from inspector.types import Float32Array, Thresholds

BINS = 48
REACH = 3.0
"""The histogram's axis ends at so many times `ng`; what scores higher is counted in its last bar."""

_LABEL = 48.0
"""Height of the three lines that tell of a threshold, and what is free below them."""


def roc(good: Float32Array, defect: Float32Array, thresholds: Thresholds) -> Markup:
    """Defective frames flagged over good frames flagged, for every threshold; the bank's own as points.

    good, defect: image scores, float32 (n,), neither empty. A frame is flagged that scores above the threshold.
    """
    width, height = 460.0, 400.0
    x, y = svg.Scale(0, 1, 56, width - 24), svg.Scale(0, 1, height - 48, 16)
    parts = [svg.rect(x.start, y.end, x.end - x.start, y.start - y.end, "#fff", stroke=svg.FAINT)]
    for tick in svg.ticks(0, 1):
        parts += [
            svg.line(x(tick), y.start, x(tick), y.end),
            svg.line(x.start, y(tick), x.end, y(tick)),
            svg.text(x(tick), y.start + 18, f"{tick:.0%}", anchor="middle"),
            svg.text(x.start - 8, y(tick) + 4, f"{tick:.0%}", anchor="end"),
        ]
    false, true, _ = roc_curve(np.repeat([0, 1], [len(good), len(defect)]), np.concatenate([good, defect]))
    course = " ".join(f"{x(float(a))},{y(float(b))}" for a, b in zip(false, true, strict=True))
    area = f"{course} {x(1)},{y(0)} {x(0)},{y(0)}"
    parts.append(el("polygon", points=area, fill=svg.GOOD_TINT, opacity="0.6"))
    parts.append(svg.line(x(0), y(0), x(1), y(1), svg.UNCERTAIN, stroke_dasharray="3 4"))
    parts.append(svg.text(x(0.61), y(0.53), "guessing", fill="#5f6670"))  # over the tint, on which it is still read
    parts.append(el("polyline", points=course, fill="none", stroke=svg.INK, stroke_width=2.5, stroke_linejoin="round"))
    parts += _operating_points(good, defect, thresholds, x, y)
    parts += [
        svg.text((x.start + x.end) / 2, height - 8, "good frames flagged", anchor="middle", class_="axis"),
        _upright(14, (y.start + y.end) / 2, "defective frames flagged"),
    ]
    return svg.drawing(width, height, "ROC curve with the operating points of both thresholds", parts)


def _operating_points(
    good: Float32Array, defect: Float32Array, thresholds: Thresholds, x: svg.Scale, y: svg.Scale
) -> list[Markup]:
    named = {"ok": thresholds.ok, "ng": thresholds.ng} if thresholds.ok < thresholds.ng else {"ok = ng": thresholds.ng}
    parts, free = [], y.end + 40
    for (name, threshold), said in zip(named.items(), told_apart(*named.values()), strict=True):
        false, true = float((good > threshold).mean()), float((defect > threshold).mean())
        across, down = x(false), y(true)
        label_x, label_y = max(across + 34, x(0.2)), max(down + 22, free)
        label_y = min(label_y, y.start - 36 - (_LABEL if name == "ok" else 0))
        free = label_y + _LABEL
        colour, ink = (svg.GOOD, svg.GOOD_INK) if name == "ok" else (svg.DEFECT, svg.DEFECT_INK)
        parts += [
            svg.line(across, down, label_x - 4, label_y - 5, colour),
            el("circle", cx=across, cy=down, r=6, fill=colour, stroke="#fff", stroke_width=2),
            svg.text(label_x, label_y, f"{name} {said}", fill=ink, class_="strong halo"),
            svg.text(label_x, label_y + 16, f"flags {percent(true)} of defective,", class_="halo"),
            svg.text(label_x, label_y + 31, f"{percent(false)} of good", class_="halo"),
        ]
    return parts


def histogram(good: Float32Array, defect: Float32Array, thresholds: Thresholds) -> Markup:
    """Scores of good frames upwards and of defective frames downwards, over the areas of ok, uncertain and ng.

    good, defect: image scores, float32 (n,); either may be empty. Each kind's bars are shares of that kind.
    """
    width, height, margin = 620.0, 400.0, 30.0
    everything = np.concatenate([good, defect])
    edges = _edges(*_range(everything, thresholds), thresholds.ok)
    low, high = float(edges[0]), float(edges[-1])
    x = svg.Scale(low, high, margin, width - 16)
    above, below = _shares(good, edges), _shares(defect, edges)
    both = len(good) > 0 and len(defect) > 0
    top, bottom = 44.0, height - 48
    middle = (top + bottom) / 2 if both else (bottom if len(good) else top)
    tallest = max(above.max(), below.max(), 1e-9)
    reach = (middle - top if len(good) else bottom - middle) - 6
    ok, ng = x(thresholds.ok), x(thresholds.ng)
    parts = [
        svg.rect(x.start, top, ok - x.start, bottom - top, svg.GOOD_TINT),
        svg.rect(ok, top, ng - ok, bottom - top, svg.UNCERTAIN_TINT),
        svg.rect(ng, top, x.end - ng, bottom - top, svg.DEFECT_TINT),
    ]
    for index in range(len(edges) - 1):
        left, right = x(float(edges[index])), x(float(edges[index + 1]))
        up, down = (float(shares[index]) / tallest * reach for shares in (above, below))
        parts.append(svg.rect(left + 0.5, middle - up, right - left - 1, up, svg.GOOD))
        parts.append(svg.rect(left + 0.5, middle, right - left - 1, down, svg.DEFECT))
    parts.append(svg.line(x.start, middle, x.end, middle, svg.INK))
    parts += _threshold_lines(thresholds, x, top, bottom)
    if len(good):
        parts.append(
            svg.text(x.end - 8, top + 20, f"{len(good):,} good", anchor="end", fill=svg.GOOD_INK, class_="strong")
        )
    if len(defect):
        label = f"{len(defect):,} defective"
        parts.append(svg.text(x.end - 8, bottom - 10, label, anchor="end", fill=svg.DEFECT_INK, class_="strong"))
    beyond = bool((everything > high).any())
    for tick in svg.ticks(low, high, 7):
        parts.append(svg.line(x(tick), bottom, x(tick), bottom + 5, svg.INK))
        parts.append(svg.text(x(tick), bottom + 19, f"{tick:g}", anchor="middle"))
    axis = "image score" + (f" (the last bar also holds all scores above {score(high)})" if beyond else "")
    parts.append(svg.text((x.start + x.end) / 2, height - 8, axis, anchor="middle", class_="axis"))
    return svg.drawing(width, height, "Histogram of image scores with both thresholds", parts)


def _range(scores: Float32Array, thresholds: Thresholds) -> tuple[float, float]:
    low = min(float(scores.min(initial=np.inf)), thresholds.ok)
    highest = max(float(scores.max(initial=-np.inf)), thresholds.ng)
    high = min(highest, REACH * thresholds.ng) if thresholds.ng > 0 else highest
    span = high - low or max(abs(high), 1.0)
    # The thresholds' names stand beside their lines: room for these.
    left = min(low - 0.03 * span, thresholds.ok - 0.25 * span)
    return max(0.0, left), max(high + 0.03 * span, thresholds.ng + 0.25 * span)


def _edges(low: float, high: float, ok: float) -> NDArray[np.float64]:
    """Of the bars from `low` to `high` or a little beyond. One is `ok`: no bar stands on both sides of it."""
    wide = (high - low) / BINS
    return ok + wide * (np.arange(BINS + 2.0) - math.ceil((ok - low) / wide))


def _shares(scores: Float32Array, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the scores in each bar, its upper edge included, as `ok` itself passes; those outside are in the outermost."""
    bars = np.clip(np.searchsorted(edges, scores) - 1, 0, len(edges) - 2)
    counts: NDArray[np.int64] = np.bincount(bars, minlength=len(edges) - 1)
    return counts / max(1, len(scores))


def _threshold_lines(thresholds: Thresholds, x: svg.Scale, top: float, bottom: float) -> list[Markup]:
    ok, ng = x(thresholds.ok), x(thresholds.ng)
    parts = [svg.line(place, top - 6, place, bottom, svg.INK, stroke_width=1.5) for place in sorted({ok, ng})]
    ok_said, ng_said = told_apart(thresholds.ok, thresholds.ng)
    parts.append(svg.text(ok - 6, top - 12, f"ok up to {ok_said}", anchor="end", fill=svg.GOOD_INK, class_="strong"))
    parts.append(svg.text(ng + 6, top - 12, f"ng above {ng_said}", fill=svg.DEFECT_INK, class_="strong"))
    if ng - ok > 76:
        parts.append(svg.text((ok + ng) / 2, top - 12, "uncertain", anchor="middle", fill="#5f6670"))
    return parts


def decisions_bar(counts: tuple[int, int, int, int]) -> Markup:
    """How so many frames were decided, as one bar: ok, uncertain, ng, error."""
    width, height, total = 300.0, 16.0, max(1, sum(counts))
    parts, left = [], 0.0
    for number, colour in zip(counts, (svg.GOOD, svg.UNCERTAIN, svg.DEFECT, svg.INK), strict=True):
        wide = width * number / total
        parts.append(svg.rect(left, 0, max(wide, 2.0) if number else 0, height, colour))
        left += wide
    label = "{} ok, {} uncertain, {} ng, {} in error".format(*counts)
    return svg.drawing(width, height, label, el("title", label), parts)


def _upright(x: float, y: float, content: str) -> Markup:
    return svg.text(x, y, content, anchor="middle", class_="axis", transform=f"rotate(-90 {x:g} {y:g})")
