"""Suspicious samples: planted ones are found, sound sets are left alone, and what is left out is told."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from banks import write_good
from line import drawn_part

from calibration.calibrate import HIGHEST, Calibrated, Options, calibrate
from calibration.look import look_of
from calibration.report import write_contact_sheet
from calibration.report.contact_sheet import SHOWN
from calibration.samples import read_samples
from calibration.suspects import FALSE_FLAGS, FEWEST, Suspect, find, nearest_of, outliers
from inspector.bank import Bank
from inspector.charts.wording import score
from inspector.cli import main
from inspector.drift import BRIGHTEST, DARKEST
from inspector.errors import SamplesError
from inspector.manifest import read_manifest
from inspector.recipe import Recipe
from inspector.types import UInt8Image

pytestmark = pytest.mark.usefixtures("short_heads")

RECIPE = Recipe(name="disc", size_wh=(64, 64), vectors=64)


def textured(seed: int) -> UInt8Image:
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 1, (64, 64, 3)).astype(np.float32)
    coarse = cv2.GaussianBlur(noise, (0, 0), 8) * 12
    return np.clip(120 + 30 * coarse + 12 * noise, 0, 255).astype(np.uint8)


def decoded(payload: bytes) -> UInt8Image:
    return np.asarray(cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_COLOR)[..., ::-1], np.uint8)


def doubts(pictures: list[UInt8Image], scores: list[float] | None = None) -> dict[str, set[str]]:
    names = [f"{index:02d}.png" for index in range(len(pictures))]
    given = np.float32(scores) if scores else np.linspace(1.0, 1.2, len(pictures), dtype=np.float32)
    heats = [np.ones((2, 2), np.float32)] * len(pictures)
    found = find(names, given, [look_of(picture) for picture in pictures], heats)
    return {item.name: {doubt.kind for doubt in item.doubts} for item in found}


@pytest.fixture(scope="module")
def sound() -> list[UInt8Image]:
    return [textured(seed) for seed in range(40)]


def test_a_sound_set_has_no_suspects(sound: list[UInt8Image]) -> None:
    assert doubts(sound) == {}


@pytest.mark.parametrize("n", [10, 20, 50, 200, 1000])
@pytest.mark.parametrize("above", [True, False])
def test_sets_of_any_size_have_the_stated_number_of_false_flags(n: int, above: bool) -> None:
    rng = np.random.default_rng(n)
    runs = 40_000 // n
    flagged = sum(outliers(np.exp(rng.normal(1, 0.2, n)), above=above).sum() for _ in range(runs))
    assert 0.4 * FALSE_FLAGS < flagged / runs < 1.4 * FALSE_FLAGS


def test_a_fifth_of_the_set_may_be_outlying_and_is_found() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(np.r_[rng.normal(0, 0.1, 80), rng.normal(1.5, 0.1, 20)])
    assert outliers(values, above=True)[80:].all()
    assert outliers(values, above=True)[:80].sum() <= 1


@pytest.mark.parametrize("values", [np.ones(50), np.zeros(50), np.linspace(1, 1.03, 50)])
def test_values_all_but_equal_have_no_outliers(values: np.ndarray) -> None:
    assert not outliers(values, above=True).any()
    assert not outliers(values, above=False).any()


def test_the_outlying_score_is_found(sound: list[UInt8Image]) -> None:
    scores = [1.0 + 0.01 * index for index in range(39)] + [5.0]
    assert doubts(sound, scores) == {"39.png": {"outlying"}}


def test_the_blurred_one_is_found(sound: list[UInt8Image]) -> None:
    sound = [*sound, cv2.GaussianBlur(textured(99), (0, 0), 2)]
    assert doubts(sound) == {"40.png": {"blurred"}}


def test_darker_light_is_no_blur(sound: list[UInt8Image]) -> None:
    dimmed = (textured(99) * 0.5).astype(np.uint8)
    assert doubts([*sound, dimmed]) == {}


def test_wrong_exposures_are_found(sound: list[UInt8Image]) -> None:
    bright = np.clip(textured(98).astype(int) + 120, 0, 255).astype(np.uint8)
    dark = np.clip(textured(99).astype(int) - 150, 0, 255).astype(np.uint8)
    found = doubts([*sound, bright, dark])
    assert "overexposed" in found["40.png"]
    assert "underexposed" in found["41.png"]
    assert set(found) == {"40.png", "41.png"}


def test_white_that_all_samples_have_is_no_suspicion(sound: list[UInt8Image]) -> None:
    framed = [picture.copy() for picture in sound]
    for picture in framed:
        picture[:20] = 255
    assert doubts(framed) == {}


def test_of_a_pair_nearly_the_same_the_later_is_named(sound: list[UInt8Image]) -> None:
    again = decoded(cv2.imencode(".jpg", sound[7][..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])[1].tobytes())
    assert doubts([*sound, again]) == {"40.png": {"duplicate"}}


def test_of_a_pair_the_far_less_sharp_one_is_named(sound: list[UInt8Image]) -> None:
    blurred = cv2.GaussianBlur(sound[7], (0, 0), 1)
    assert doubts([blurred, *sound]) == {"00.png": {"blurred", "duplicate"}}


def test_few_samples_cannot_tell() -> None:
    pictures = [textured(seed) for seed in range(FEWEST - 1)]
    assert doubts(pictures, [1.0] * (FEWEST - 2) + [50.0]) == {}


def test_a_look_is_measured() -> None:
    picture = np.full((64, 64, 3), 100, np.uint8)
    picture[:16] = DARKEST
    picture[16:48, :, 0] = BRIGHTEST
    look = look_of(picture)
    assert (look.dark, look.bright) == (0.25, 0.5)
    assert look_of(textured(0)).sharpness > 10 * look_of(cv2.GaussianBlur(textured(0), (0, 0), 3)).sharpness


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty good parts and a scratched one."""
    good = tmp_path_factory.mktemp("suspects") / "good"
    good.mkdir()
    for seed in range(20):
        (good / f"{seed:02d}.png").write_bytes(drawn_part(1000 + seed))
    (good / "zz <scratched>.png").write_bytes(drawn_part(1, scratched=True))
    return good


