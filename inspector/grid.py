"""The grid of patches over a recipe's pictures: which patches count, how they are searched for, how they make a map."""

import numpy as np
from numpy.typing import NDArray

from inspector.recipe import Recipe
from inspector.scoring import NearestNeighbours, anomaly_map
from inspector.types import Engine, Float32Array
from inspector.window import inside_of, picture_wh, window_of


class PatchGrid:
    """The patches of any picture that `recipe` makes. The backbone decides how many rows and columns, `hw`, they form.

    inside: bool (rows, columns), which of them count; None: all. window: the part of the picture that a region of
    interest leaves; None without one.

    Raises:
        RecipeError: the region of interest is thinner than any patch.
    """

    def __init__(self, recipe: Recipe, hw: tuple[int, int]) -> None:
        self.recipe = recipe
        self.hw = hw
        self.window = window_of(recipe)
        self.inside = inside_of(recipe, hw)
        self._picture_wh = picture_wh(recipe)

    @property
    def counted(self) -> NDArray[np.bool_]:
        """Which patches count, bool (rows, columns): `inside`, or all."""
        return np.ones(self.hw, bool) if self.inside is None else self.inside

    def neighbours(self, vectors: Float32Array, engine: Engine | None = None) -> NearestNeighbours:
        """The search that the recipe asks for among `vectors`, float32 (n, dim); by the engine where it is able to."""
        count = int(self.counted.sum())
        return NearestNeighbours(vectors, self.recipe.neighbours, self.recipe.plane, engine=engine, count=count)

    def anomaly_map(self, patch_scores: Float32Array) -> Float32Array:
        """float32 (rows, columns) -> float32 (height, width) of the recipe's size, over the crop or whole frame.

        It is 0 outside the region of interest, and nowhere above the image score.
        """
        heat = anomaly_map(patch_scores, self._picture_wh, self.inside)
        return self.window.spread(heat) if self.window else heat
