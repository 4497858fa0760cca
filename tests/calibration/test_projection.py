"""The metric and the head: what they are by definition, learnt from what can be checked, the same in every engine."""

import json
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
import torch
from banks import change_manifest, write_good
from line import drawn_part
from openvino import opset13 as ops
from safetensors.numpy import load_file, save_file

from calibration.backbones.backbone import open_backbone
from calibration.bench import Bench
from calibration.calibrate import Options, calibrate
from calibration.defects import KINDS
from calibration.finetuning import finetune as tuning
from calibration.finetuning import head as heads
from calibration.finetuning import planting
from calibration.finetuning.head import HIDDEN, Head, Lesson, loss, train
from calibration.finetuning.planting import gather, in_turn
from calibration.finetuning.trial import HeadTrial
from calibration.metric import COMPONENTS, Metric, learn
from calibration.pool import Patches
from calibration.projection import FILE, Projection
from calibration.samples import read_samples
from inspector.bank import Bank, file_sha256
from inspector.cli import main
from inspector.engines import TOLERANCE, open_engine
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError, SamplesError
from inspector.manifest import read_manifest
from inspector.pipeline import Pipeline
from inspector.progress import silent
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours

RECIPE = Recipe(size_wh=(96, 96), vectors=64, whitening=1)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of enough patches to have a metric."""
    folder = tmp_path_factory.mktemp("measured")
    calibrate(write_good(folder / "good", 20), folder / "bank", Options(recipe=RECIPE, folds=2))
    return folder / "bank"


def head(dim: int, seed: int = 0, gain: float = 2.0) -> Head:
    rng = np.random.default_rng(seed)
    shapes = ((dim, HIDDEN), (HIDDEN,), (HIDDEN,), (1,))
    return Head(*(rng.normal(size=shape).astype(np.float32) for shape in shapes), np.array([gain], np.float32))


def patches(vectors: np.ndarray, source: int) -> Patches:
    count = len(vectors)
    return Patches(vectors.astype(np.float32), np.full(count, source, np.int32), np.zeros((count, 2), np.int32))


def test_the_metric_evens_out_the_directions_in_which_normal_patches_spread() -> None:
    rng = np.random.default_rng(0)
    spread = np.array([1, 1, 1, 20, 1, 1, 1, 1])
    drawn = patches(rng.normal(size=(900, 8)) * spread + 3, 0)
    metric = learn(drawn, 1.0)
    assert metric is not None
    assert metric.weights.dtype == metric.offset.dtype == np.float32
    usual, other = (np.linalg.norm(metric.weights[axis]) for axis in (3, 5))
    assert other > 2 * usual
    mapped = metric.apply(drawn.vectors)
    np.testing.assert_allclose(mapped.mean(0), 0, atol=1e-3)
    correlations = np.corrcoef(mapped.T) - np.eye(8)
    assert np.abs(correlations).max() < 1e-3
    assert mapped.var(0).sum() == pytest.approx(drawn.vectors.var(0).sum(), rel=1e-3)
    assert (np.diff(mapped.var(0)) <= 1e-3).all()  # what normal patches spread over most comes first
    same = learn(drawn, 0.0)
    assert same is not None
    np.testing.assert_allclose(same.weights @ same.weights.T, np.eye(8), atol=1e-4)


def test_the_metric_shortens_long_vectors() -> None:
    long = patches(np.random.default_rng(0).normal(size=(1800, COMPONENTS + 40)), 0)
    metric = learn(long, 1.0)
    assert metric is not None
    assert metric.weights.shape == (COMPONENTS + 40, COMPONENTS)


def test_samples_that_cannot_tell_have_no_metric() -> None:
    rng = np.random.default_rng(0)
    assert learn(patches(np.ones((200, 8)), 0), 1.0) is None
    assert learn(patches(rng.normal(size=(79, 8)), 0), 1.0) is None
    assert learn(patches(rng.normal(size=(80, 8)), 0), 1.0) is not None


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=shape) for shape in ((5, 7), (7,), (7,), (1,))]
    x, labels = rng.normal(size=(40, 5)), (rng.random(40) < 0.3).astype(float)
    importance, keep = rng.random(40), (rng.random((40, 7)) < 0.7) / 0.7
    _, gradients = loss(weights, x, labels, importance, keep)
    for array, gradient in zip(weights, gradients, strict=True):
        for place in list(np.ndindex(array.shape))[::3]:
            kept = array[place]
            array[place] = kept + 1e-5
            above, _ = loss(weights, x, labels, importance, keep)
            array[place] = kept - 1e-5
            below, _ = loss(weights, x, labels, importance, keep)
            array[place] = kept
            assert gradient[place] == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_a_trained_head_tells_defects_apart_and_is_silent_on_normal_patches() -> None:
    rng = np.random.default_rng(2)
    normal = rng.normal(size=(3000, 12)) + 5
    strange = rng.normal(size=(600, 12)) + 5
    strange[:, 4] += 6 * np.sign(rng.normal(size=600))  # on both sides: no plane parts them
    lesson = Lesson(*(part.astype(np.float32) for part in (strange[:300], normal[:1000], normal[1000:2000])))
    first, again = (train(lesson, np.random.default_rng(0)) for _ in range(2))
    assert first.logits(strange[300:].astype(np.float32)).mean() > 1
    assert np.quantile(first.alarm(normal[2000:].astype(np.float32)), 0.9) < 0.3
    for one, other in zip(first.arrays().values(), again.arrays().values(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("parts", ["metric", "head", "both"])
def test_openvino_torch_and_numpy_agree(parts: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    weights, offset = rng.normal(size=(10, 6)).astype(np.float32), rng.normal(size=6).astype(np.float32)
    metric = Metric(weights, offset) if parts != "head" else None
    projection = Projection(metric, head(10) if parts != "metric" else None)
    embeddings = rng.normal(size=(1, 4, 5, 10)).astype(np.float32)
    expected = projection.apply(embeddings)
    projection.save(tmp_path / FILE)
    loaded = Projection.load(tmp_path / FILE)
    np.testing.assert_array_equal(loaded.apply(embeddings), expected)
    np.testing.assert_allclose(loaded.torch()(torch.from_numpy(embeddings)).numpy(), expected, rtol=1e-4, atol=1e-4)
    fused = ops.parameter([1, 10, 4, 5], np.float32)
    compiled = ov.Core().compile_model(
        ov.Model([ops.result(loaded.openvino(fused.output(0)))], [fused], "projected"),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    got = compiled([embeddings.transpose(0, 3, 1, 2)])[0]
    np.testing.assert_allclose(got.transpose(0, 2, 3, 1), expected, rtol=1e-4, atol=1e-4)


def test_what_is_no_projection_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"x")
    save_file({"weights": np.zeros(3, np.float32)}, tmp_path / "flat")
    for name, said in (("torn", "cannot be read"), ("flat", "expected"), ("missing", "cannot be read")):
        with pytest.raises(BackboneError, match=said):
            Projection.load(tmp_path / name)


def test_a_bank_holds_its_metric_and_its_engines_agree(measured: Path) -> None:
    weights = load_file(measured / FILE)["weights"]
    loaded = Bank.load(measured)
    assert weights.shape == (128, loaded.manifest.dim)
    width, height = loaded.recipe.size_wh
    picture = np.random.default_rng(0).integers(0, 255, (1, height, width, 3), np.uint8)
    openvino, reference = (open_engine(name, measured).embed(picture) for name in ("openvino", "torch:cpu"))
    assert np.abs(openvino - reference).max() <= TOLERANCE * np.abs(reference).max()


def test_a_metric_that_a_fold_less_cannot_tell_is_none_for_all(tmp_path: Path) -> None:
    """20 samples of 64 patches are just enough, 16 are not: scores and thresholds keep to one measure."""
    good = write_good(tmp_path / "good", 20)
    recipe = Recipe(size_wh=(64, 64), vectors=256, whitening=1)
    found = calibrate(good, tmp_path / "bank", Options(recipe=recipe))
    assert not (found.path / FILE).exists()
    pipeline = Pipeline.open(found.path)
    unseen = [pipeline.inspect(drawn_part(seed)).score for seed in range(1000, 1020)]
    assert np.median(unseen) == pytest.approx(np.median(pipeline.bank.normal_scores), rel=0.2)


def test_a_sample_finds_itself_in_the_bank(tmp_path: Path) -> None:
    """The bank's vectors are projected in calibration, frames in the graph: the same but for rounding."""
    good = write_good(tmp_path / "good", 20)
    everything = RECIPE.model_copy(update={"vectors": 4000})
    calibrate(good, tmp_path / "bank", Options(recipe=everything, folds=2))
    pipeline = Pipeline.open(tmp_path / "bank")
    assert len(pipeline.bank.vectors) == 20 * 144
    assert (tmp_path / "bank" / FILE).exists()
    for sample in pipeline.bank.manifest.samples[:5]:
        assert pipeline.inspect((good / sample.path).read_bytes()).score < 0.02 * pipeline.bank.thresholds.ok


