"""What the frames and their dispositions say about the line and the bank.

Three things are counted and never mixed: what the line decided, what people found, and what nobody has looked at yet.
People choose what to review first, and the worst comes first; so frames that wait are not like those that were
decided, and no rate here is carried over from the one to the other. Instead each interval holds whatever they may
turn out to be.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from inspector.review.intervals import Rate, lower, rate, upper
from inspector.review.shifts import Span

UNTYPED = "no type given"
"""Defects that nobody named."""

_FLAGGED = ("ng", "uncertain")


@dataclass(frozen=True, slots=True)
class Course:
    """So many frames of a station in a span (its number) with this outcome: ok, ng, uncertain, error or drop."""

    station: str
    span: int
    word: str
    frames: int


@dataclass(frozen=True, slots=True)
class Judged:
    """So many frames that an operator is or was asked for: flagged, drawn at random from the ok, or escapes.

    disposition: None where nobody has decided.
    """

    station: str
    span: int
    word: str
    sampled: bool
    disposition: str | None
    defect_type: str | None
    frames: int


@dataclass(frozen=True, slots=True)
class Bar:
    """A kind of defect. share and running: of all defects, 0..1; running sums them up from the most frequent on."""

    name: str
    frames: int
    share: float
    running: float


@dataclass(frozen=True, slots=True)
class FalseRejects:
    """Good parts that the line rejected (ng).

    rate: of the good frames. found: ng frames that people found good. waiting: ng frames that nobody could decide yet;
    the interval's upper end takes all of them for good. doubtful: uncertain frames that nobody could decide yet; the
    rate takes them for good, the interval's upper end for defects.
    """

    rate: Rate
    found: int
    waiting: int
    doubtful: int


@dataclass(frozen=True, slots=True)
class Escapes:
    """Bad parts that the line passed (ok), from the ok frames that were drawn at random.

    passed: of the drawn frames that were decided, those that were defects. rate: defects that pass, of all defects;
    None where no defect is known and none was drawn. estimated: how many passed defects the sample stands for, with
    bounds. caught: defects among the flagged. waiting: flagged frames that nobody could decide yet; drawn_waiting:
    drawn ones. reported: escapes entered by hand, which are no random sample and therefore not part of the rate.
    """

    passed: Rate
    rate: Rate | None
    estimated: tuple[float, float, float]
    caught: int
    waiting: int
    drawn_waiting: int
    reported: int


@dataclass(frozen=True, slots=True)
class SpanCounts:
    """One shift: frames by outcome, and of those that people are asked for, how many wait."""

    span: Span
    outcomes: Counter[str]
    asked: int
    waiting: int

    @property
    def frames(self) -> int:
        """All that arrived and was not dropped."""
        return sum(number for word, number in self.outcomes.items() if word != "drop")


@dataclass(frozen=True, slots=True)
class StationFigures:
    """One station."""

    station: str
    outcomes: Counter[str]
    asked: int
    waiting: int
    false_rejects: FalseRejects
    escapes: Escapes


@dataclass(frozen=True, slots=True)
class Figures:
    """All of one time and choice of stations."""

    outcomes: Counter[str]
    asked: int
    waiting: int
    pareto: tuple[Bar, ...]
    false_rejects: FalseRejects
    false_alarms: Rate
    uncertain: Rate
    escapes: Escapes
    spans: tuple[SpanCounts, ...]
    stations: tuple[StationFigures, ...]


def figures(course: Sequence[Course], judged: Sequence[Judged], spans: Sequence[Span]) -> Figures:
    """From counts to figures. Stations are those that occur."""
    outcomes = _outcomes(course)
    verdicts = outcomes["ok"] + outcomes["ng"] + outcomes["uncertain"]
    alarms = _number(judged, lambda j: j.word in _FLAGGED and j.disposition == "false_alarm")
    decided = _number(judged, lambda j: j.word in _FLAGGED and j.disposition in ("false_alarm", "defect"))
    return Figures(
        outcomes=outcomes,
        asked=_number(judged),
        waiting=_number(judged, _waits),
        pareto=pareto(judged),
        false_rejects=false_rejects(course, judged),
        false_alarms=rate(alarms, decided),
        uncertain=rate(outcomes["uncertain"], verdicts),
        escapes=escapes(course, judged),
        spans=tuple(_span(number, span, course, judged) for number, span in enumerate(spans)),
        stations=tuple(
            _station(name, course, judged) for name in sorted({c.station for c in course} | {j.station for j in judged})
        ),
    )


def pareto(judged: Iterable[Judged], most: int = 9) -> tuple[Bar, ...]:
    """Defects by type, the most frequent first; beyond `most` of them the rest is one bar."""
    counts: Counter[str] = Counter()
    for one in judged:
        if one.disposition == "defect":
            counts[one.defect_type or UNTYPED] += one.frames
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) > most:
        rest = ranked[most - 1 :]
        ranked = [*ranked[: most - 1], (f"{len(rest)} other types", sum(number for _, number in rest))]
    total, running, bars = counts.total(), 0, []
    for name, number in ranked:
        running += number
        bars.append(Bar(name, number, number / total, running / total))
    return tuple(bars)


def false_rejects(course: Iterable[Course], judged: Sequence[Judged]) -> FalseRejects:
    """The share of good parts that were rejected. Ok frames count as good but for the defects found among them."""
    outcomes = _outcomes(course)
    found = _number(judged, lambda j: j.word == "ng" and j.disposition == "false_alarm")
    defects = _number(judged, lambda j: j.disposition == "defect")
    waiting = _number(judged, lambda j: j.word == "ng" and _undecided(j))
    doubtful = _number(judged, lambda j: j.word == "uncertain" and _undecided(j))
    verdicts = outcomes["ok"] + outcomes["ng"] + outcomes["uncertain"]
    good = max(found, verdicts - defects - waiting)
    least = max(found, good - doubtful)
    bounds = lower(found, good + waiting), upper(found + waiting, least + waiting)
    return FalseRejects(Rate(found, good, *bounds), found, waiting, doubtful)


def escapes(course: Iterable[Course], judged: Sequence[Judged]) -> Escapes:
    """The share of defects that passed: the ok frames are known by their sample, the flagged ones one by one.

    The sample's interval is exact; it is carried over to all ok frames, and those that were drawn and decided are
    known. The bounds of the rate take the flagged frames that wait for defects, all or none.
    """
    drawn = [j for j in judged if j.word == "ok" and j.sampled]
    bad = _number(drawn, lambda j: j.disposition == "defect")
    good = _number(drawn, lambda j: j.disposition == "false_alarm")
    passed = rate(bad, bad + good)
    flagged = [j for j in judged if j.word in _FLAGGED]
    caught = _number(flagged, lambda j: j.disposition == "defect")
    waiting = _number(flagged, _undecided)
    unseen = max(0, _outcomes(course)["ok"] - bad - good)
    estimated = (bad + unseen * (passed.value or 0.0), bad + unseen * passed.low, bad + unseen * passed.high)
    return Escapes(
        passed=passed,
        rate=_escape_rate(estimated, caught, waiting) if bad + good and caught + bad else None,
        estimated=estimated,
        caught=caught,
        waiting=waiting,
        drawn_waiting=_number(drawn, _undecided),
        reported=_number(judged, lambda j: j.word == "ok" and not j.sampled and j.disposition == "defect"),
    )


def _escape_rate(estimated: tuple[float, float, float], caught: int, waiting: int) -> Rate:
    value, low, high = estimated
    least = low / (low + caught + waiting) if low else 0.0
    most = high / (high + caught) if high else 0.0
    return Rate(value, value + caught, least, most)


def _span(number: int, span: Span, course: Iterable[Course], judged: Iterable[Judged]) -> SpanCounts:
    here = [j for j in judged if j.span == number]
    return SpanCounts(span, _outcomes(c for c in course if c.span == number), _number(here), _number(here, _waits))


def _station(name: str, course: Iterable[Course], judged: Iterable[Judged]) -> StationFigures:
    seen, asked = [c for c in course if c.station == name], [j for j in judged if j.station == name]
    return StationFigures(
        name, _outcomes(seen), _number(asked), _number(asked, _waits), false_rejects(seen, asked), escapes(seen, asked)
    )


def _waits(judged: Judged) -> bool:
    return judged.disposition is None


def _undecided(judged: Judged) -> bool:
    """Waits, or somebody could not tell."""
    return judged.disposition in (None, "unsure")


def _number(judged: Iterable[Judged], wanted: Callable[[Judged], bool] = lambda _: True) -> int:
    return sum(one.frames for one in judged if wanted(one))


def _outcomes(course: Iterable[Course]) -> Counter[str]:
    counts: Counter[str] = Counter(dict.fromkeys(("ok", "uncertain", "ng", "error", "drop"), 0))
    for one in course:
        counts[one.word] += one.frames
    return counts
