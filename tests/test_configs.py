"""The shipped examples say what they claim to say."""

from pathlib import Path

from inspector import recipe
from inspector.recipe import Recipe

CONFIGS = Path(__file__).parent.parent / "configs"


def test_the_example_recipe_spells_out_the_defaults() -> None:
    assert recipe.load(CONFIGS / "recipe.yaml") == Recipe()


def test_the_example_recipe_names_every_key() -> None:
    text = (CONFIGS / "recipe.yaml").read_text(encoding="utf-8")
    assert [key for key in Recipe.model_fields if f"\n{key}:" not in text] == []