def test_a_bank_from_before_metric_and_centring_still_opens_and_says_so(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 5)
    plain = RECIPE.model_copy(update={"whitening": 0.0, "centring": 0.0})
    calibrate(good, tmp_path / "bank", Options(recipe=plain, folds=2))
    assert not (tmp_path / "bank" / FILE).exists()
    before = Pipeline.open(tmp_path / "bank").inspect(drawn_part(7)).score
    for key in ("whitening", "centring"):
        change_manifest(tmp_path / "bank", lambda manifest, key=key: manifest["recipe"].pop(key))
    for engine in ("openvino", "torch:cpu"):
        opened = Pipeline.open(tmp_path / "bank", engine=engine)
        assert (opened.bank.recipe.whitening, opened.bank.recipe.centring) == (0, 0)
        assert opened.inspect(drawn_part(7)).score == pytest.approx(before, rel=5e-3 if engine != "openvino" else 0)


@pytest.mark.parametrize("samples", [10, 11, 14, 19, 20, 200])
def test_each_sample_meets_each_kind_of_defect_in_turn(samples: int) -> None:
    kinds = len(KINDS)
    planted = in_turn(samples * kinds, samples)
    assert len(set(planted)) == samples * kinds
    for first in range(0, len(planted), samples):
        assert [which for which, _ in planted[first : first + samples]] == list(range(samples))
    assert {what for _, what in planted[:kinds]} == set(range(kinds))


