"""Backbones: the built-in one, which needs no torch, and any timm CNN.

`builtin`, or `timm:NAME`, or `timm:NAME@FILE` with weights from a local safetensors file under timm's key names.
Without a file timm's hub is asked, and only then is anything fetched.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openvino as ov
from safetensors import SafetensorError
from safetensors.numpy import save

from calibration.backbones import builtin
from calibration.backbones.export import MEAN, STD, Features, embedding_graph
from calibration.projection import Projection
from inspector.bank import file_sha256
from inspector.errors import BackboneError, to_install
from inspector.manifest import Backbone
from inspector.recipe import Recipe
from inspector.window import picture_wh

if TYPE_CHECKING:
    from torch import nn

STRIDES = (8, 16)
"""Where layers are taken when the recipe names none: fine enough to place a defect, deep enough to mean something."""

_NO_SUCH_FILE = "backbone weights {file}: no such file; expected a safetensors file"


@dataclass(frozen=True)
class OpenBackbone:
    """A backbone with its weights, for one recipe: what the graph is made of, and what the bank records.

    recipe: with the backbone's own layers where it named none. weights: the bytes of `backbone.safetensors`.
    """

    info: Backbone
    recipe: Recipe
    features: Features
    weights: bytes

    def graph(self, projection: Projection | None = None) -> ov.Model:
        """The graph from pixels to patch embeddings, and through the projection where one is given."""
        return embedding_graph(
            self.features, self.recipe, mean=self.info.mean, std=self.info.std, projection=projection
        )


def open_backbone(name: str, recipe: Recipe) -> OpenBackbone:
    """The backbone called `name`, with the recipe's layers, for the recipe's size.

    name: builtin, timm:NAME, or either followed by @FILE: with the weights in that file, as a bank keeps them.

    Raises:
        BackboneError: no such backbone or layer; the weights are missing, damaged or of another network; torch or timm
            is not installed, or cannot be loaded.
    """
    called, _, file = name.partition("@")
    weights = Path(file) if file else None
    if called == "builtin":
        return _open_builtin(weights, recipe)
    family, _, model_name = called.partition(":")
    if family != "timm" or not model_name:
        raise BackboneError(f"backbone {name!r}: expected builtin, timm:NAME or timm:NAME@FILE")
    return _open_timm(model_name, weights, recipe)


def open_banked(info: Backbone, weights: Path) -> "nn.Module":
    """A bank's backbone as a torch module: normalised float32 (n, 3, h, w) in, a list of maps out.

    Raises:
        BackboneError: the weights do not fit the backbone that the bank names.
    """
    if info.name == "builtin":
        return builtin.torch_features(builtin.parse_weights(weights.read_bytes(), str(weights)), info.layers)
    model = _timm_model(info.name.removeprefix("timm:"), info.layers)
    _load_timm_weights(model, weights)
    return model


def _open_builtin(file: Path | None, recipe: Recipe) -> OpenBackbone:
    weights, payload = _builtin_weights(file)
    layers = recipe.layers or tuple(f"stride{stride}" for stride in STRIDES)
    if unknown := [layer for layer in layers if layer not in builtin.LAYERS]:
        raise BackboneError(f"backbone builtin: no layer {unknown[0]!r}; it has {', '.join(builtin.LAYERS)}")

    def features(image: ov.Output) -> Sequence[ov.Output]:
        return builtin.openvino_features(image, weights, layers)

    info = Backbone(name="builtin", layers=layers, mean=MEAN, std=STD, weights_sha256=weights.digest)
    return OpenBackbone(info, _with_layers(recipe, info), features, payload)


def _with_layers(recipe: Recipe, info: Backbone) -> Recipe:
    return recipe.model_copy(update={"layers": info.layers})


def _builtin_weights(file: Path | None) -> tuple[builtin.BuiltinWeights, bytes]:
    """Those of the package, whose digest is checked, or those of a bank, whose net may be an earlier one."""
    if file is None:
        return builtin.load_weights(), builtin.default_weights_path().read_bytes()
    try:
        payload = file.read_bytes()
    except OSError as error:
        raise BackboneError(f"backbone weights {file}: cannot be read ({error.strerror})") from error
    return builtin.parse_weights(payload, str(file)), payload


def _open_timm(name: str, file: Path | None, recipe: Recipe) -> OpenBackbone:
    if file is not None and not file.is_file():
        raise BackboneError(_NO_SUCH_FILE.format(file=file))  # torch takes seconds to import
    model = _timm_model(name, recipe.layers, pretrained=file is None)
    if file is not None:
        _load_timm_weights(model, file)
    model.eval()
    weights = save({key: value.numpy() for key, value in model.state_dict().items()})
    config: dict[str, Any] = model.default_cfg  # type: ignore[assignment]
    info = Backbone(
        name=f"timm:{name}",
        layers=tuple(model.feature_info.module_name()),  # type: ignore[union-attr, operator]
        mean=config["mean"],
        std=config["std"],
        weights_sha256=file_sha256(file) if file else "hub",
    )

    def features(image: ov.Output) -> Sequence[ov.Output]:
        graph = _convert(model, name, recipe)
        _check_channels(graph, name, model.feature_info.channels())  # type: ignore[union-attr, operator]
        return _splice(graph, image)

    return OpenBackbone(info, _with_layers(recipe, info), features, weights)


def _timm_model(name: str, layers: Sequence[str], *, pretrained: bool = False) -> "nn.Module":
    """A timm model cut to `layers` (default: those at STRIDES), random weights unless pretrained."""
    try:
        import timm
    except ModuleNotFoundError as error:
        raise BackboneError(
            f"backbone timm:{name}: {error.name} is not installed; {to_install('calibrate')}, or use builtin"
        ) from error
    except (ImportError, OSError, RuntimeError) as error:
        why = str(error).partition("\n")[0]
        raise BackboneError(
            f"backbone timm:{name}: timm cannot be loaded ({why}); expected torch, torchvision and timm that fit one "
            "another, or use builtin"
        ) from error
    if not timm.is_model(name):
        near = get_close_matches(name, timm.list_models(), 5)
        raise BackboneError(f"backbone timm:{name}: timm has no such model; near it: {', '.join(near) or 'none'}")
    try:
        known: Any = timm.create_model(name, features_only=True).feature_info
        names, strides = known.module_name(), known.reduction()
        wanted = layers or [n for n, stride in zip(names, strides, strict=True) if stride in STRIDES]
        if unknown := [layer for layer in wanted if layer not in names]:
            raise BackboneError(f"backbone timm:{name}: no layer {unknown[0]!r}; it has {', '.join(names)}")
        if not wanted:
            raise BackboneError(f"backbone timm:{name}: no layer of stride 8 or 16; name some: {', '.join(names)}")
        indices = sorted(names.index(layer) for layer in wanted)
        model: nn.Module = timm.create_model(name, features_only=True, out_indices=indices, pretrained=pretrained)
    except (AttributeError, RuntimeError, OSError, ValueError) as error:
        hint = f"; without a network name a file: timm:{name}@weights.safetensors" if pretrained else ""
        raise BackboneError(f"backbone timm:{name}: {error}{hint}") from error
    return model


def _load_timm_weights(model: "nn.Module", file: Path) -> None:
    from safetensors.torch import load_file

    try:
        loaded = load_file(file)
    except FileNotFoundError as error:
        raise BackboneError(_NO_SUCH_FILE.format(file=file)) from error
    except (OSError, SafetensorError) as error:
        raise BackboneError(f"backbone weights {file}: not a readable safetensors file ({error})") from error
    # timm joins the first names of some families with `_` in a features-only model: features_conv0 for features.conv0.
    by_flat_name = {key.replace(".", "_"): value for key, value in loaded.items()}
    own = model.state_dict()
    fitting = {key: by_flat_name.get(key.replace(".", "_")) for key in own if not key.endswith("num_batches_tracked")}
    if missing := [key for key, value in fitting.items() if value is None]:
        raise BackboneError(
            f"backbone weights {file}: lacks {len(missing)} of {len(fitting)} arrays, {missing[0]} first; "
            "expected timm's key names for this model"
        )
    arrays = {key: value.float() for key, value in fitting.items() if value is not None}
    if wrong := [key for key, value in arrays.items() if value.shape != own[key].shape]:
        raise BackboneError(
            f"backbone weights {file}: {wrong[0]} is {tuple(arrays[wrong[0]].shape)}, "
            f"expected {tuple(own[wrong[0]].shape)}"
        )
    model.load_state_dict(arrays, strict=False)


def _convert(model: "nn.Module", name: str, recipe: Recipe) -> ov.Model:
    """The timm model as an OpenVINO graph for the recipe's size."""
    from openvino.frontend import GeneralFailure, NotImplementedFailure, OpConversionFailure

    width, height = picture_wh(recipe)
    try:
        graph = trace(model, (1, 3, height, width))
        graph.reshape([1, 3, height, width])
    except (RuntimeError, GeneralFailure, NotImplementedFailure, OpConversionFailure) as error:
        why = " ".join(str(error).partition("Please check")[0].split())
        raise BackboneError(
            f"backbone timm:{name}: cannot be exported for {width}x{height} pictures ({why}); "
            "expected a convolutional network of any input size"
        ) from error
    return graph