@pytest.fixture(scope="module")
def kept(folder: Path) -> Calibrated:
    return calibrate(folder, folder.parent / "kept", Options(recipe=RECIPE, folds=4))


@pytest.fixture(scope="module")
def excluded(folder: Path) -> Calibrated:
    return calibrate(folder, folder.parent / "excluded", Options(recipe=RECIPE, folds=4, exclude_suspects=True))


def test_calibration_names_the_scratched_part(kept: Calibrated) -> None:
    suspect = next(item for item in kept.suspects if item.name == "zz <scratched>.png")
    assert suspect.doubts[0].kind == "outlying"
    assert suspect.distance == max(item.distance for item in kept.suspects)
    assert suspect.heat.max() == pytest.approx(suspect.distance)
    assert kept.samples == 21
    assert kept.skipped == ()
    assert kept.left_out == 0


def test_calibration_tells_which_suspects_the_threshold_rests_on(kept: Calibrated, excluded: Calibrated) -> None:
    (said,) = (caveat for caveat in kept.caveats if "rests on" in caveat)
    assert "zz <scratched>.png" in said
    assert f"not {kept.thresholds.ok:.3g}" in said
    assert not any("rests on" in caveat for caveat in excluded.caveats)


def test_excluded_samples_are_neither_in_the_bank_nor_in_the_thresholds(
    kept: Calibrated, excluded: Calibrated, folder: Path, tmp_path: Path
) -> None:
    """A bank of the others, and of their patches those that others vouch for."""
    manifest = read_manifest(excluded.path)
    assert {item.name for item in excluded.suspects} >= {item.name for item in kept.suspects}
    assert {doubt.kind for item in kept.suspects for doubt in item.doubts} == {"outlying"}
    assert excluded.samples == 21 - len(excluded.suspects)
    assert [item.path.name for item in excluded.skipped] == [item.name for item in excluded.suspects]
    assert all(item.reason.startswith("suspicious: ") for item in excluded.skipped)
    assert manifest.lineage.operation == f"calibrate, {len(excluded.suspects)} suspects left out"
    assert read_manifest(kept.path).lineage.operation == "calibrate"
    assert 0 < excluded.left_out <= len(excluded.suspects) / 21
    without = Path(shutil.copytree(folder, tmp_path / "good"))
    for item in excluded.suspects:
        (without / item.name).unlink()
    alone = calibrate(without, tmp_path / "bank", Options(recipe=RECIPE, folds=4))
    assert manifest.samples == read_manifest(alone.path).samples
    assert (kept.trimmed, alone.trimmed) == (0, 0)
    assert 0 < excluded.trimmed < 0.15
    assert excluded.thresholds.ng < kept.thresholds.ng


def test_the_same_bytes_again(excluded: Calibrated, folder: Path, tmp_path: Path) -> None:
    again = calibrate(folder, tmp_path / "again", Options(recipe=RECIPE, folds=4, exclude_suspects=True))
    assert Bank.load(again.path).ref == Bank.load(excluded.path).ref


def test_too_few_that_remain_are_refused(folder: Path) -> None:
    samples = read_samples(folder, RECIPE)
    with pytest.raises(SamplesError, match="3 of 21 would remain without the suspects"):
        samples.without(dict.fromkeys(range(18), "odd"))


