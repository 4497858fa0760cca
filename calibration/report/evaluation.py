"""The page of an evaluation: what the bank gets right and wrong on labelled frames, misses first."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from scipy.stats import beta

from calibration.evaluation import GOOD, Evaluation, Outcome, mask_of
from calibration.report import charts, svg
from calibration.report.markup import Child, Markup, el
from calibration.report.page import card, cards, document, legend, map_scale, notes, section, table, tiles, write
from calibration.report.pictures import small_view, with_map
from calibration.report.wording import count, number, percent, score
from calibration.thresholds import CONFIDENCE
from inspector.pipeline import Pipeline
from inspector.types import Decision

NAME = "evaluation.html"

ESCAPES, FALSE_REJECTS, CATCHES = 12, 8, 6
"""Examples of each kind at most: with pictures of nothing but noise the page still stays below 5 MB."""


def write_evaluation(evaluation: Evaluation, pipeline: Pipeline, test_dir: Path, folder: Path) -> Path:
    """Write the page into a folder; returns its path.

    The few frames that are shown are inspected again for their anomaly maps, so that no others have to be kept.

    Raises:
        UsageError: the folder cannot be written.
    """
    figures = evaluation.to_json()
    bank = pipeline.bank
    title = f"Evaluation of bank {bank.manifest.recipe.name} ({bank.manifest.id}) on {test_dir}"
    page = document(
        title,
        headline(figures),
        _decisions(evaluation, figures),
        section("Figures", "Each of them with what it means.", tiles(_figures(evaluation, figures, pipeline))),
        _scores(evaluation, pipeline),
        *_examples(evaluation, pipeline),
        _facts(pipeline),
        notes(evaluation.notes),
    )
    return write(folder, NAME, page)


def headline(figures: dict[str, Any]) -> str:
    """The result in a sentence or two."""
    said = []
    if figures["n_defect"]:
        escaped = round(figures["escape_rate"] * figures["n_defect"])
        passed = f"{escaped:,} of {count(figures['n_defect'], 'defective frame')} ({percent(figures['escape_rate'])})"
        said.append(
            f"{passed} passed as ok." if escaped else f"None of {figures['n_defect']:,} defective frames passed."
        )
    if figures["n_good"]:
        rejected = round(figures["false_reject_rate"] * figures["n_good"])
        share = f"{rejected:,} of {count(figures['n_good'], 'good frame')} ({percent(figures['false_reject_rate'])})"
        said.append(f"{share} rejected." if rejected else f"None of {figures['n_good']:,} good frames rejected.")
    return " ".join(said)


def _decisions(evaluation: Evaluation, figures: dict[str, Any]) -> Markup:
    """One row for good frames, one for each defect: how they were decided."""
    rows: list[list[Child]] = []
    if figures["n_good"]:
        rows.append(_row(GOOD, figures["n_good"], None, None, evaluation.outcomes))
    for name, row in figures["per_defect"].items():
        rows.append(_row(name, row["n"], row["image_auroc"], row["escape_rate"], evaluation.outcomes))
    return section(
        "Decisions",
        "Every kind of frame at the bank's own thresholds. Good frames should be all blue, defects all vermilion.",
        legend((svg.GOOD, "ok: passed"), (svg.UNCERTAIN, "uncertain: a person decides"), (svg.DEFECT, "ng: rejected"),
               (svg.INK, "error: not inspected")),
        table(["frames", "n", "decided", "ok", "uncertain", "ng", "AUROC", "escapes"], rows,
              figures=(1, 3, 4, 5, 6, 7)),
    )  # fmt: skip


def _row(
    label: str, total: int, auroc: float | None, escapes: float | None, outcomes: Iterable[Outcome]
) -> list[Child]:
    decided = [o.decision for o in outcomes if o.case.label == label]
    ok, uncertain, ng, error = (
        decided.count(kind) for kind in (Decision.OK, Decision.UNCERTAIN, Decision.NG, Decision.ERROR)
    )
    bar = charts.decisions_bar((ok, uncertain, ng, error))
    last = [Markup(""), Markup("")] if label == GOOD else [number(auroc), percent(escapes)]
    return [el("b", label), f"{total:,}", bar, f"{ok:,}", f"{uncertain:,}", f"{ng:,}", *last]


def _figures(evaluation: Evaluation, figures: dict[str, Any], pipeline: Pipeline) -> list[tuple[str, str, str]]:
    promise = pipeline.bank.manifest.calibration.promise
    rejects = _interval(evaluation, lambda o: o.case.label == GOOD, Decision.NG)
    escapes = _interval(evaluation, lambda o: o.case.label != GOOD, Decision.OK)
    latency = figures["latency_ms"]
    return [
        (
            "Escape rate",
            percent(figures["escape_rate"]),
            f"Defective frames that passed as ok. {escapes}",
        ),
        (
            "False-reject rate",
            percent(figures["false_reject_rate"]),
            f"Good frames that were rejected; the bank was asked for at most {promise.max_false_reject:.2%}. {rejects}",
        ),
        (
            "Uncertain",
            percent(figures["uncertain_rate"]),
            "Frames between the two thresholds, which a person has to look at.",
        ),
        (
            "Image AUROC",
            number(figures["image_auroc"]),
            "How often a defective frame scores above a good one, whatever the threshold: 1 is perfect, 0.5 guessing.",
        ),
        (
            "Best F1",
            number(figures["f1_max"]),
            "The best balance of caught defects and true alarms that any single threshold would reach here.",
        ),
        (
            "Pixel AUROC",
            number(figures["pixel_auroc"]),
            "The same as image AUROC for each pixel against the masks: does the map point at the defect?",
        ),
        (
            "AUPRO",
            number(figures["aupro"]),
            "Overlap of map and mask, each defect counting the same, small or large, up to 30 % false pixels.",
        ),
        (
            "Milliseconds a frame",
            number(latency["p50"], 1),
            f"Median from encoded picture to decision on this machine; 95 % take at most {number(latency['p95'], 1)}.",
        ),
    ]


def _interval(evaluation: Evaluation, among: Callable[[Outcome], bool], decision: Decision) -> str:
    """Where the true rate lies (Clopper and Pearson, 1934), as a sentence; nothing without such frames."""
    chosen = [o.decision is decision for o in evaluation.outcomes if among(o)]
    if not chosen:
        return ""
    n, k, tail = len(chosen), sum(chosen), (1 - CONFIDENCE) / 2
    low = float(beta(k, n - k + 1).ppf(tail)) if k else 0.0
    high = float(beta(k + 1, n - k).ppf(1 - tail)) if k < n else 1.0
    return (
        f"From {count(n, 'frame')}, the true rate is {percent(low)} to {percent(high)} ({CONFIDENCE:.0%} confidence)."
    )


def _scores(evaluation: Evaluation, pipeline: Pipeline) -> Markup:
    good, defect, thresholds = evaluation.scores(good=True), evaluation.scores(good=False), pipeline.bank.thresholds
    figures = []
    if len(good) or len(defect):
        figures.append(
            el(
                "figure",
                charts.histogram(good, defect, thresholds),
                el("figcaption", "Blue bars outside the blue area are good frames not passed; vermilion bars inside it "
                   "are defects that escape. Bars are shares of their own kind."),
                class_="wide",
            )
        )  # fmt: skip
    if len(good) and len(defect):
        figures.append(
            el(
                "figure",
                charts.roc(good, defect, thresholds),
                el("figcaption", "What any threshold would flag. The nearer to the upper left corner, the better; the "
                   "two points are the bank's thresholds."),
            )
        )  # fmt: skip
    return section("Scores", "How far good and defective frames lie apart.", el("div", figures, class_="charts"))


def _examples(evaluation: Evaluation, pipeline: Pipeline) -> list[Markup]:
    outcomes, thresholds = evaluation.outcomes, pipeline.bank.thresholds
    defects = evaluation.scores(good=False).size
    escapes = sorted((o for o in outcomes if o.case.label != GOOD and o.decision is Decision.OK), key=_by_score)
    rejects = sorted((o for o in outcomes if o.case.label == GOOD and o.decision is Decision.NG), key=_by_score)[::-1]
    catches = sorted((o for o in outcomes if o.case.label != GOOD and o.decision is Decision.NG), key=_by_score)[::-1]
    kinds = [
        (
            "Misses: defective, but passed",
            escapes,
            ESCAPES,
            f"The lowest scores first; ok is up to {score(thresholds.ok)}. Each picture beside its anomaly map.",
            "No defective frame passed." if defects else "There was no defective frame.",
        ),
        (
            "False rejects: good, but rejected",
            rejects,
            FALSE_REJECTS,
            f"The highest scores first; ng is above {score(thresholds.ng)}. The map shows what was held against them: "
            "is it a defect that the label missed?",
            "No good frame was rejected." if evaluation.scores(good=True).size else "There was no good frame.",
        ),
        (
            "Catches: defective and rejected",
            catches,
            CATCHES,
            "The highest scores first.",
            "No defective frame was rejected."
            if evaluation.scores(good=False).size
            else "There was no defective frame.",
        ),
    ]
    parts = []
    for heading, chosen, most, lead, none in kinds:
        if not chosen:
            parts.append(section(heading, none))
            continue
        shown = f"{lead} {most} of {len(chosen):,} shown." if len(chosen) > most else lead
        figures = [_card(outcome, pipeline) for outcome in chosen[:most]]
        parts.append(section(f"{heading} ({len(chosen):,})", shown, map_scale(), cards(figures)))
    return parts


def _by_score(outcome: Outcome) -> float:
    return outcome.score


def _card(outcome: Outcome, pipeline: Pipeline) -> Markup:
    case, recipe, thresholds = outcome.case, pipeline.bank.recipe, pipeline.bank.thresholds
    payload = case.path.read_bytes()
    inspection = pipeline.inspect(payload)
    mask, _ = mask_of(case, inspection, recipe)
    before = small_view(payload, recipe)
    after = with_map(before, inspection.anomaly_map, thresholds.pixel, mask)
    outlined = " · white outline: the mask" if mask is not None and mask.any() else ""
    said = f"score {score(outcome.score)} · {outcome.decision}{outlined}"
    return card(before, after, case.path.name, el("b", case.label), f" {case.path.name}", el("br"), said)


def _facts(pipeline: Pipeline) -> Markup:
    bank, manifest = pipeline.bank, pipeline.bank.manifest
    recipe, promise = manifest.recipe, manifest.calibration.promise
    width, height = recipe.size_wh
    kept = f"{promise.expected_false_reject:.2%}" + (", an estimate from the tail" if promise.estimated else "")
    rows: list[list[Child]] = [
        ["bank", f"{manifest.id}, {manifest.lineage.operation}"],
        ["samples", f"{len(manifest.samples):,} normal, {manifest.calibration.folds} folds, seed {manifest.seed}"],
        ["memory", f"{manifest.vectors:,} vectors of {manifest.dim}, {bank.bytes_on_disk / 1e6:.1f} MB on disk"],
        ["backbone", f"{manifest.backbone.name}: {', '.join(manifest.backbone.layers)}"],
        ["recipe", f"{recipe.name}: {width}×{height} pixels, {count(recipe.neighbours, 'neighbour')}"],
        ["thresholds", f"ok up to {score(bank.thresholds.ok)}, ng above {score(bank.thresholds.ng)}, "
         f"pixel {score(bank.thresholds.pixel)}"],
        ["promise", f"{kept} false rejects expected of {promise.max_false_reject:.2%} allowed"],
        ["engine", pipeline.engine.name],
    ]  # fmt: skip
    return section("The bank", "What was measured.", table(["", ""], rows))
