"""What the frames and their dispositions say about the line and the bank.

Three things are counted and never mixed: what the line decided, what people found, and what nobody has looked at yet.
People choose what to review first, and the worst comes first; so frames that wait are not like those that were
decided, and no rate here is carried over from the one to the other. Instead each interval holds whatever they may
turn out to be.

Retention keeps frames by what is known of them: defects stay longest, ok frames go first. So what is left of a shift
that lost some of its frames is no sample of it, and rates are of the shifts alone that have all of theirs.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import TypeVar

from inspector.review.intervals import Rate, lower, rate, upper
from inspector.review.shifts import Span

VERDICTS = ("ok", "uncertain", "ng")
"""What the line says of a frame that could be inspected."""

WORDS = (*VERDICTS, "error", "drop")
"""All that becomes of frames, the harmless first."""

UNTYPED = "no type given"
"""Defects that nobody named."""

MOST_BARS = 9

_FLAGGED = ("ng", "uncertain")
_Key = TypeVar("_Key")
_Count = TypeVar("_Count", "OutcomeCount", "ReviewCount")


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many frames of a station in a span, by its number, had an outcome: ok, ng, uncertain, error or drop."""

    station: str
    span: int
    word: str
    frames: int


@dataclass(frozen=True, slots=True)
class ReviewCount:
    """How many frames that an operator is or was asked for: flagged, drawn at random from the ok, or escapes.

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

    rate: of the good frames. found: ng frames that people found good. decided: those and the ng frames that were found
    defects. waiting: ng frames that nobody could decide yet; the interval's upper end takes all of them for good.
    doubtful: uncertain frames that nobody could decide yet; the rate takes them for good, the interval's upper end for
    defects.
    """

    rate: Rate
    found: int
    decided: int
    waiting: int
    doubtful: int

    @property
    def value(self) -> float | None:
        """The rate by what is decided, 0..1; None while ng frames wait and none is decided: 0 would be a guess."""
        return None if self.waiting and not self.decided else self.rate.value

    @property
    def open(self) -> bool:
        """Whether flagged frames wait, so that the value is only what was found so far."""
        return self.waiting + self.doubtful > 0

    def to_json(self) -> dict[str, float | None]:
        """Count, of, rate, low, high, and how many ng and uncertain frames are not decided."""
        return self.rate.to_json() | {
            "rate": self.value,
            "not_decided": self.waiting,
            "uncertain_not_decided": self.doubtful,
        }


@dataclass(frozen=True, slots=True)
class Escapes:
    """Bad parts that the line passed (ok), from the ok frames that were drawn at random.

    passed: of the drawn frames that were decided, those that were defects. rate: defects that pass, of all defects;
    None where no defect is known and none was drawn. estimated: how many passed defects the sample stands for, with
    bounds. caught: defects among the flagged. drawn_waiting: drawn frames that nobody could decide yet. reported:
    escapes entered by hand, which are no random sample and therefore not part of the rate.
    """

    passed: Rate
    rate: Rate | None
    estimated: tuple[float, float, float]
    caught: int
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
    """All of one time and choice of stations.

    complete_since: when the first shift began that has all of its frames still; the rates, with what they rest on, are
    of the shifts from then on. Where none has, the end of the last. None: all have.
    """

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
    complete_since: datetime | None = None


def figures(
    outcomes: Sequence[OutcomeCount],
    reviews: Sequence[ReviewCount],
    spans: Sequence[Span],
    removed: datetime | None = None,
) -> Figures:
    """From counts to figures. Stations are those that occur. removed: when the newest frame came that is not there any
    more, None where all are.
    """
    lost = 0 if removed is None else sum(span.begin <= removed for span in spans)
    whole, said = [one for one in outcomes if one.span >= lost], [one for one in reviews if one.span >= lost]
    totals = _totals(whole)
    alarms = _number(said, lambda review: review.word in _FLAGGED and review.disposition == "false_alarm")
    decided = _number(said, lambda review: review.word in _FLAGGED and review.disposition in ("false_alarm", "defect"))
    seen, asked = _grouped(outcomes, attrgetter("span")), _grouped(reviews, attrgetter("span"))
    seen_at, asked_at = _grouped(outcomes, attrgetter("station")), _grouped(reviews, attrgetter("station"))
    return Figures(
        outcomes=_totals(outcomes),
        asked=_number(reviews),
        waiting=_number(reviews, _waits),
        pareto=pareto(reviews),
        false_rejects=false_rejects(whole, said),
        false_alarms=rate(alarms, decided),
        uncertain=rate(totals["uncertain"], inspected(totals)),
        escapes=escapes(whole, said),
        spans=tuple(_span(span, seen[number], asked[number]) for number, span in enumerate(spans)),
        stations=tuple(_station(name, seen_at[name], asked_at[name], lost) for name in sorted({*seen_at, *asked_at})),
        complete_since=None if lost == 0 else spans[lost].begin if lost < len(spans) else spans[-1].end,
    )


