"""Reports: whole, self-contained, escaped, bounded, the most important first."""

import re
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path

import cv2
import numpy as np
import pytest
from line import drawn_part

from calibration.evaluation.cases import Case
from calibration.evaluation.evaluate import Evaluation, evaluate
from calibration.evaluation.outcome import Outcome
from calibration.growth.derive import with_thresholds
from calibration.report import charts, write_evaluation
from calibration.report.evaluation import headline
from calibration.report.examples import CATCHES, FALSE_REJECTS, MISSES, NARROW
from calibration.report.front import log_ticks
from calibration.report.page import NOTES
from calibration.report.pictures import LONGER_SIDE, data_uri, small_view, stretch, with_map
from inspector.charts import svg
from inspector.charts.markup import Markup, el
from inspector.charts.wording import count, number, percent, score
from inspector.errors import UsageError
from inspector.pipeline import Pipeline
from inspector.recipe import Crop, Recipe
from inspector.review.intervals import lower, upper
from inspector.types import Decision, Thresholds


class Page(HTMLParser):
    """Checks that elements close in order; collects sources, links and words."""

    VOID = frozenset({"meta", "img", "br", "line", "rect", "circle", "polyline", "polygon"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.loaded: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loaded += [value or "" for key, value in attrs if key in ("src", "href", "srcset", "data", "action")]
        assert not any(key.startswith("on") for key, _ in attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.fixture(scope="module")
def pipeline(bank: Path) -> Pipeline:
    return Pipeline.open(bank)


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    """Good: four, and one that is scratched. Scratch: three with masks, and one that is a good part. One is broken."""
    root = tmp_path / "part & <more>"
    for name in ("test/good", "test/scratch", "ground_truth/scratch"):
        (root / name).mkdir(parents=True)
    for seed in range(4):
        (root / "test/good" / f"{seed}.png").write_bytes(drawn_part(seed))
    (root / "test/good/spoilt.png").write_bytes(drawn_part(7, scratched=True))
    mask = np.zeros((96, 96), np.uint8)
    cv2.line(mask, (30, 30), (66, 60), 255, 4)
    for seed in range(3):
        (root / "test/scratch" / f"{seed}.png").write_bytes(drawn_part(seed, scratched=True))
        cv2.imwrite(str(root / "ground_truth/scratch" / f"{seed}_mask.png"), mask)
    (root / "test/scratch" / "hidden <script>alert(1)<script>.png").write_bytes(drawn_part(1000))
    (root / "test/scratch/broken.png").write_bytes(b"no picture")
    return root / "test"


def test_the_page_is_whole_and_loads_nothing(pipeline: Pipeline, labelled: Path, tmp_path: Path) -> None:
    evaluation = evaluate(pipeline, labelled)
    path = write_evaluation(evaluation, pipeline, labelled, tmp_path / "deep" / "report")
    assert path == tmp_path / "deep" / "report" / "evaluation.html"
    written = path.read_text(encoding="utf-8")
    page = Page(written)
    assert not {"script", "link", "iframe", "object", "form"} & set(page.tags)
    assert page.loaded
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.loaded)
    assert "url(" not in written
    assert "@import" not in written
    assert "default-src &#x27;none&#x27;" in written
    assert page.tags.count("svg") == 2 + 2  # two charts, and a bar for each row of decisions


def test_the_page_names_the_bank_by_its_folder_and_says_what_it_promises(
    pipeline: Pipeline, labelled: Path, tmp_path: Path
) -> None:
    written = write_evaluation(evaluate(pipeline, labelled), pipeline, labelled, tmp_path).read_text("utf-8")
    text, bank = Page(written).text, pipeline.bank
    assert f"Evaluation of bank {bank.path} ({bank.manifest.id}) on {labelled}" in text
    assert bank.manifest.calibration.promise.estimated
    assert f"promise {bank.manifest.calibration.promise.in_words()}" in text


def test_the_interval_of_a_rate_rests_on_the_frames_that_the_rate_is_of(
    pipeline: Pipeline, labelled: Path, tmp_path: Path
) -> None:
    """One of four scratched parts passes; the fifth picture is none."""
    evaluation = evaluate(pipeline, labelled)
    assert evaluation.to_json()["escape_rate"] == 0.25
    text = Page(write_evaluation(evaluation, pipeline, labelled, tmp_path).read_text("utf-8")).text
    assert f"From 4 frames, the true rate is {percent(lower(1, 4, 0.9))} to {percent(upper(1, 4, 0.9))}" in text


def test_what_comes_from_file_names_is_escaped(pipeline: Pipeline, labelled: Path, tmp_path: Path) -> None:
    path = write_evaluation(evaluate(pipeline, labelled), pipeline, labelled, tmp_path)
    page = Page(path.read_text(encoding="utf-8"))
    assert "hidden <script>alert(1)<script>.png" in page.text
    assert "part & <more>" in page.text


def test_misses_come_first_then_false_rejects_then_catches(pipeline: Pipeline, labelled: Path, tmp_path: Path) -> None:
    text = Page(write_evaluation(evaluate(pipeline, labelled), pipeline, labelled, tmp_path).read_text("utf-8")).text
    places = [
        text.index(said)
        for said in (
            "1 of 4 defective frames (25.0%) passed as ok.",
            "1 of 5 good frames (20.0%) rejected.",
            "1 of 10 could not be inspected.",
            "Misses: defective, but passed (1)",
            "hidden <script>",
            "False rejects: good, but rejected (1)",
            "spoilt.png",
            "Closest calls: defective, only just not passed (2)",
            "white outline: the mask",
            "Catches: defective and stopped (1)",
            "broken.png: frame: 10 bytes",
        )
    ]
    assert places == sorted(places)


def evaluation_of(pipeline: Pipeline, *outcomes: Outcome, notes: tuple[str, ...] = ()) -> Evaluation:
    return Evaluation(outcomes, None, None, {}, pipeline.bank.manifest.calibration.promise, notes)


def test_the_page_stays_small_whatever_the_pictures(pipeline: Pipeline, tmp_path: Path) -> None:
    """Noise compresses worst, many examples of each kind, a thousand notes."""
    noise = np.random.default_rng(0).integers(0, 256, (700, 800, 3), np.uint8)
    (tmp_path / "noise.png").write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    outcomes = [
        Outcome(Case(tmp_path / "noise.png", label, ()), decision, 3.0, 1.0)
        for label, decision in (("good", Decision.NG), ("dent", Decision.OK), ("dent", Decision.NG))
        for _ in range(100)
    ]
    evaluation = evaluation_of(pipeline, *outcomes, notes=tuple(f"note {index}" for index in range(1000)))
    path = write_evaluation(evaluation, pipeline, tmp_path, tmp_path / "report")
    page = Page(path.read_text(encoding="utf-8"))
    assert path.stat().st_size < 5_000_000
    assert page.tags.count("img") == 2 * (MISSES + FALSE_REJECTS + NARROW + CATCHES)
    assert f"{MISSES} of 100 are shown" in page.text
    assert f"… and {1000 - NOTES} more notes" in page.text


@pytest.mark.parametrize("label", ["good", "dent"])
def test_what_cannot_be_told_is_said(pipeline: Pipeline, tmp_path: Path, label: str) -> None:
    (tmp_path / "part.png").write_bytes(drawn_part(1000))
    outcome = Outcome(Case(tmp_path / "part.png", label, ()), Decision.OK, 1.0, 5.0)
    evaluation = evaluation_of(pipeline, outcome)
    text = Page(write_evaluation(evaluation, pipeline, tmp_path, tmp_path).read_text("utf-8")).text
    assert "–" in text
    assert ("There was no defective frame." in text) == (label == "good")
    assert ("There was no good frame." in text) == (label == "dent")
    broken = replace(outcome, decision=Decision.ERROR, score=float("nan"))
    write_evaluation(replace(evaluation, outcomes=(broken,)), pipeline, tmp_path, tmp_path)


def test_a_frame_that_is_gone_has_a_card_without_a_picture(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    outcomes = [
        Outcome(Case(tmp_path / f"{name}.png", "dent", ()), Decision.OK, 1.0, 5.0) for name in ("gone", "broken")
    ]
    page = Page(write_evaluation(evaluation_of(pipeline, *outcomes), pipeline, tmp_path, tmp_path).read_text())
    assert "img" not in page.tags
    assert "The picture cannot be shown: cannot be read (No such file or directory)" in page.text
    assert "The picture cannot be shown: frame: " in page.text
    assert {" gone.png", " broken.png"} <= set(page.words)


def test_a_folder_that_cannot_be_written_is_one_clear_error(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "part.png").write_bytes(drawn_part(1000))
    evaluation = evaluation_of(pipeline, Outcome(Case(tmp_path / "part.png", "good", ()), Decision.OK, 1.0, 5.0))
    with pytest.raises(UsageError, match=r"/file/report: .*/file is a file, expected a folder; choose another one$"):
        write_evaluation(evaluation, pipeline, tmp_path, tmp_path / "file" / "report")


def test_the_headline_tells_perfection() -> None:
    figures = {"n_defect": 7, "escape_rate": 0.0, "n_good": 1200, "false_reject_rate": 0.0}
    figures |= {"n_error": 0, "n_error_good": 0, "n_error_defect": 0, "n_good_samples": 0}
    assert headline(figures) == ["None of 7 defective frames passed.", "None of 1,200 good frames rejected."]


def test_the_roc_curve_goes_through_its_operating_points() -> None:
    good, defect = np.arange(10, dtype=np.float32), np.arange(5, 15, dtype=np.float32)
    drawn = charts.roc(good, defect, Thresholds(ok=6.5, ng=8.5, pixel=1))
    assert "flags 80.0% of defective," in drawn  # 7 to 14
    assert "30.0% of good" in drawn  # 7, 8, 9
    assert "flags 60.0% of defective," in drawn
    assert "10.0% of good" in drawn
    curve = re.search(r'<polyline points="([^"]*)"', drawn)
    assert curve is not None
    points = np.array([pair.split(",") for pair in curve[1].split()], float)
    assert points[0, 0] < points[-1, 0]
    assert points[0, 1] > points[-1, 1]
    places = np.concatenate([np.linspace(start, end, 500) for start, end in pairwise(points)])
    marked = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', drawn)
    assert len(marked) == 2
    for place in np.array(marked, float):
        assert np.linalg.norm(places - place, axis=1).min() < 0.5


@pytest.mark.parametrize(("ok", "ng"), [(50.0, 60.0), (50.0, 50.0), (4.5, 50.0), (-1.0, -0.5), (9.5, 14.5)])
def test_what_is_said_of_operating_points_lies_apart_and_above_the_axis(ok: float, ng: float) -> None:
    good, defect = np.arange(10, dtype=np.float32), np.arange(5, 15, dtype=np.float32)
    drawn = charts.roc(good, defect, Thresholds(ok=ok, ng=ng, pixel=1))
    words = sorted(float(y) for y in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*halo', drawn))
    axis = max(float(y) for y in re.findall(r'<text [^>]*y="([\d.]+)"[^>]*>0%', drawn))
    assert words
    assert words[-1] <= axis - 13
    assert np.diff(words).min(initial=np.inf) >= 13


def test_thresholds_that_all_but_agree_are_told_apart_as_on_the_terminal(pipeline: Pipeline, tmp_path: Path) -> None:
    """With an estimate between them frames are uncertain: two numbers that read alike do not say why."""
    good, defect, close = np.float32([1.0]), np.float32([2.0]), Thresholds(ok=1.8241, ng=1.8249, pixel=1)
    for drawn in (charts.roc(good, defect, close), charts.histogram(good, defect, close)):
        assert ("1.824" in drawn, "1.825" in drawn) == (True, True)
    (tmp_path / "good").mkdir()
    (tmp_path / "good" / "part.png").write_bytes(drawn_part(1000))
    other = with_thresholds(pipeline.bank.path, tmp_path / "bank", ok=close.ok, ng=close.ng)
    near = Pipeline.open(tmp_path / "bank")
    page = write_evaluation(evaluate(near, tmp_path), near, tmp_path, tmp_path).read_text("utf-8")
    assert f"ok up to 1.824, ng above 1.825, pixel {other.thresholds.pixel:.4g}" in Page(page).text


def test_words_of_a_chart_can_be_read() -> None:
    good, defect = np.arange(10, dtype=np.float32), np.arange(5, 15, dtype=np.float32)
    drawn = "".join(draw(good, defect, Thresholds(ok=6.5, ng=8.5, pixel=1)) for draw in (charts.roc, charts.histogram))
    inks = set(re.findall(r'<text [^>]*fill="#([0-9a-f]{6})"', drawn))
    assert len(inks) >= 3
    grounds = ["ffffff", svg.GOOD_TINT[1:], svg.DEFECT_TINT[1:]]
    for ink, ground in product(inks, grounds):
        assert (luminance(ground) + 0.05) / (luminance(ink) + 0.05) >= 4.5, f"#{ink} on #{ground}, by WCAG 2.1"


def luminance(colour: str) -> float:
    levels = np.array([int(colour[at : at + 2], 16) for at in (0, 2, 4)]) / 255
    linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_the_histogram_counts_all_scores() -> None:
    good, defect = np.float32([1, 1, 2, 3]), np.float32([2, 5, 900])
    drawn = charts.histogram(good, defect, Thresholds(ok=2.5, ng=3.5, pixel=1))
    for colour, shares in ((svg.GOOD, [0.5, 0.25, 0.25]), (svg.DEFECT, [1 / 3] * 3)):
        heights = [float(h) for h in re.findall(rf'<rect [^>]*height="([\d.]+)" fill="{colour}"', drawn)]
        assert np.array(heights) / sum(heights) == pytest.approx(shares, abs=0.01)
    assert "the last bar also holds all scores above" in drawn  # 900


def test_what_passes_stands_in_the_area_of_ok_and_nothing_else_does() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        good = np.sort(rng.normal(4, 0.5, 30)).astype(np.float32)
        ok = float(good[-3])
        drawn = charts.histogram(good, good[:0], Thresholds(ok=ok, ng=ok * 1.1, pixel=1))
        (area,) = re.findall(rf'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" [^>]*fill="{svg.GOOD_TINT}"', drawn)
        end = float(area[0]) + float(area[1])
        bars = np.float64(
            re.findall(rf'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="([\d.]+)" fill="{svg.GOOD}"', drawn)
        )
        assert not ((bars[:, 0] < end) & (bars[:, 0] + bars[:, 1] > end)).any()
        assert bars[bars[:, 0] > end, 2].sum() / bars[:, 2].sum() == pytest.approx(2 / 30, abs=0.01)


@pytest.mark.parametrize("scores", [[], [0.0], [4.0, 4.0], [1e-9, 1e9]])
def test_any_scores_make_a_histogram(scores: list[float]) -> None:
    for good, defect in ((scores, []), ([], scores), (scores, scores)):
        drawn = charts.histogram(np.float32(good), np.float32(defect), Thresholds(0, 0, 0))
        assert "nan" not in drawn
        assert "inf" not in drawn.replace('"', "")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (0.13, 0.58, [0.2, 0.3, 0.4, 0.5]), (3, 3, [3]), (-5, 120, [0, 50, 100])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert svg.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(27, 74, [30, 40, 50, 60, 70]), (4, 12, [4, 5, 6, 7, 8, 9, 10]), (3, 30, [5, 10, 20]), (0.5, 2, [0.5, 1, 2])],
)
def test_an_axis_of_milliseconds_has_a_scale_however_short_it_is(
    low: float, high: float, expected: list[float]
) -> None:
    assert log_ticks(low, high) == pytest.approx(expected)


def test_markup_escapes_all_but_markup() -> None:
    assert el("p", "<&>", Markup("<br/>"), [el("b", '"')]) == '<p>&lt;&amp;&gt;<br/><b>"</b></p>'
    assert el("a", "x", title='"<', class_="c", aria_label=None) == '<a title="&quot;&lt;" class="c">x</a>'
    assert el("br") == "<br/>"


def test_pictures_show_what_the_recipe_sees() -> None:
    scene = np.zeros((400, 1000, 3), np.uint8)
    scene[:, 600:] = 255
    payload = cv2.imencode(".png", scene)[1].tobytes()
    assert small_view(payload, Recipe()).shape == (round(400 * LONGER_SIDE / 1000), LONGER_SIDE, 3)
    cropped = small_view(payload, Recipe(crop=Crop(x=700, y=0, width=100, height=50)))
    assert cropped.shape == (50, 100, 3)
    assert cropped.min() == 255
    shown = cv2.imdecode(np.frombuffer(b64decode(data_uri(cropped).split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape == cropped.shape


def test_the_mask_is_outlined_and_its_inside_left_as_it_is() -> None:
    pixels, heat = np.full((60, 80, 3), 90, np.uint8), np.zeros((30, 40), np.float32)
    mask = np.zeros((30, 40), bool)
    mask[10:20, 10:30] = True
    drawn = with_map(pixels, heat, 1.0, mask)
    assert (drawn[0, 0] == 90).all()
    assert (drawn[30, 40] == 90).all()
    assert drawn[20, 40].max() > 200
    assert (with_map(pixels, heat, 1.0, np.zeros_like(mask)) == pixels).all()


def test_a_stretched_map_shows_its_highest_place_whatever_the_threshold() -> None:
    heat = np.full((30, 40), 5.0, np.float32)
    heat[10:14, 20:24] = 5.5
    pixels = np.full((30, 40, 3), 90, np.uint8)
    assert (with_map(pixels, heat, 50.0) == pixels).all()
    drawn = with_map(pixels, *stretch(heat))
    assert (drawn[0, 0] == 90).all()
    assert (drawn[12, 22] != 90).any()
    heat[:, :15] = 0  # outside a region of interest
    assert (with_map(pixels, *stretch(heat))[0, 39] == 90).all()
    flat = np.full((30, 40), 5.0, np.float32)
    assert (with_map(pixels, *stretch(flat)) == pixels).all()


def test_wording() -> None:
    assert (number(None), number(0.12345), percent(None), percent(0.1234)) == ("–", "0.123", "–", "12.3%")
    assert (score(1234.5), score(8.0), score(0.0), score(12.34)) == ("1.23e+03", "8.00", "0", "12.3")
    assert (count(1, "frame"), count(2000, "frame"), count(0, "box", "boxes")) == ("1 frame", "2,000 frames", "0 boxes")
