"""The figures in detail: panels with a chart, its table, and, where there is nothing to draw, what is missing."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from inspector.charts import bars, svg
from inspector.charts.markup import Markup
from inspector.charts.wording import count, short_station
from inspector.review.agreement import ENOUGH, LABELS, Agreement
from inspector.review.figures import VERDICTS, WORDS, FalseRejects, Figures, SpanCounts, inspected
from inspector.review.intervals import Rate
from inspector.review.waiting import Waiting
from inspector.review.wording import between, duration, share, so_far

MOST_COLUMNS = 45
"""With more shifts than these a column is a day."""

_SAID = {"defect": "defect", "false_alarm": "false alarm", "unsure": "unsure"}
_PALE = "#9ecae8"


@dataclass(frozen=True, slots=True)
class Panel:
    """A chart, or the reason why there is none; the same numbers as a table; notes in whole sentences.

    wide: it takes the whole width. over_time: its columns follow each other, the newest last.
    """

    key: str
    title: str
    chart: Markup | None = None
    missing: str | None = None
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    notes: Sequence[str] = ()
    wide: bool = False
    over_time: bool = False


def panels(found: Figures, agreed: Agreement, waited: Waiting) -> list[Panel]:
    """All charts, in the order in which they are shown."""
    return [
        _pareto(found),
        _rates(found),
        *_over_time(found),
        _waiting(waited),
        _stations(found),
        _agreement(agreed),
    ]


def _pareto(found: Figures) -> Panel:
    title = "Defects by type"
    if not found.pareto:
        return Panel("pareto", title, missing="No frame of this time was found to be a defect.")
    rows = [(bar.name, bar.frames, bar.share, bar.running) for bar in found.pareto]
    first = found.pareto[0]
    total = sum(bar.frames for bar in found.pareto)
    desc = f"{count(total, 'defect')}. The most frequent is {first.name} with {first.frames:,}."
    return Panel(
        "pareto",
        title,
        bars.pareto(title, desc, rows),
        head=("type", "frames", "share", "running"),
        rows=[(name, f"{number:,}", f"{part:.1%}", f"{running:.1%}") for name, number, part, running in rows],
    )


def _rates(found: Figures) -> Panel:
    """False rejects by station, with what they rest on."""
    title = "False-reject rate by station"
    stations = [s for s in found.stations if inspected(s.outcomes)]
    if not stations:
        return Panel("rates", title, missing="No frames were inspected in this time.")
    names = [s.station for s in stations]
    drawn = [
        bars.Interval(
            short_station(s.station, names),
            s.false_rejects.value, s.false_rejects.rate.low, s.false_rejects.rate.high,
            _drawn(s.false_rejects),
        )
        for s in stations
    ]  # fmt: skip
    rows = [
        (s.station, f"{s.false_rejects.found:,}", f"{s.false_rejects.rate.of:,.0f}", f"{s.false_rejects.waiting:,}",
         f"{s.false_rejects.doubtful:,}", share(s.false_rejects.value), between(s.false_rejects.rate))
        for s in stations
    ]  # fmt: skip
    return Panel(
        "rates",
        title,
        bars.intervals(title, "; ".join(f"{one.name} {one.text}" for one in drawn), drawn),
        head=(
            "station",
            "false rejects",
            "good frames",
            "ng to decide",
            "uncertain to decide",
            "rate",
            "95 % interval",
        ),
        rows=rows,
        notes=(
            "Exact 95 % intervals (Clopper and Pearson), which never claim more than they hold. The upper end counts "
            "every ng frame that nobody has decided as a false reject, and every uncertain one as a defect; the dot is "
            "what was found so far.",
        ),
    )


def _drawn(rejects: FalseRejects) -> str:
    """What stands beside its interval: the rate too, unless frames wait and the interval says all there is to say."""
    said, interval = so_far(rejects), between(rejects.rate)
    return said if said == interval else f"{said} ({interval})"


def _over_time(found: Figures) -> list[Panel]:
    """Throughput, what was flagged, what waits: by shift, or by day where there are many."""
    columns, names, groups = _columns(found.spans)
    unit = "day" if len(found.spans) > MOST_COLUMNS else "shift"
    nothing = "No frames arrived in this time."

    def of(*words: str) -> list[int]:
        return [sum(one.outcomes[word] for word in words) for one in columns]

    shown = (
        ("throughput", "Frames inspected", nothing,
         [bars.Series("inspected", svg.GOOD, of(*VERDICTS)), bars.Series("in error", svg.INK, of("error"))]),
        ("flagged", "Flagged by the bank", "No frame was flagged in this time.",
         [bars.Series("ng", svg.DEFECT, of("ng")), bars.Series("uncertain", svg.UNCERTAIN, of("uncertain"))]),
        ("backlog", "Asked of people", "People were asked for no frame.",
         [bars.Series("decided", _PALE, [one.asked - one.waiting for one in columns]),
          bars.Series("waiting", svg.INK, [one.waiting for one in columns])]),
    )  # fmt: skip
    if not any(one.frames for one in columns):
        return [Panel(key, title, missing=nothing) for key, title, _, _ in shown]
    made = []
    for key, what, missing, parts in shown:
        title = f"{what} by {unit}"
        totals = [sum(part.values[n] for part in parts) for n in range(len(columns))]
        if not any(totals):
            made.append(Panel(key, title, missing=missing))
            continue
        busiest = max(range(len(columns)), key=totals.__getitem__)
        most = f"most in {names[busiest]}: {totals[busiest]:,}"
        desc = f"{count(len(columns), unit)}, {sum(totals):,} frames in all, {most}."
        made.append(
            Panel(
                key,
                title,
                bars.columns(title, desc, names, parts, groups),
                head=(unit, *(part.name for part in parts)),
                rows=[(name, *(f"{part.values[n]:,}" for part in parts)) for n, name in enumerate(names)],
                over_time=True,
            )
        )
    return made


def _columns(spans: Sequence[SpanCounts]) -> tuple[list[SpanCounts], list[str], list[str]]:
    """What one column counts, its name, and what is written below it."""
    if len(spans) <= MOST_COLUMNS:
        days = [f"{one.span.day:%a} {_date(one.span.day)}" for one in spans]
        return list(spans), [f"{day} {one.span.shift}" for day, one in zip(days, spans, strict=True)], days
    merged = [_merged(list(group)) for _, group in groupby(spans, key=lambda one: one.span.day)]
    names = [f"{one.span.day:%a} {_date(one.span.day)}" for one in merged]
    return merged, names, [_date(one.span.day) for one in merged]


def _merged(spans: Sequence[SpanCounts]) -> SpanCounts:
    outcomes = sum((one.outcomes for one in spans), Counter[str]())
    return SpanCounts(spans[0].span, outcomes, sum(one.asked for one in spans), sum(one.waiting for one in spans))


def _stations(found: Figures) -> Panel:
    """One row for each station: the table is the figure."""
    title = "Stations"
    if not found.stations:
        return Panel("stations", title, missing="No station has frames in this time.", wide=True)
    rows = []
    for one in found.stations:
        passed, rejects = one.escapes.passed, one.false_rejects
        rows.append(
            (
                one.station,
                *(f"{one.outcomes[word]:,}" for word in WORDS),
                f"{one.waiting:,} of {one.asked:,}",
                _counted(rejects.rate) if rejects.value is not None else "–",
                _counted(passed) if passed.of else "–",
            )
        )
    return Panel(
        "stations",
        title,
        head=("station", "ok", "uncertain", "ng", "error", "dropped", "to review", "false rejects",
              "defects among sampled ok"),
        rows=rows,
        wide=True,
        notes=_escape_notes(found),
    )  # fmt: skip


def _counted(rate: Rate) -> str:
    return f"{rate.count:,.0f} of {rate.of:,.0f}: {between(rate)}"


def _escape_notes(found: Figures) -> tuple[str, ...]:
    passed = found.escapes
    notes = [
        "Escapes are estimated from the ok frames that are drawn at random for review. Escapes entered by hand are no "
        "random sample: they count as defects, but not in the rate."
    ]
    if passed.rate is not None:
        value, low, high = passed.estimated
        notes.append(
            f"The sample stands for about {value:,.0f} passed defects (between {low:,.0f} and {high:,.0f}); "
            f"{passed.caught:,} were caught."
        )
    if passed.drawn_waiting:
        notes.append(
            f"{count(passed.drawn_waiting, 'sampled ok frame waits', 'sampled ok frames wait')}. While the queue is "
            "worked off worst first, the decided ones look worse than they all are."
        )
    if passed.reported:
        notes.append(f"{count(passed.reported, 'escape was', 'escapes were')} entered by hand.")
    return tuple(notes)


def _waiting(waited: Waiting) -> Panel:
    title = "Time from verdict to disposition"
    if not waited.frames:
        return Panel("waiting", title, missing="No frame of this time has been decided yet.")
    names = [name for name, _ in waited.steps]
    desc = f"Median {duration(waited.median_s)} of {count(waited.frames, 'frame')}."
    values = [number for _, number in waited.steps]
    short = [name.removeprefix("under ").replace(" to ", "–").replace("over ", "> ") for name in names]
    short[0] = f"< {short[0]}"
    return Panel(
        "waiting",
        title,
        bars.columns(title, desc, names, [bars.Series("frames", svg.GOOD, values)], short),
        head=("after", "frames"),
        rows=[(name, f"{number:,}") for name, number in waited.steps],
    )


def _agreement(agreed: Agreement) -> Panel:
    title = "Agreement of reviewers"
    if not agreed.frames:
        missing = "No frame was decided by two people in this time. A second opinion on a few frames a shift is enough."
        return Panel("agreement", title, missing=missing, wide=True)
    rows = [
        (f"first {_SAID[first]}", *(f"{agreed.table.get((first, second), 0):,}" for second in LABELS))
        for first in LABELS
    ]
    notes = [
        f"{agreed.same.count:.0f} of {count(agreed.frames, 'frame')} got the same word twice: "
        f"{share(agreed.same.value)} ({between(agreed.same)})."
    ]
    if agreed.kappa is not None:
        kappa, low, high = agreed.kappa
        notes.append(f"Cohen's kappa, which takes off chance, is {kappa:.2f} ({low:.2f} to {high:.2f}).")
    elif agreed.frames < ENOUGH:
        notes.append(f"Kappa needs {ENOUGH} frames with two opinions; {agreed.frames} are too few.")
    else:
        notes.append("Everybody always said the same word, so chance would agree as well and kappa says nothing.")
    notes.append("Second opinions are seldom blind and often corrections: this errs on the side of disagreement.")
    head = ("", *(f"second {_SAID[label]}" for label in LABELS))
    return Panel("agreement", title, head=head, rows=rows, notes=notes, wide=True)


def _date(day: date) -> str:
    return f"{day.day} {day:%b}"
