"""The page of an evaluation: what the bank gets right and wrong on labelled frames, misses first."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.evaluation.cases import GOOD
from calibration.evaluation.evaluate import Evaluation
from calibration.evaluation.outcome import Outcome
from calibration.report import charts
from calibration.report.examples import examples
from calibration.report.page import document, legend, notes, section, table, tiles, write
from calibration.report.region import region
from calibration.thresholds import CONFIDENCE
from inspector.charts import svg
from inspector.charts.markup import Child, Markup, el
from inspector.charts.wording import count, number, percent, told_apart
from inspector.pipeline import Pipeline
from inspector.review.intervals import lower, upper
from inspector.types import Decision

NAME = "evaluation.html"


def write_evaluation(evaluation: Evaluation, pipeline: Pipeline, test_dir: Path, folder: Path) -> Path:
    """Write the page into a folder; returns its path.

    The few frames that are shown are inspected again for their anomaly maps, so that no others have to be kept.

    Raises:
        UsageError: the folder cannot be written.
    """
    figures = evaluation.to_json()
    bank = pipeline.bank
    title = f"Evaluation of bank {bank.path} ({bank.manifest.id}) on {test_dir}"
    page = document(
        title,
        headline(figures),
        _decisions(evaluation, figures),
        _budget(evaluation),
        section(
            "Figures",
            f"From {count(figures['n_good'], 'good frame')} and {count(figures['n_defect'], 'defective frame')}.",
            tiles(_figures(evaluation, figures)),
        ),
        _scores(evaluation, pipeline),
        _region(evaluation, pipeline),
        *examples(evaluation, pipeline),
        _facts(pipeline),
        notes(evaluation.notes),
    )
    return write(folder, NAME, page)


def headline(figures: dict[str, Any]) -> list[str]:
    """The result in a sentence or two, each for a line of its own."""
    said = []
    if defective := figures["n_defect"] - figures["n_error_defect"]:
        escaped = round(figures["escape_rate"] * defective)
        passed = f"{escaped:,} of {count(defective, 'defective frame')} ({percent(figures['escape_rate'])})"
        said.append(f"{passed} passed as ok." if escaped else f"None of {defective:,} defective frames passed.")
    if good := figures["n_good"] - figures["n_error_good"] - figures["n_good_samples"]:
        rejected = round(figures["false_reject_rate"] * good)
        share = f"{rejected:,} of {count(good, 'good frame')} ({percent(figures['false_reject_rate'])})"
        said.append(f"{share} rejected." if rejected else f"None of {count(good, 'good frame')} rejected.")
    elif figures["n_good_samples"]:
        said.append("All good frames are samples of the bank: how many others it rejects cannot be told.")
    if figures["n_error"]:
        said.append(f"{figures['n_error']:,} of {figures['n_good'] + figures['n_defect']:,} could not be inspected.")
    return said


def _decisions(evaluation: Evaluation, figures: dict[str, Any]) -> Markup:
    """One row for good frames, one for each defect: how they were decided."""
    rows: list[list[Child]] = []
    if figures["n_good"]:
        rows.append(_row(GOOD, [o for o in evaluation.outcomes if o.case.label == GOOD], None, None))
    defects = [o for o in evaluation.outcomes if o.case.label != GOOD]
    if len(figures["per_defect"]) > 1:
        rows.append(_row("all defects", defects, figures["image_auroc"], figures["escape_rate"]))
    for name, row in figures["per_defect"].items():
        rows.append(_row(name, [o for o in defects if o.case.label == name], row["image_auroc"], row["escape_rate"]))
    return section(
        "Decisions",
        "Every kind of frame at the bank's own thresholds. Good frames should be all blue, defects all vermilion.",
        legend((svg.GOOD, "ok: passed"), (svg.UNCERTAIN, "uncertain: a person decides"), (svg.DEFECT, "ng: rejected"),
               (svg.INK, "error: not inspected")),
        table(["frames", "n", "decided", "ok", "uncertain", "ng", "AUROC", "escapes"], rows,
              figures=(1, 3, 4, 5, 6, 7)),
    )  # fmt: skip


def _row(name: str, outcomes: Sequence[Outcome], auroc: float | None, escapes: float | None) -> list[Child]:
    decided = [o.decision for o in outcomes]
    ok, uncertain, ng, error = (
        decided.count(kind) for kind in (Decision.OK, Decision.UNCERTAIN, Decision.NG, Decision.ERROR)
    )
    bar = charts.decisions_bar((ok, uncertain, ng, error))
    last = ["", ""] if name == GOOD else [number(auroc), percent(escapes)]
    return [el("b", name), f"{len(decided):,}", bar, f"{ok:,}", f"{uncertain:,}", f"{ng:,}", *last]


def _budget(evaluation: Evaluation) -> Markup:
    promise, kept = evaluation.promise, evaluation.kept()
    if kept.chance is None:
        return Markup("")
    rate = kept.rejected / kept.among
    low, high = promise.interval
    promised = (
        f"{promise.samples:,} samples were too few for it, which needs {promise.samples_needed:,}: ng is an estimate."
        if promise.estimated
        else f"From {promise.samples:,} samples: truly {low:.2%} to {high:.2%} ({CONFIDENCE:.0%} confidence)."
    )
    takes = f"{kept.takes:,}" + " without another reject" * (kept.rejected > 0) if kept.takes else ""
    meaning = {
        "kept": "So few good frames were rejected of so many that the rate is within the budget (95% confidence).",
        "too few": "No more good frames were rejected than the budget allows. So few frames cannot tell: that takes "
        f"about {takes}.",
        "by chance": "More were rejected than the budget allows, but chance explains that many.",
        "exceeded": "More were rejected than the budget allows, as its thresholds foresee: they stand for "
        f"{promise.expected_false_reject:.2%}, since somebody chose them, or the bank has grown under them.",
        "broken": "Far more were rejected than chance explains: these frames are not like the samples. Has light, "
        "fixture or batch changed, or were the samples taken in one go? Add samples of this kind and calibrate again.",
    }[kept.word]
    return section(
        "The false-reject budget",
        "What calibration promised, held against good frames that it never saw.",
        tiles(
            [
                ("Budget", f"{promise.max_false_reject:.2%}", promised),
                ("Above ng here", f"{rate:.2%}", f"{kept.rejected:,} of {count(kept.among, 'good frame')}."),
                ("As many or more by chance", f"{kept.chance:.1%}", "If the promise holds; below 5% it is refuted."),
                ("The promise", kept.verdict.capitalize(), meaning),
            ]
        ),
    )


def _figures(evaluation: Evaluation, figures: dict[str, Any]) -> list[tuple[str, str, str]]:
    defective = [o for o in evaluation.outcomes if o.case.label != GOOD and o.decision is not Decision.ERROR]
    rejects = _interval(evaluation.new_good(), Decision.NG, " that are no samples" * (figures["n_good_samples"] > 0))
    escapes = _interval(defective, Decision.OK)
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
            "Good frames that were rejected; the bank was asked for at most "
            f"{evaluation.promise.max_false_reject:.2%}. {rejects}",
        ),
        (
            "Uncertain",
            percent(figures["uncertain_rate"]),
            "Frames between the two thresholds, above ng where the whole picture differs from the samples, or below "
            "where their proportions do: a person has to look at them.",
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
            "Overlap of map and mask, each defect counting the same, small or large, up to 30% false pixels.",
        ),
        (
            "Milliseconds a frame",
            number(latency["p50"], 1),
            f"Median from encoded picture to decision on this machine; 95% take at most {number(latency['p95'], 1)}.",
        ),
    ]


def _interval(among: Sequence[Outcome], decision: Decision, which: str = "") -> str:
    """Where the true rate lies (Clopper and Pearson, 1934), as a sentence; nothing without frames."""
    if not among:
        return ""
    n, k = len(among), sum(o.decision is decision for o in among)
    between = f"{percent(lower(k, n, CONFIDENCE))} to {percent(upper(k, n, CONFIDENCE))}"
    return f"From {count(n, 'frame')}{which}, the true rate is {between} ({CONFIDENCE:.0%} confidence)."


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
                el("figcaption", "What any threshold would flag: the nearer to the upper left corner, the better. "
                   "Marked: the bank's own."),
            )
        )  # fmt: skip
    return section("Scores", "How far good and defective frames lie apart.", el("div", figures, class_="charts"))


def _region(evaluation: Evaluation, pipeline: Pipeline) -> Markup:
    shown = next((o.case.path for o in evaluation.outcomes if o.decision is not Decision.ERROR), None)
    return region(pipeline.bank.manifest, shown) if shown else Markup("")


def _facts(pipeline: Pipeline) -> Markup:
    bank, manifest = pipeline.bank, pipeline.bank.manifest
    ok, ng = told_apart(bank.thresholds.ok, bank.thresholds.ng)
    rows: list[list[Child]] = [
        ["bank", f"{manifest.id}, {manifest.lineage.operation}"],
        ["samples", f"{len(manifest.samples):,} normal, {manifest.calibration.folds} folds, seed {manifest.seed}"],
        ["memory", f"{manifest.vectors:,} vectors of {manifest.dim}, {bank.bytes_on_disk / 1e6:.1f} MB on disk"],
        ["backbone", f"{manifest.backbone.name}: {', '.join(manifest.backbone.layers)}"],
        ["recipe", f"{manifest.recipe.name}: {manifest.recipe.in_words()}"],
        ["thresholds", f"ok up to {ok}, ng above {ng}, pixel {bank.thresholds.pixel:.4g}"],
        ["promise", manifest.calibration.promise.in_words()],
        ["engine", pipeline.engine.name],
    ]  # fmt: skip
    return section("The bank", "What was measured.", table(["", ""], rows))
