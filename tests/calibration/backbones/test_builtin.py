"""The built-in backbone: one file, two engines, the same numbers; damage is refused."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops
from safetensors.numpy import load_file, save_file

from calibration.backbones.builtin import (
    LAYERS,
    Block,
    BuiltinWeights,
    NetSpec,
    Tap,
    default_weights_path,
    load_weights,
    openvino_features,
    torch_features,
)
from inspector.errors import BackboneError


@pytest.fixture(scope="module")
def weights() -> BuiltinWeights:
    return load_weights()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The packaged files, somewhere they may be damaged."""
    for source in (default_weights_path(), default_weights_path().with_suffix(".json")):
        shutil.copy(source, tmp_path)
    return tmp_path / "builtin.safetensors"


def compiled(weights: BuiltinWeights, layers: tuple[str, ...], height: int, width: int) -> ov.CompiledModel:
    image = ops.parameter([1, 3, height, width], np.float32)
    results = [ops.result(output) for output in openvino_features(image, weights, layers)]
    config = {"INFERENCE_PRECISION_HINT": "f32"}
    return ov.Core().compile_model(ov.Model(results, [image]), "CPU", config)


def pixels(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((1, 3, height, width), dtype=np.float32)


@pytest.mark.parametrize(("height", "width"), [(256, 256), (97, 161), (33, 64)])
def test_openvino_and_torch_agree_at_any_size(weights: BuiltinWeights, height: int, width: int) -> None:
    import torch

    image = pixels(height, width)
    plain = compiled(weights, LAYERS, height, width)(image)
    reference = torch_features(weights, LAYERS)(torch.from_numpy(image))
    for index, (expected, stride) in enumerate(zip(reference, (4, 8, 16), strict=True)):
        got = plain[index]
        assert got.shape == (1, weights.spec.channels(LAYERS)[index], -(-height // stride), -(-width // stride))
        np.testing.assert_allclose(got, expected.numpy(), rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_layers_come_in_the_order_asked_and_the_rest_is_pruned(weights: BuiltinWeights) -> None:
    image = pixels(64, 64)
    whole = compiled(weights, LAYERS, 64, 64)(image)
    swapped = compiled(weights, ("stride16", "stride8"), 64, 64)(image)
    np.testing.assert_array_equal(swapped[0], whole[2])
    np.testing.assert_array_equal(swapped[1], whole[1])
    node = ops.parameter([1, 3, 64, 64], np.float32)
    shallow = ov.Model([ops.result(o) for o in openvino_features(node, weights, ("stride4",))], [node])
    convolutions = [op for op in shallow.get_ops() if op.get_type_name().endswith("Convolution")]
    needed = [name for name in weights.spec.upto(("stride4",)).shapes() if name.endswith(".weight")]
    assert len(convolutions) == len(needed) < len(weights.spec.shapes()) // 4


@pytest.mark.parametrize("layers", [(), ("stride32",), ("stride8", "stride8")])
def test_layers_that_do_not_exist_are_refused(weights: BuiltinWeights, layers: tuple[str, ...]) -> None:
    with pytest.raises(BackboneError, match="expected one or more of"):
        torch_features(weights, layers)


def test_the_file_is_as_small_as_promised(weights: BuiltinWeights) -> None:
    assert sum(array.size for array in weights.arrays.values()) <= 4_000_000
    assert default_weights_path().stat().st_size <= 6_000_000


def test_the_digest_is_that_of_the_card(weights: BuiltinWeights) -> None:
    card = json.loads(default_weights_path().with_suffix(".json").read_text())
    assert card["sha256"] == weights.digest


def test_a_flipped_bit_is_refused_with_both_digests(copied: Path, weights: BuiltinWeights) -> None:
    payload = bytearray(copied.read_bytes())
    payload[len(payload) // 2] ^= 1
    copied.write_bytes(payload)
    with pytest.raises(BackboneError, match=f"{copied}.*got sha256 [0-9a-f]{{64}}, expected {weights.digest}"):
        load_weights(copied)


def test_a_missing_file_is_named_with_the_digest_it_should_have(copied: Path, weights: BuiltinWeights) -> None:
    copied.unlink()
    with pytest.raises(BackboneError, match=f"{copied}.*No such file.*{weights.digest}.*reinstall"):
        load_weights(copied)


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_a_damaged_card_is_refused(copied: Path, text: str) -> None:
    copied.with_suffix(".json").write_text(text)
    with pytest.raises(BackboneError, match=r"builtin\.json: no field 'sha256'"):
        load_weights(copied)


def test_a_missing_card_is_refused(copied: Path) -> None:
    copied.with_suffix(".json").unlink()
    with pytest.raises(BackboneError, match=r"builtin\.json: cannot be read"):
        load_weights(copied)


def test_arrays_that_do_not_fit_the_architecture_are_refused(copied: Path, weights: BuiltinWeights) -> None:
    arrays = load_file(copied)
    arrays.pop(next(reversed(arrays)))
    save_file(arrays, copied, {"spec": weights.spec.to_json()})
    rewrite_digest(copied)
    with pytest.raises(BackboneError, match="has shape None, the architecture says"):
        load_weights(copied)


@pytest.mark.parametrize("metadata", [{}, {"spec": "{}"}, {"spec": '{"format": "other/1", "blocks": []}'}])
def test_a_file_that_is_no_backbone_is_refused(copied: Path, metadata: dict[str, str]) -> None:
    save_file(load_file(copied), copied, metadata)
    rewrite_digest(copied)
    with pytest.raises(BackboneError, match="not a backbone of format inspector-backbone/2"):
        load_weights(copied)


def test_not_a_number_is_refused() -> None:
    spec = NetSpec(8, (Block("a", 16, 0, 2),), (Tap("stride4", "a", 4),))
    arrays = {name: np.zeros(shape, np.float32) for name, shape in spec.shapes().items()}
    arrays["a.widen.bias"][3] = np.nan
    with pytest.raises(BackboneError, match=r"'a\.widen\.bias' is not finite"):
        BuiltinWeights(spec, arrays, "0" * 64)


def test_the_architecture_survives_the_text(weights: BuiltinWeights) -> None:
    assert NetSpec.from_json(weights.spec.to_json()) == weights.spec


def test_an_architecture_with_a_tap_on_nothing_is_refused(weights: BuiltinWeights) -> None:
    astray = NetSpec(8, weights.spec.blocks, (Tap("stride4", "nowhere", 4),))
    with pytest.raises(ValueError, match="a tap on 'nowhere', which is no block of it"):
        NetSpec.from_json(astray.to_json())


def test_nothing_of_torch_is_imported_to_build_the_graph() -> None:
    code = (
        "import sys, numpy as np; from openvino import opset13 as ops; from calibration.backbones import builtin; "
        "image = ops.parameter([1, 3, 64, 64], np.float32); "
        "builtin.openvino_features(image, builtin.load_weights(), ('stride8',)); "
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules), 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def rewrite_digest(path: Path) -> None:
    import hashlib

    path.with_suffix(".json").write_text(json.dumps({"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}))
