"""The exported graph against the definition of PatchCore's features, in plain numpy."""

from pathlib import Path

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as ops

from calibration.backbones.export import MEAN, STD, Features, embedding_graph
from inspector.engines.openvino import OpenVinoEngine
from inspector.patches import picture_of
from inspector.recipe import Recipe
from inspector.roi import Roi
from inspector.types import Frame
from inspector.window import inside_of


def averaged(*sides: int) -> Features:
    """A backbone that only averages side x side blocks: its maps are known without a network."""

    def features(image: ov.Output) -> list[ov.Output]:
        zero = [0, 0]
        return [ops.avg_pool(image, [s, s], zero, zero, [s, s], exclude_pad=True).output(0) for s in sides]

    return features


def blocks(values: np.ndarray, side: int) -> np.ndarray:
    height, width, channels = values.shape
    return values.reshape(height // side, side, width // side, side, channels).mean((1, 3))


def neighbourhoods(values: np.ndarray, side: int) -> np.ndarray:
    """Mean over side x side, zeros beyond the border counted in."""
    reach = side // 2
    padded = np.pad(values, ((reach, reach), (reach, reach), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), (0, 1))
    return np.asarray(windows.mean((-1, -2)))


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def normalised(picture: np.ndarray) -> np.ndarray:
    return (picture / 255 - np.array(MEAN)) / np.array(STD)


@pytest.mark.parametrize("pooling", [1, 3, 5])
def test_one_layer_is_normalised_and_pooled(picture: np.ndarray, normalised: np.ndarray, pooling: int) -> None:
    graph = embedding_graph(averaged(8), Recipe(size_wh=(96, 64), pooling=pooling, centring=0))
    got = OpenVinoEngine(graph).embed(picture[None])[0]
    np.testing.assert_allclose(got, neighbourhoods(blocks(normalised, 8), pooling), atol=1e-4)


def test_deeper_layers_are_enlarged_to_the_finest_and_joined(picture: np.ndarray, normalised: np.ndarray) -> None:
    graph = embedding_graph(averaged(8, 16), Recipe(size_wh=(96, 64), pooling=3, centring=0))
    engine = OpenVinoEngine(graph)
    got = engine.embed(picture[None])[0]
    assert engine.grid == got.shape == (8, 12, 6)
    np.testing.assert_allclose(got[..., :3], neighbourhoods(blocks(normalised, 8), 3), atol=1e-4)
    coarse = neighbourhoods(blocks(normalised, 16), 3)
    # Half-pixel centres: each fine patch lies a quarter of a coarse one from its own centre.
    inner = got[1:-1, 1:-1, 3:]
    rows, columns = np.arange(1, 7), np.arange(1, 11)
    near_r, far_r = rows // 2, rows // 2 + np.where(rows % 2, 1, -1)
    near_c, far_c = columns // 2, columns // 2 + np.where(columns % 2, 1, -1)
    expected = (
        0.5625 * coarse[np.ix_(near_r, near_c)]
        + 0.1875 * (coarse[np.ix_(far_r, near_c)] + coarse[np.ix_(near_r, far_c)])
        + 0.0625 * coarse[np.ix_(far_r, far_c)]
    )
    np.testing.assert_allclose(inner, expected, atol=1e-4)


def test_statistics_are_the_backbones_own(picture: np.ndarray) -> None:
    recipe = Recipe(size_wh=(96, 64), pooling=1, centring=0)
    graph = embedding_graph(averaged(8), recipe, mean=(0, 0, 0), std=(1, 1, 1))
    np.testing.assert_allclose(OpenVinoEngine(graph).embed(picture[None])[0], blocks(picture / 255, 8), atol=1e-5)


@pytest.mark.parametrize("centring", [0.5, 1.0])
def test_a_share_of_what_the_whole_frame_has_in_common_is_taken_off(picture: np.ndarray, centring: float) -> None:
    plain, centred = (
        OpenVinoEngine(embedding_graph(averaged(8, 16), recipe)).embed(picture[None])[0]
        for recipe in (Recipe(size_wh=(96, 64), centring=share) for share in (0, centring))
    )
    np.testing.assert_allclose(centred, plain - centring * plain.mean((0, 1)), atol=1e-5)


def test_what_lies_outside_the_region_is_not_in_common(picture: np.ndarray) -> None:
    region = Roi.model_validate({"frame_wh": [96, 64], "include": [[[10, 10], [80, 12], [60, 50], [12, 40]]]})
    recipes = [Recipe(size_wh=(96, 64), roi=region, centring=share) for share in (0, 0.5)]
    plain, centred = (
        OpenVinoEngine(embedding_graph(averaged(8), recipe)).embed(picture_of(Frame(picture), recipe)[0][None])[0]
        for recipe in recipes
    )
    inside = inside_of(recipes[0], plain.shape[:2])
    assert inside is not None
    assert 0 < inside.sum() < inside.size
    np.testing.assert_allclose(centred, plain - 0.5 * plain[inside].mean(0), atol=1e-5)


def test_a_grey_that_is_the_mean_embeds_as_zero() -> None:
    graph = embedding_graph(averaged(8), Recipe(size_wh=(32, 32)), mean=(0.2, 0.4, 0.6), std=(1, 1, 1))
    grey = np.broadcast_to(np.array([51, 102, 153], np.uint8), (1, 32, 32, 3)).copy()
    np.testing.assert_allclose(OpenVinoEngine(graph).embed(grey), 0, atol=1e-5)


def test_the_same_graph_is_written_as_the_same_bytes(tmp_path: Path) -> None:

    for name in ("a", "b"):
        graph = embedding_graph(averaged(8, 16), Recipe(size_wh=(96, 64)))
        ov.save_model(graph, tmp_path / f"{name}.xml", compress_to_fp16=False)
    assert (tmp_path / "a.xml").read_bytes() == (tmp_path / "b.xml").read_bytes()
