"""What the study and the goals say is counted right."""

import json
from pathlib import Path

import numpy as np
import pytest
from banks import change_arrays, write_good

from benchmarks import goals, study
from benchmarks.report import continued, write
from calibration import separation as separating
from calibration.calibrate import Options, calibrate
from inspector.recipe import Recipe


def measured(seed: int, lift: float) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    normal = rng.normal(size=60)
    return {"normal": normal.tolist(), "defect": (normal + lift).tolist(), "pixel_auroc": 0.5}


def test_a_difference_is_told_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "DRAWS", 30)
    better, worse = ({"plate": measured(1, lift)} for lift in (2.0, 0.5))
    difference, error = study.compared(better, worse, ["plate"])
    assert 0 < error < difference / 2
    assert study.compared(worse, worse, ["plate"]) == (0.0, 0.0)
    shown = study.markdown({"first": worse, "second": better}, ["plate"])
    assert f"{difference:+.4f}" in shown


def test_figures_of_other_samples_are_not_paired() -> None:
    whole = {"plate": measured(1, 2.0)}
    part = {"plate": {key: scores[:36] for key, scores in whole["plate"].items() if isinstance(scores, list)}}
    with pytest.raises(SystemExit, match="plate: got figures of 36 and of 60 samples, expected the same ones"):
        study.compared(part, whole, ["plate"])


def test_all_variants_of_a_study_have_the_samples_that_the_largest_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of twelve samples, five fit at 384x384, and eleven at 256x256."""
    write_good(tmp_path / "plate" / "train" / "good", 12)
    write_good(tmp_path / "plate" / "test" / "good", 1)
    monkeypatch.setattr(separating, "MAX_BYTES", 5 * 2 * 48 * 48 * 128 * 4)
    for variant in ("plain distances", "384x384"):
        told = ["study", "--data", str(tmp_path), "--variant", variant, "--json", str(tmp_path / "study.json")]
        monkeypatch.setattr("sys.argv", told)
        study.main()
    variants = json.loads((tmp_path / "study.json").read_text("utf-8"))["variants"]
    assert [len(figures["plate"]["normal"]) for figures in variants.values()] == [5, 5]


def test_every_variant_is_a_recipe() -> None:
    for variant in study.VARIANTS:
        study.recipe_of(variant)


@pytest.mark.parametrize(("times", "verdict"), [(4.0, "not refuted"), (0.25, "broken")])
def test_of_a_budget_is_said_what_evaluate_would_say(tmp_path: Path, times: float, verdict: str) -> None:
    """Thirty frames without a reject do not show that it is kept."""
    good = write_good(tmp_path / "good", 24)
    calibrate(good, tmp_path / "bank", Options(recipe=Recipe(size_wh=(64, 64), vectors=64), folds=2))
    change_arrays(
        tmp_path / "bank" / "calibration.safetensors",
        lambda arrays: arrays.update(scores=(arrays["scores"] * times).astype(np.float32)),
    )
    frames = write_good(tmp_path / "test", 30, first_seed=500)
    rates = goals.kept(tmp_path / "bank", sorted(frames.iterdir()))
    assert list(rates) == ["0.05", "0.02", "0.01"]
    assert all(rate["of"] == 30 for rate in rates.values())
    assert {rate["verdict"] for rate in rates.values()} == {verdict}
    figures = {"samples": 24, "image_auroc": 0.9, "pixel_auroc": None, "aupro": None, "seconds": 2.0, "finetuned": None}
    figures |= {"recipe": {"whitening": 0.0}, "budgets": json.loads(json.dumps(rates))}
    sets = {"plate": {"all": figures}}
    shown = goals.markdown(sets)
    assert f"of 30), {verdict} |" in shown
    number = {"not refuted": 0, "broken": 0} | {verdict: 3}
    assert f"Of 3 budgets: 0 kept, {number['not refuted']} not refuted, {number['broken']} broken." in shown


def test_figures_of_another_backbone_are_not_continued(tmp_path: Path) -> None:
    ours = {"backbone": "builtin", "seed": 0, "sets": {}}
    assert continued(tmp_path / "none.json", ours, "backbone") is ours
    write({"backbone": "builtin", "seed": 1, "sets": {"tile": 1}}, tmp_path / "old.json")
    assert continued(tmp_path / "old.json", ours, "backbone")["sets"] == {"tile": 1}
    with pytest.raises(SystemExit, match=r"old\.json: holds figures of seed 1, asked: 0"):
        continued(tmp_path / "old.json", ours, "backbone", "seed")
