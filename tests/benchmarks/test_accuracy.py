"""The accuracy benchmark on a drawn product, small enough for every day; without the peer."""

import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, turns
from benchmarks.ours import command, data_sets, pixel_figures, save_pictures
from benchmarks.rival import RivalError, running_rival
from calibration.evaluation.cases import find_cases
from inspector.pipeline import Pipeline
from inspector.recipe import Recipe
from inspector.synthetic import DefectKind, write_dataset


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of eight good samples and two test pictures of each sort."""
    folder = tmp_path_factory.mktemp("data") / "plate"
    write_dataset(folder, train_good=8, test_good=2, per_defect=2, kinds=tuple(DefectKind)[:1], size=96)
    return folder


def test_measures_ours_and_says_that_the_peer_is_missing(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "ROUNDS", 1)
    bench = accuracy.Bench(drawn, tmp_path / "none.safetensors", tmp_path / "work", 6)
    found = {seed: bench.ours("builtin", 64, seed) for seed in (0, 1)}
    assert (found[0]["samples"], found[0]["vectors"]) == (6, 64)
    assert 0 <= found[0]["image_auroc"] <= 1
    assert found[0]["calibrate_peak_mb"] > 50
    payloads = [case.path.read_bytes() for case in find_cases(drawn / "test")]
    pipeline = Pipeline.open(tmp_path / "work" / "builtin")
    told = turns.latency({"same": pipeline, "builtin": pipeline}, {}, payloads, tmp_path)
    assert told["ours"]["same"]["total"]["n"] == turns.BURST
    assert told["ours"]["same"]["total"]["p50"] > told["ours"]["same"]["embed"]["p50"] > 0
    seeds = {str(seed): {"same": one, "builtin": one, "finetuned": one} for seed, one in found.items()}
    shown = accuracy.markdown(
        {
            "machine": {"processor": "any", "cores": 2},
            "recipe": {"samples": 6, "vectors": 64},
            "sets": {"plate": {"seeds": seeds, "latency": told}},
        }
    )
    areas = [one["image_auroc"] for one in found.values()]
    cell = f"{np.mean(areas):.3f} ± {np.std(areas, ddof=1):.3f}"
    assert f"| plate | {cell} | {cell} | {cell} |\n| mean | {cell} |" in shown
    assert "mean of seeds 0, 1 ± standard deviation" in shown
    assert "No peer" in shown


def test_the_peer_is_judged_by_the_rules_of_evaluate(drawn: Path, tmp_path: Path) -> None:
    command("calibrate", drawn / "train" / "good", "-o", tmp_path / "bank", "--limit", 4)
    cases = find_cases(drawn / "test")
    pipeline = Pipeline.open(tmp_path / "bank")
    maps = np.stack([pipeline.inspect(case.path.read_bytes()).anomaly_map for case in cases])
    evaluated = command("evaluate", tmp_path / "bank", drawn / "test").document
    assert pixel_figures(maps.astype(np.float16), cases).auroc == pytest.approx(evaluated["pixel_auroc"], abs=1e-3)


def test_a_python_without_anomalib_is_no_peer(tmp_path: Path) -> None:
    with (
        pytest.raises(RivalError, match=r"ended at 'open': .*anomalib"),
        running_rival(Path(sys.executable), tmp_path / "none.safetensors", tmp_path / "log"),
    ):
        pass


def test_pictures_for_the_peer_are_what_the_recipe_makes(drawn: Path, tmp_path: Path) -> None:
    save_pictures([case.path for case in find_cases(drawn / "test")], Recipe(), tmp_path / "test.npy")
    pictures = np.load(tmp_path / "test.npy")
    assert (pictures.shape, pictures.dtype) == ((4, 256, 256, 3), np.uint8)


def test_a_bank_of_the_peer_is_taken_up_only_for_the_same_pixels_weights_and_vectors(tmp_path: Path) -> None:
    good, weights = tmp_path / "good.npy", tmp_path / "timm-one.safetensors"
    np.save(good, np.zeros((4, 8, 8, 3), np.uint8))

    def folder(weights: Path, vectors: int, seed: int = 0) -> Path:
        return accuracy.peer_folder(tmp_path, good, weights, vectors, seed)

    first = folder(weights, 2048)
    assert first == folder(weights, 2048)
    others = {folder(weights, 4096), folder(weights, 2048, 1), folder(tmp_path / "timm-other.safetensors", 2048)}
    np.save(good, np.ones((4, 8, 8, 3), np.uint8))
    assert len({first, *others, folder(weights, 2048)}) == 5


def test_a_failed_command_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"inspector evaluate: exit code 1: .*no manifest"):
        command("evaluate", tmp_path / "nowhere", tmp_path)


def test_a_folder_without_data_sets_is_told(drawn: Path, tmp_path: Path) -> None:
    assert data_sets(drawn.parent) == [drawn]
    with pytest.raises(SystemExit, match="no data set"):
        data_sets(tmp_path)