def inspected(outcomes: Counter[str]) -> int:
    """How many of these frames have a verdict."""
    return sum(outcomes[word] for word in VERDICTS)


def pareto(reviews: Iterable[ReviewCount]) -> tuple[Bar, ...]:
    """Defects by type, the most frequent first; beyond MOST_BARS of them the rest is one bar."""
    counts: Counter[str] = Counter()
    for one in reviews:
        if one.disposition == "defect":
            counts[one.defect_type or UNTYPED] += one.frames
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    if len(ranked) > MOST_BARS:
        rest = ranked[MOST_BARS - 1 :]
        ranked = [*ranked[: MOST_BARS - 1], (f"{len(rest)} other types", sum(number for _, number in rest))]
    total, running, bars = counts.total(), 0, []
    for name, number in ranked:
        running += number
        bars.append(Bar(name, number, number / total, running / total))
    return tuple(bars)


def false_rejects(outcomes: Iterable[OutcomeCount], reviews: Sequence[ReviewCount]) -> FalseRejects:
    """The share of good parts that were rejected. Ok frames count as good but for the defects found among them."""
    ng = [review for review in reviews if review.word == "ng"]
    found = _number(ng, lambda review: review.disposition == "false_alarm")
    waiting = _number(ng, _undecided)
    defects = _number(reviews, lambda review: review.disposition == "defect")
    doubtful = _number(reviews, lambda review: review.word == "uncertain" and _undecided(review))
    good = max(found, inspected(_totals(outcomes)) - defects - waiting)
    least = max(found, good - doubtful)
    bounds = lower(found, good + waiting), upper(found + waiting, least + waiting)
    return FalseRejects(Rate(found, good, *bounds), found, _number(ng) - waiting, waiting, doubtful)


def escapes(outcomes: Iterable[OutcomeCount], reviews: Sequence[ReviewCount]) -> Escapes:
    """The share of defects that passed: the ok frames are known by their sample, the flagged ones one by one.

    The sample's interval is exact; it is carried over to all ok frames, and those that were drawn and decided are
    known. The bounds of the rate take the flagged frames that wait for defects, all or none.
    """
    drawn = [review for review in reviews if review.word == "ok" and review.sampled]
    bad = _number(drawn, lambda review: review.disposition == "defect")
    good = _number(drawn, lambda review: review.disposition == "false_alarm")
    passed = rate(bad, bad + good)
    flagged = [review for review in reviews if review.word in _FLAGGED]
    caught = _number(flagged, lambda review: review.disposition == "defect")
    waiting = _number(flagged, _undecided)
    unseen = max(0, _totals(outcomes)["ok"] - bad - good)
    estimated = (bad + unseen * (passed.value or 0.0), bad + unseen * passed.low, bad + unseen * passed.high)
    return Escapes(
        passed=passed,
        rate=_escape_rate(estimated, caught, waiting) if bad + good and caught + bad else None,
        estimated=estimated,
        caught=caught,
        drawn_waiting=_number(drawn, _undecided),
        reported=_number(
            reviews, lambda review: review.word == "ok" and not review.sampled and review.disposition == "defect"
        ),
    )


def _escape_rate(estimated: tuple[float, float, float], caught: int, waiting: int) -> Rate:
    value, low, high = estimated
    least = low / (low + caught + waiting) if low else 0.0
    most = high / (high + caught) if high else 0.0
    return Rate(value, value + caught, least, most)


def _grouped(counts: Iterable[_Count], key: Callable[[_Count], _Key]) -> defaultdict[_Key, list[_Count]]:
    groups: defaultdict[_Key, list[_Count]] = defaultdict(list)
    for one in counts:
        groups[key(one)].append(one)
    return groups


def _span(span: Span, seen: Iterable[OutcomeCount], asked: Sequence[ReviewCount]) -> SpanCounts:
    return SpanCounts(span, _totals(seen), _number(asked), _number(asked, _waits))


def _station(name: str, seen: Sequence[OutcomeCount], asked: Sequence[ReviewCount], lost: int) -> StationFigures:
    whole, said = [one for one in seen if one.span >= lost], [one for one in asked if one.span >= lost]
    return StationFigures(
        name, _totals(seen), _number(asked), _number(asked, _waits), false_rejects(whole, said), escapes(whole, said)
    )


def _waits(review: ReviewCount) -> bool:
    return review.disposition is None


def _undecided(review: ReviewCount) -> bool:
    """Waits, or somebody could not tell."""
    return review.disposition in (None, "unsure")


def _number(reviews: Iterable[ReviewCount], wanted: Callable[[ReviewCount], bool] = lambda _: True) -> int:
    return sum(one.frames for one in reviews if wanted(one))


def _totals(outcomes: Iterable[OutcomeCount]) -> Counter[str]:
    counts: Counter[str] = Counter(dict.fromkeys(WORDS, 0))
    for one in outcomes:
        counts[one.word] += one.frames
    return counts
