"""Engines agree, and what they say of a picture depends on that picture alone."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from banks import write_good
from line import drawn_part
from safetensors.numpy import save_file

from calibration.calibrate import Options, calibrate
from inspector import engines, frame
from inspector.bank import Bank
from inspector.engines import TOLERANCE, open_engine
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import EngineError, InferenceError
from inspector.patches import picture_of
from inspector.pipeline import Pipeline
from inspector.planes import Planes
from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours
from inspector.types import UInt8Image


@pytest.fixture(scope="module")
def timm_bank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bank of a timm network with random weights from a file; wider than high, so that axes cannot be swapped."""
    timm = pytest.importorskip("timm")
    torch = pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("timm")
    torch.manual_seed(0)
    model = timm.create_model("resnet10t")
    save_file({key: value.numpy() for key, value in model.state_dict().items()}, folder / "weights.safetensors")
    recipe = Recipe(name="wide", size_wh=(96, 64), vectors=16, pooling=5)
    options = Options(recipe=recipe, backbone=f"timm:resnet10t@{folder / 'weights.safetensors'}", folds=2)
    calibrate(write_good(folder / "good", 4), folder / "bank", options)
    return folder / "bank"


@pytest.fixture(params=["builtin", "timm"])
def either_bank(request: pytest.FixtureRequest, bank: Path) -> Path:
    return bank if request.param == "builtin" else request.getfixturevalue("timm_bank")


def pictures(bank: Path, count: int = 5) -> UInt8Image:
    """Good and scratched parts, noise and black, at the size of the bank's recipe."""
    recipe = Bank.load(bank).recipe
    width, height = recipe.size_wh
    drawn = [
        picture_of(frame.decode(drawn_part(seed, scratched=seed % 2 == 1)), recipe)[0] for seed in range(count - 2)
    ]
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.stack([*drawn, noise, np.zeros((height, width, 3), np.uint8)])


def test_torch_and_openvino_agree_within_the_stated_tolerance(either_bank: Path) -> None:
    images = pictures(either_bank)
    plain = open_engine("openvino", either_bank).embed(images)
    reference = open_engine("torch:cpu", either_bank).embed(images)
    manifest = Bank.load(either_bank).manifest
    assert plain.shape == reference.shape == (5, *manifest.grid_hw, manifest.dim)
    assert plain.dtype == reference.dtype == np.float32
    for one, other in zip(plain, reference, strict=True):
        assert np.abs(one - other).max() <= TOLERANCE * np.abs(other).max()


def test_engines_that_agree_decide_alike(either_bank: Path) -> None:
    plain, reference = (Pipeline.open(either_bank, engine=name) for name in ("openvino", "torch:cpu"))
    for seed in range(4):
        payload = drawn_part(seed, scratched=True)
        one, other = plain.inspect(payload), reference.inspect(payload)
        assert one.score == pytest.approx(other.score, rel=5e-3)
        assert one.decision is other.decision


@pytest.mark.parametrize("plane", [0, 32])
@pytest.mark.parametrize("k", [1, 3])
def test_openvino_searches_as_faiss_does(bank: Path, k: int, plane: int) -> None:
    manifest, vectors = Bank.load(bank).manifest, Bank.load(bank).vectors
    engine = open_engine("openvino", bank)
    queries = engine.embed(pictures(bank))[0].reshape(-1, manifest.dim)
    found = engine.distances(vectors, k, len(queries), Planes(vectors, plane) if plane else None)
    assert found is not None
    got, expected = found(queries), NearestNeighbours(vectors, k, plane).distances(queries)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4 * float(expected.max()))
    if not plane:
        assert (np.diff(got, axis=1) >= 0).all()


