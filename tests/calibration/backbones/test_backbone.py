"""Backbones by name: what fits opens, what does not is one line that says why."""

import builtins
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save_file

from calibration.backbones import builtin
from calibration.backbones.backbone import open_backbone, open_banked
from calibration.backbones.export import MEAN, STD, embedding_graph
from inspector.bank import file_sha256
from inspector.engines.openvino import OpenVinoEngine
from inspector.errors import BackboneError
from inspector.recipe import Recipe

RECIPE = Recipe(size_wh=(64, 64))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights of a small timm network, classifier included, as timm names them."""
    timm = pytest.importorskip("timm")
    file = Path(tmp_path_factory.mktemp("weights")) / "resnet10t.safetensors"
    state = timm.create_model("resnet10t").state_dict()
    save_file({key: value.numpy() for key, value in state.items()}, file)
    return file


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fails the test where anything asks timm's hub."""
    hub = pytest.importorskip("timm.models._builder")

    def asked(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("the hub was asked")

    monkeypatch.setattr(hub, "load_state_dict_from_hf", asked)
    monkeypatch.setattr(hub, "load_state_dict_from_url", asked)
    return


def refused(name: str, recipe: Recipe = RECIPE) -> str:
    with pytest.raises(BackboneError) as caught:
        open_backbone(name, recipe)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_built_in_one_is_the_packaged_file() -> None:
    opened = open_backbone("builtin", RECIPE)
    assert opened.weights == builtin.default_weights_path().read_bytes()
    assert opened.info.weights_sha256 == file_sha256(builtin.default_weights_path())
    assert opened.info.layers == ("stride8", "stride16")
    assert (opened.info.mean, opened.info.std) == (MEAN, STD)


@pytest.mark.parametrize(("layers", "grid"), [(("stride4",), 16), (("stride16",), 4), (("stride4", "stride16"), 16)])
def test_a_recipe_chooses_the_layers(layers: tuple[str, ...], grid: int) -> None:
    recipe = Recipe(size_wh=(64, 64), layers=layers)
    opened = open_backbone("builtin", recipe)
    assert opened.info.layers == layers
    assert OpenVinoEngine(embedding_graph(opened.features, recipe)).grid[:2] == (grid, grid)


def test_a_layer_that_the_built_in_one_does_not_have() -> None:
    said = refused("builtin", Recipe(size_wh=(64, 64), layers=("layer2",)))
    assert said == "backbone builtin: no layer 'layer2'; it has stride4, stride8, stride16"


@pytest.mark.parametrize("name", ["", "resnet18", "timm", "timm:", "hub:resnet18", "Builtin"])
def test_a_name_that_is_none(name: str) -> None:
    assert "expected builtin, timm:NAME or timm:NAME@FILE" in refused(name)


@pytest.mark.usefixtures("no_hub")
def test_a_timm_network_with_weights_from_a_file(weights: Path) -> None:
    opened = open_backbone(f"timm:resnet10t@{weights}", RECIPE)
    assert opened.info.name == "timm:resnet10t"
    assert opened.info.layers == ("layer2", "layer3")
    assert opened.info.weights_sha256 == file_sha256(weights)
    graph = embedding_graph(opened.features, RECIPE, mean=opened.info.mean, std=opened.info.std)
    assert OpenVinoEngine(graph).grid == (8, 8, 128 + 256)


@pytest.mark.usefixtures("no_hub")
def test_the_banked_weights_are_those_of_the_file(weights: Path, tmp_path: Path) -> None:
    opened = open_backbone(f"timm:resnet10t@{weights}", RECIPE)
    original, banked = load_file(weights), load(opened.weights)
    shared = banked.keys() & original.keys()
    assert {"conv1.0.weight", "layer3.0.conv1.weight"} <= shared
    for key in shared:
        np.testing.assert_array_equal(banked[key], original[key])
    (tmp_path / "backbone.safetensors").write_bytes(opened.weights)
    reopened = open_banked(opened.info, tmp_path / "backbone.safetensors")
    for key, value in reopened.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), banked[key])


@pytest.mark.usefixtures("no_hub")
def test_layers_are_taken_finest_first_however_they_are_named(weights: Path) -> None:
    recipe = Recipe(size_wh=(64, 64), layers=("layer3", "layer1"))
    assert open_backbone(f"timm:resnet10t@{weights}", recipe).info.layers == ("layer1", "layer3")


@pytest.mark.usefixtures("no_hub")
def test_half_precision_weights_are_widened(weights: Path, tmp_path: Path) -> None:
    half = {k: v.astype(np.float16) if v.dtype == np.float32 else v for k, v in load_file(weights).items()}
    save_file(half, tmp_path / "half.safetensors")
    opened = open_backbone(f"timm:resnet10t@{tmp_path / 'half.safetensors'}", RECIPE)
    assert {value.dtype for key, value in load(opened.weights).items() if key.endswith("weight")} == {
        np.dtype(np.float32)
    }