def test_fine_tuning_is_judged_told_and_repeatable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planting, "PLANTED", 60)
    monkeypatch.setattr(heads, "STEPS", 40)
    good = write_good(tmp_path / "good", 12)
    options = Options(recipe=RECIPE, folds=2, finetune=True)
    done = calibrate(good, tmp_path / "one", options)
    calibrate(good, tmp_path / "two", options)
    assert done.tuned is not None
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    assert manifest == json.loads((tmp_path / "two" / "manifest.json").read_text())
    assert manifest["lineage"]["operation"] == f"calibrate, {done.tuned.said}"
    kept = done.tuned.head is not None
    assert kept == (done.tuned.after - done.tuned.before >= 0.005)
    assert done.tuned.said.startswith("fine-tuned" if kept else "fine-tuning not kept")
    file = tmp_path / "one" / FILE
    assert (file.exists() and "gain" in load_file(file)) == kept
    pipeline = Pipeline.open(tmp_path / "one")
    assert pipeline.inspect(drawn_part(3, scratched=True)).score > pipeline.inspect(drawn_part(3)).score


def test_a_head_is_judged_against_banks_in_all_lights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patches of a sample in another light lie in the bank of the half that it belongs to, and in no other."""
    monkeypatch.setattr(planting, "PLANTED", 10)
    recipe = RECIPE.model_copy(update={"light": 0.3, "vectors": 20_000, "whitening": 0.0})
    engine = OpenVinoEngine(open_backbone("builtin", recipe).graph())
    samples = read_samples(write_good(tmp_path / "good", 4), recipe)
    bench = Bench(samples, recipe, engine, np.zeros(4, np.int32), 0, silent)
    material = gather(bench)
    trial = HeadTrial(material, bench)
    seen = trial._half != 0
    vectors, _ = trial._bank(0, seen)
    for number in range(4):
        own = bench.embed(bench.picture(number), number).reshape(-1, engine.grid[2])
        np.testing.assert_array_equal(material.normal[number], own)
        for picture, _ in bench.placed(number):
            embedded = bench.embed(picture, number)
            away, _ = NearestNeighbours(vectors).search(embedded.reshape(-1, engine.grid[2]))
            assert (away.max() < 1e-2) == seen[number]


def test_too_few_samples_to_fine_tune(tmp_path: Path) -> None:
    good = write_good(tmp_path / "good", 6)
    with pytest.raises(SamplesError, match="got 6 samples, expected at least 10"):
        calibrate(good, tmp_path / "bank", Options(recipe=RECIPE, folds=2, finetune=True))
    assert not (tmp_path / "bank").exists()


def test_a_bank_is_fine_tuned_as_it_was_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planting, "PLANTED", 60)
    monkeypatch.setattr(heads, "STEPS", 20)
    monkeypatch.setattr(tuning, "LEAST_GAIN", -1.0)  # kept, whatever it brings
    good = write_good(tmp_path / "good", 12)
    plain = Options(recipe=RECIPE, folds=3, seed=4, max_false_reject=0.1)
    calibrate(good, tmp_path / "plain", plain)
    before = read_manifest(tmp_path / "plain")
    with pytest.raises(SystemExit) as left:
        main(["finetune", str(tmp_path / "plain"), str(good), "-o", str(tmp_path / "tuned"), "--json"])
    assert left.value.code == 0
    after = read_manifest(tmp_path / "tuned")
    assert after.recipe == before.recipe
    assert (after.seed, after.calibration.folds, after.dim) == (4, 3, before.dim + 1)
    assert after.calibration.promise.max_false_reject == 0.1
    assert after.lineage.parent == file_sha256(tmp_path / "plain" / "manifest.json")
    assert after.lineage.operation.startswith("calibrate, fine-tuned, separation of held-back synthetic defects 0.")
    one = np.random.default_rng(0).integers(0, 255, (1, 96, 96, 3), np.uint8)
    openvino, reference = (open_engine(name, tmp_path / "tuned").embed(one) for name in ("openvino", "torch:cpu"))
    assert np.abs(openvino - reference).max() <= TOLERANCE * np.abs(reference).max()