def test_a_search_for_the_patches_of_a_large_frame_takes_little_memory(bank: Path) -> None:
    """65,536 of them, against 2,048 vectors: all distances at once would be 512 MB."""
    program = """
import resource, sys
from pathlib import Path
import numpy as np
from inspector.engines import open_engine
from inspector.scoring import NearestNeighbours
rng = np.random.default_rng(0)
vectors, queries = (rng.normal(size=(count, 16)).astype(np.float32) for count in (2048, 65_537))
search = open_engine("openvino", Path(sys.argv[1])).distances(vectors, 1, len(queries))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = search(queries)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
np.testing.assert_allclose(found, NearestNeighbours(vectors).distances(queries), rtol=1e-4, atol=1e-4)
"""
    command = [sys.executable, "-c", program, str(bank)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 100_000  # kB


def test_an_openvino_search_of_its_own_vectors_finds_them(bank: Path) -> None:
    vectors = Bank.load(bank).vectors
    found = open_engine("openvino", bank).distances(vectors, len(vectors) + 5, len(vectors))
    assert found is not None
    distances = found(vectors)
    assert distances.shape == (len(vectors), len(vectors))
    assert distances[:, 0].max() <= 2e-3 * np.linalg.norm(vectors, axis=1).max()


def test_openvino_embeds_a_picture_the_same_in_any_company(either_bank: Path) -> None:
    images = pictures(either_bank)
    engine = open_engine("auto", either_bank)
    together = engine.embed(images)
    for index in reversed(range(len(images))):
        np.testing.assert_array_equal(engine.embed(images[index : index + 1])[0], together[index])
    np.testing.assert_array_equal(engine.embed(images[::-1])[::-1], together)


def test_torch_embeds_a_picture_the_same_in_any_company(either_bank: Path) -> None:
    images = pictures(either_bank)
    engine = open_engine("torch:cpu", either_bank)
    together = engine.embed(images)
    for index, image in enumerate(images):
        np.testing.assert_allclose(
            engine.embed(image[None])[0], together[index], atol=TOLERANCE / 10 * np.abs(together).max()
        )


def test_torch_embeds_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    from inspector.engines.torch import TorchEngine

    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # as it is where nobody sets it

    class Told(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, _images: object) -> object:
            self.tf32 = torch.backends.cudnn.allow_tf32
            return torch.zeros((1, 1, 1, 1))

    told = Told()
    TorchEngine(told, "cpu").embed(np.zeros((1, 8, 8, 3), np.uint8))
    assert told.tf32 is False


def test_an_embedding_is_the_callers_to_keep(bank: Path) -> None:
    images = pictures(bank)
    engine = open_engine("auto", bank)
    first = engine.embed(images[:1])
    kept = first.copy()
    engine.embed(images[1:2])
    np.testing.assert_array_equal(first, kept)


def test_no_pictures_no_embeddings(bank: Path) -> None:
    assert open_engine("auto", bank).embed(np.zeros((0, 64, 64, 3), np.uint8)).shape[0] == 0


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 32, 64, 3), np.uint8), np.zeros((1, 64, 64, 3), np.float32), np.zeros((1, 64, 64, 4), np.uint8)],
    ids=["size", "type", "channels"],
)
def test_openvino_refuses_pictures_of_another_shape(bank: Path, images: np.ndarray) -> None:
    with pytest.raises(InferenceError, match=r"expected uint8 \('n', 64, 64, 3\)"):
        open_engine("openvino", bank).embed(images)


def test_engines_say_what_ran(bank: Path) -> None:
    assert open_engine("auto", bank).name.startswith("openvino 20")
    assert open_engine("torch:cpu", bank).name.endswith("cpu f32")


def test_a_graph_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="openvino: cannot run") as caught:
        OpenVinoEngine(tmp_path / "graph.xml")
    assert "\n" not in str(caught.value)


def test_a_search_that_cannot_be_compiled(bank: Path) -> None:
    engine = OpenVinoEngine(bank / "graph.xml")
    with pytest.raises(EngineError, match=r"openvino: cannot search among 5 vectors: .*TopK"):
        engine.distances(np.zeros((5, 8), np.float32), 0, 4)


def test_cuda_where_there_is_none(bank: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    with pytest.raises(EngineError, match="no CUDA device; use openvino or torch:cpu"):
        open_engine("torch:cuda", bank)
    assert "cpu" in open_engine("torch", bank).name


def test_cuda_agrees_with_openvino(either_bank: Path) -> None:
    if not pytest.importorskip("torch").cuda.is_available():
        pytest.skip("this machine has no CUDA device")
    images = pictures(either_bank)
    plain = open_engine("openvino", either_bank).embed(images)
    cuda = open_engine("torch:cuda", either_bank).embed(images)
    assert np.abs(plain - cuda).max() <= TOLERANCE * np.abs(plain).max()


def test_without_torch_the_error_says_what_to_install(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"torch is not installed; use engine openvino, or install inspector\[cal"):
        open_engine("torch", bank)


AFTER_TWO_ENGINES = """
import gc, pathlib, signal, sys
from inspector.pipeline import Pipeline
pipelines = [Pipeline.open(pathlib.Path(sys.argv[1])) for _ in range(2)]
while pipelines:
    pipelines.pop(0)
    gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print("heard"))
signal.raise_signal(signal.SIGTERM)
"""


def test_a_process_whose_engines_are_closed_still_hears_signals(bank: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", AFTER_TWO_ENGINES, str(bank)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "heard\n")