def trace(model: "nn.Module", shape: tuple[int, int, int, int]) -> ov.Model:
    """A torch module as an OpenVINO graph, traced with a float32 input of this shape, which the graph does not fix.

    The front end is called directly: `openvino.convert_model` would report its use over the network unasked.

    Raises: what torch and OpenVINO's front end raise.
    """
    import torch
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():
        # Tracing is deprecated in torch and still what OpenVINO's front end reads best.
        warnings.simplefilter("ignore")
        decoder = TorchScriptPythonDecoder(model, example_input=(torch.zeros(shape),))
        front_end = FrontEndManager().load_by_framework("pytorch")
        graph: ov.Model = front_end.convert(front_end.load(decoder))
    return graph


def _check_channels(graph: ov.Model, name: str, expected: Sequence[int]) -> None:
    """Some transformers have maps with channels last, which would be pooled and joined along the wrong axes.

    Raises:
        BackboneError: a map has another number of channels than timm says.
    """
    for output, channels in zip(graph.outputs, expected, strict=True):
        got = output.get_partial_shape()[1].get_length()
        if got != channels:
            raise BackboneError(
                f"backbone timm:{name}: has maps of {got} channels where {channels} were expected, so they are not in "
                "the order NCHW; expected a convolutional network"
            )


def _splice(graph: ov.Model, image: ov.Output) -> list[ov.Output]:
    """Feed `image` into the graph in place of its parameter; its outputs, finest first."""
    for target in graph.input(0).get_target_inputs():
        target.replace_source_output(image)
    outputs = [result.input_value(0) for result in graph.get_results()]
    return sorted(outputs, key=lambda output: -output.get_partial_shape()[2].get_length())
