"""The few pieces that a chart is drawn of: a linear scale, round ticks, lines and text. Coordinates in SVG's units."""

import math
from dataclasses import dataclass

from inspector.charts.markup import Child, Markup, el

GOOD = "#0072b2"
DEFECT = "#d55e00"
GOOD_INK = "#00507f"
DEFECT_INK = "#8f3d00"
GOOD_TINT = "#e3eff7"
DEFECT_TINT = "#fbe9dc"
UNCERTAIN = "#8a8a8a"
UNCERTAIN_TINT = "#ececec"
INK = "#1b1f24"
INK_SOFT = "#565d66"
FAINT = "#d0d4d9"
"""Blue is good or passed, vermilion is defective or rejected, grey is between: one meaning for each in all charts.
The inks are for words: the colours themselves are too faint to be read on the tints (WCAG 2.1 asks for 4.5).
Blue and vermilion are of Okabe and Ito's palette (2008), which colour-blind eyes can tell apart."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values between `low` and `high` to coordinates between `start` and `end`; values beyond stay at the ends."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The coordinate of a value, to a tenth."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round values between low and high, about so many: steps of 1, 2 or 5 times a power of ten."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [
        round(index * step, 12) for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    ]


def drawing(width: float, height: float, label: str, *children: Child, **attributes: object) -> Markup:
    """A whole chart; `label` says to a screen reader what it shows."""
    return el(
        "svg", *children, viewBox=f"0 0 {width:g} {height:g}", role="img", aria_label=label,
        xmlns="http://www.w3.org/2000/svg", **attributes,
    )  # fmt: skip


def text(x: float, y: float, content: str, *, anchor: str = "start", fill: str = INK, **attributes: object) -> Markup:
    """One line of text, its baseline at y."""
    return el("text", content, x=x, y=y, text_anchor=anchor, fill=fill, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, stroke: str = FAINT, **attributes: object) -> Markup:
    """A straight line."""
    return el("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, **attributes)


def rect(x: float, y: float, width: float, height: float, fill: str, **attributes: object) -> Markup:
    """A filled rectangle; nothing where it has no extent."""
    if width <= 0 or height <= 0:
        return Markup("")
    return el("rect", x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 1), fill=fill,
              **attributes)  # fmt: skip
