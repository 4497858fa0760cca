"""Export: one OpenVINO graph from pixels to fused patch embeddings.

    uint8 NHWC -> normalise -> backbone -> average each neighbourhood -> resize to the finest grid -> join -> centre
    -> NHWC

Behind it lies the projection, where there is one.

Pooling and fusion are those of PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR
2022), inside the graph, so that calibration and line cannot differ. Torch is needed only where the backbone is a timm
model.
"""

from collections.abc import Callable, Sequence

import numpy as np
import openvino as ov
from openvino import opset13 as ops

from calibration.projection import Projection
from inspector.recipe import Recipe
from inspector.window import inside_of, picture_wh

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""ImageNet's channel statistics, of pixel values in 0..1, RGB."""

Features = Callable[[ov.Output], Sequence[ov.Output]]
"""From normalised float32 NCHW to one NCHW map a layer, finest first."""


def embedding_graph(
    features: Features,
    recipe: Recipe,
    *,
    mean: tuple[float, float, float] = MEAN,
    std: tuple[float, float, float] = STD,
    projection: Projection | None = None,
) -> ov.Model:
    """The graph: uint8 (1, height, width, 3) RGB -> float32 (1, grid_h, grid_w, dim)."""
    width, height = picture_wh(recipe)
    image = ops.parameter([1, height, width, 3], np.uint8, name="image")
    # Transposed while its values are still bytes: a quarter of the memory traffic.
    values = ops.convert(ops.transpose(image, np.array([0, 3, 1, 2])), np.float32)
    shift = np.array(mean, np.float32).reshape(1, 3, 1, 1) * 255
    scale = 1 / (np.array(std, np.float32).reshape(1, 3, 1, 1) * 255)
    normalised = ops.multiply(ops.subtract(values, shift), scale)
    maps = [_pool(layer, recipe.pooling) for layer in features(normalised.output(0))]
    grid_hw = list(maps[0].shape)[2:]
    joined = [maps[0], *(_resize(layer, grid_hw) for layer in maps[1:])]
    fused = ops.concat(joined, axis=1).output(0) if len(joined) > 1 else maps[0]
    centred = _centre(fused, recipe) if recipe.centring > 0 else fused
    projected = projection.openvino(centred) if projection else centred
    result = ops.result(ops.transpose(projected, np.array([0, 2, 3, 1])), name="embeddings")
    graph = ov.Model([result], [image], "patch_embeddings")
    # OpenVINO numbers nodes through the whole process: numbered by their place, the same graph has the same bytes.
    for number, node in enumerate(graph.get_ordered_ops()):
        node.set_friendly_name(f"{node.get_type_name()}_{number}")
    return graph


def _pool(layer: ov.Output, side: int) -> ov.Output:
    """Average over side x side neighbours, zeros beyond the border: border patches, noisy from padding, weigh less."""
    if side == 1:
        return layer
    pad = [side // 2] * 2
    pooled: ov.Output = ops.avg_pool(layer, [1, 1], pad, pad, [side, side], exclude_pad=False).output(0)
    return pooled


def _centre(fused: ov.Output, recipe: Recipe) -> ov.Output:
    """Takes off a share of the mean over the patches that count: NCHW to the same."""
    grid_hw = tuple(fused.shape)[2:]
    inside = inside_of(recipe, grid_hw)
    counts = np.ones(grid_hw, np.float32) if inside is None else inside.astype(np.float32)
    weights = (recipe.centring * counts / counts.sum()).reshape(1, 1, *grid_hw)
    shared = ops.reduce_sum(ops.multiply(fused, weights), np.array([2, 3], np.int64), keep_dims=True)
    centred: ov.Output = ops.subtract(fused, shared).output(0)
    return centred


def _resize(layer: ov.Output, grid_hw: Sequence[int]) -> ov.Output:
    """Bilinear, half-pixel centres: what torch does with align_corners=False."""
    resized: ov.Output = ops.interpolate(
        layer, np.array(grid_hw, np.int64), "linear_onnx", "sizes", axes=np.array([2, 3], np.int64)
    ).output(0)
    return resized