@pytest.mark.usefixtures("no_hub")
def test_what_timm_does_not_have(weights: Path) -> None:
    assert "timm has no such model; near it: resnet" in refused(f"timm:resnet10x@{weights}")
    recipe = Recipe(size_wh=(64, 64), layers=("layer9",))
    assert "no layer 'layer9'; it has " in refused(f"timm:resnet10t@{weights}", recipe)


@pytest.mark.usefixtures("no_hub")
def test_weights_that_do_not_fit(weights: Path, tmp_path: Path) -> None:
    missing = tmp_path / "none.safetensors"
    assert f"{missing}: no such file; expected a safetensors file" in refused(f"timm:resnet10t@{missing}")
    pickled = tmp_path / "weights.pth"
    pickled.write_bytes(b"\x80\x04N.")
    assert "not a readable safetensors file" in refused(f"timm:resnet10t@{pickled}")
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(weights.read_bytes()[:100_000])
    assert "not a readable safetensors file" in refused(f"timm:resnet10t@{cut}")
    assert "arrays" in refused(f"timm:mobilenetv2_050@{weights}")
    assert "expected timm's key names for this model" in refused(f"timm:resnet34@{weights}")
    arrays = load_file(weights)
    arrays["layer1.0.conv1.weight"] = arrays["layer1.0.conv1.weight"][:, :7].copy()
    save_file(arrays, tmp_path / "odd.safetensors")
    assert "layer1.0.conv1.weight is (64, 7, 3, 3), expected (64, 64, 3, 3)" in refused(
        f"timm:resnet10t@{tmp_path / 'odd.safetensors'}"
    )


def test_the_hub_is_asked_only_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    create, asked = timm.create_model, []

    def offline(name: str, **options: Any) -> Any:
        asked.append(options.get("pretrained", False))
        if options.get("pretrained"):
            raise OSError("the hub cannot be reached")
        return create(name, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    said = refused("timm:resnet10t")
    assert said.startswith("backbone timm:resnet10t: the hub cannot be reached; without a network name a file: timm:")
    assert asked == [False, True]


def test_without_timm_the_error_says_what_to_install(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "timm":
            raise ModuleNotFoundError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert (
        "timm is not installed; install inspector[calibrate] from its wheels or its repository, or use builtin"
        in refused(f"timm:resnet10t@{weights}")
    )
    assert "nowhere: no such file" in refused("timm:resnet10t@nowhere")


@pytest.mark.usefixtures("no_hub")
def test_a_network_that_cannot_be_exported_at_this_size(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    timm = pytest.importorskip("timm")
    create = timm.create_model

    def picky(name: str, **options: Any) -> Any:
        model = create(name, **options)

        def check(module: Any, inputs: Any) -> None:
            raise AssertionError("Input height (64) doesn't match model (224).")

        model.register_forward_pre_hook(check)
        return model

    monkeypatch.setattr(timm, "create_model", picky)
    opened = open_backbone(f"timm:resnet10t@{weights}", RECIPE)
    with pytest.raises(BackboneError, match=r"timm:resnet10t: cannot be exported for 64x64 pictures .*\(224\)") as said:
        embedding_graph(opened.features, RECIPE)
    assert "\n" not in str(said.value)
    assert torch.is_grad_enabled()


@pytest.mark.usefixtures("no_hub")
def test_a_network_whose_maps_have_channels_last_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timm = pytest.importorskip("timm")
    create = timm.create_model

    def small(name: str, **options: Any) -> Any:
        return create(
            name, img_size=64, embed_dim=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 1, 1), window_size=2, **options
        )

    monkeypatch.setattr(timm, "create_model", small)
    swin = "swin_tiny_patch4_window7_224"
    arrays = {key: value.numpy() for key, value in small(swin, features_only=True).state_dict().items()}
    save_file(arrays, tmp_path / "swin.safetensors")
    opened = open_backbone(f"timm:{swin}@{tmp_path / 'swin.safetensors'}", RECIPE)
    with pytest.raises(BackboneError, match=r"has maps of 8 channels where 16 were expected.*a convolutional"):
        opened.graph()


def test_damaged_packaged_weights_are_met_before_anything_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for source in (builtin.default_weights_path(), builtin.default_weights_path().with_suffix(".json")):
        shutil.copy(source, tmp_path)
    damaged = tmp_path / builtin.default_weights_path().name
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    monkeypatch.setattr(builtin, "default_weights_path", lambda: damaged)
    assert "damaged" in refused("builtin")