def test_the_contact_sheet_shows_them(kept: Calibrated, excluded: Calibrated, folder: Path, tmp_path: Path) -> None:
    path = write_contact_sheet(kept, folder, tmp_path / "report")
    page = path.read_text(encoding="utf-8")
    assert path.name == "calibration.html"
    assert f"Calibration of bank {kept.path} ({kept.bank_id}) from {folder}" in page
    assert f"of {kept.samples} to look at." in page
    assert "zz &lt;scratched&gt;.png" in page
    assert "<scratched>" not in page
    others = [item for item in kept.highest if item.name not in {each.name for each in kept.suspects}]
    assert 0 < len(others) < HIGHEST
    assert page.count("<img") == 2 * (len(kept.suspects) + len(others))
    told = page[page.index("The highest scores") :]
    assert [told.count(item.name) > 0 for item in kept.highest] == [item in others for item in kept.highest]
    assert "At the worst" not in page
    scores = {item.name: item.score for item in kept.highest}
    scratched = next(item for item in kept.suspects if item.name == "zz <scratched>.png")
    assert scores[scratched.name] == pytest.approx(kept.thresholds.ok)
    assert f"distance {score(scratched.distance)}, score {score(scores[scratched.name])}" in page
    told = {float(number) for number in re.findall(r"score ([0-9.]+)", page)}
    assert told == {float(score(item.score)) for item in kept.highest}
    page = write_contact_sheet(excluded, folder, tmp_path / "report").read_text(encoding="utf-8")
    assert "left out." in page
    assert "At the worst" in page


def test_a_sheet_of_one_suspect_speaks_of_one(kept: Calibrated, folder: Path, tmp_path: Path) -> None:
    one = replace(kept, suspects=kept.suspects[-1:])
    page = write_contact_sheet(one, folder, tmp_path).read_text(encoding="utf-8")
    assert re.findall(r'class="headline">([^<]+)<', page) == [
        "1 suspicious sample of 21 to look at.",
        "It is in the bank.",
    ]


def test_a_sheet_of_many_suspects_stays_bounded(kept: Calibrated, folder: Path, tmp_path: Path) -> None:
    many = tuple(
        Suspect(index, "00.png", float(index), kept.suspects[0].doubts, np.ones((4, 4), np.float32))
        for index in range(SHOWN + 5)
    )
    calibrated = Calibrated(**{key: getattr(kept, key) for key in kept.__slots__} | {"suspects": many})
    page = write_contact_sheet(calibrated, folder, tmp_path).read_text(encoding="utf-8")
    assert page.count("<img") == 2 * (SHOWN + len([item for item in kept.highest if item.name != "00.png"]))
    assert page.count("; distance ") == 5


def test_a_sheet_without_suspects_says_so(kept: Calibrated, folder: Path, tmp_path: Path) -> None:
    clean = Calibrated(**{key: getattr(kept, key) for key in kept.__slots__} | {"suspects": ()})
    page = write_contact_sheet(clean, folder, tmp_path).read_text(encoding="utf-8")
    assert "Nothing suspicious among 21 good samples." in page
    assert page.count("<img") == 2 * HIGHEST


def test_the_command_line_tells_of_them(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("size_wh: [64, 64]\nvectors: 64\n", encoding="utf-8")
    given = ["calibrate", str(folder), "--recipe", str(recipe), "--folds", "4", "-o"]
    with pytest.raises(SystemExit, match="0"):
        main([*given, str(tmp_path / "a"), "--report", str(tmp_path / "sheet")])
    said = capsys.readouterr().out
    assert f"{tmp_path / 'sheet' / 'calibration.html'} shows them" in " ".join(said.split())
    assert "outlying" in said
    assert "--exclude-suspects leaves them out" in said
    with pytest.raises(SystemExit, match="0"):
        main([*given, str(tmp_path / "b"), "--json", "--exclude-suspects", "--report", str(tmp_path / "r")])
    told = json.loads(capsys.readouterr().out)
    assert told["suspects_excluded"]
    assert told["suspects"][-1].keys() == {"path", "distance", "reasons"}
    assert told["suspects"][-1]["path"] == "zz <scratched>.png"
    assert "from what most others show" in told["suspects"][-1]["reasons"]["outlying"]
    assert Path(told["report"]).is_file()


def test_the_command_line_says_where_samples_are_too_few_for_suspects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_good(tmp_path / "good", FEWEST - 1)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("size_wh: [64, 64]\nvectors: 64\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["calibrate", str(good), "--recipe", str(recipe), "-o", str(tmp_path / "b"), "--exclude-suspects"])
    [said] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("suspects")]
    assert said == "suspects   none left out: 9 samples cannot tell, expected 10 at least"


@pytest.mark.parametrize("count", [2, 256, 257, 600])
def test_of_any_number_of_pictures_the_nearest_other_is_found(count: int) -> None:
    pictures = np.random.default_rng(count).uniform(0, 255, (count, 12)).astype(np.float32)
    nearest, distance = nearest_of(pictures)
    apart = np.sqrt(((pictures[:, None] - pictures[None]).astype(np.float64) ** 2).mean(2))
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_array_equal(nearest, apart.argmin(1))
    np.testing.assert_allclose(distance, apart.min(1), rtol=1e-5)
