"""Frames that a person should see: misses first, then false rejects, then the most certain catches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibration.evaluation.cases import GOOD
from calibration.evaluation.evaluate import Evaluation, areas_of
from calibration.evaluation.outcome import Outcome
from calibration.report.page import card, card_without_picture, cards, map_scale, section
from calibration.report.pictures import small_view, stretch, with_map
from inspector.charts.markup import Markup, el
from inspector.charts.wording import score, told_apart
from inspector.errors import FrameError
from inspector.pipeline import Pipeline
from inspector.types import Decision

MISSES, FALSE_REJECTS, NARROW, CATCHES = 12, 8, 6, 6
"""Examples of each kind at most: with pictures of nothing but noise the page still stays below 5 MB."""

_STRETCHED = "The colours of each map are stretched here, from its own median to its own highest value."


@dataclass(frozen=True, slots=True)
class Kind:
    """Examples of one kind, the most telling first; at most `most` are shown.

    none: what is said where there are none. stretched: colour each map by its own values, not by the bank's threshold.
    """

    heading: str
    lead: str
    none: str
    chosen: tuple[Outcome, ...]
    most: int
    stretched: bool = False


def examples(evaluation: Evaluation, pipeline: Pipeline) -> list[Markup]:
    """A section for each kind of example."""
    return [_section(kind, pipeline) for kind in _kinds(evaluation, pipeline)]


def _kinds(evaluation: Evaluation, pipeline: Pipeline) -> Iterable[Kind]:
    ok, ng = told_apart(pipeline.bank.thresholds.ok, pipeline.bank.thresholds.ng)
    good = [o for o in evaluation.outcomes if o.case.label == GOOD]
    defective = [o for o in evaluation.outcomes if o.case.label != GOOD]
    yield Kind(
        "Misses: defective, but passed",
        f"The lowest scores first; ok is up to {ok}. Does the map point at the defect, but too weakly? {_STRETCHED}",
        "No defective frame passed." if defective else "There was no defective frame.",
        _decided(defective, Decision.OK),
        MISSES,
        stretched=True,
    )
    yield Kind(
        "False rejects: good, but rejected",
        f"The highest scores first; ng is above {ng}. The map shows what was held against them: "
        f"is it a defect that the label missed? {_STRETCHED}",
        "No good frame was rejected." if good else "There was no good frame.",
        _decided(good, Decision.NG)[::-1],
        FALSE_REJECTS,
        stretched=True,
    )
    stopped = sorted((o for o in defective if o.decision in (Decision.UNCERTAIN, Decision.NG)), key=lambda o: o.score)
    closest, others = _halves(stopped)
    none_stopped = "No defective frame was stopped." if defective else "There was no defective frame."
    yield Kind(
        "Closest calls: defective, only just not passed",
        f"The lowest scores above ok, {ok}: what would be missed first if thresholds were raised. {_STRETCHED}",
        none_stopped,
        closest,
        NARROW,
        stretched=True,
    )
    yield Kind(
        "Catches: defective and stopped",
        "The highest scores first; the closest calls are not among them.",
        "All that were stopped are among the closest calls, above." if stopped else none_stopped,
        others[::-1],
        CATCHES,
    )


def _halves(stopped: Sequence[Outcome]) -> tuple[tuple[Outcome, ...], tuple[Outcome, ...]]:
    """The lowest NARROW of ascending outcomes, or of few the lower half; and the others."""
    end = min(NARROW, -(-len(stopped) // 2))
    return tuple(stopped[:end]), tuple(stopped[end:])


def _decided(outcomes: Iterable[Outcome], decision: Decision) -> tuple[Outcome, ...]:
    """Those with this decision, the lowest score first."""
    return tuple(sorted((o for o in outcomes if o.decision is decision), key=lambda o: o.score))


def _section(kind: Kind, pipeline: Pipeline) -> Markup:
    if not kind.chosen:
        return section(kind.heading, kind.none)
    number = len(kind.chosen)
    lead = f"{kind.lead} {kind.most} of {number:,} are shown." if number > kind.most else kind.lead
    shown = [_card(outcome, pipeline, kind.stretched) for outcome in kind.chosen[: kind.most]]
    return section(f"{kind.heading} ({number:,})", lead, map_scale(kind.stretched), cards(shown))


def _card(outcome: Outcome, pipeline: Pipeline, stretched: bool) -> Markup:
    case, recipe, threshold = outcome.case, pipeline.bank.recipe, pipeline.bank.thresholds.pixel
    told = (el("b", case.label), f" {case.path.name}", el("br"), f"score {score(outcome.score)} · {outcome.decision}")
    try:
        payload = case.path.read_bytes()
        inspection, before = pipeline.inspect(payload), small_view(payload, recipe)
    except (OSError, FrameError) as error:
        return card_without_picture(error, *told)
    areas, _ = areas_of(case, inspection, recipe)
    mask = areas.defective > 0 if areas else None
    heat = inspection.anomaly_map
    after = with_map(before, *(stretch(heat) if stretched else (heat, threshold)), mask)
    outlined = " · white outline: the mask" if mask is not None and mask.any() else ""
    return card(before, after, case.path.name, *told, outlined)
