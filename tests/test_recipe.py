"""Recipes: what a YAML file may say, and one line about what it may not."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from inspector.errors import RecipeError
from inspector.recipe import Crop, Recipe, load


def written(folder: Path, text: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_an_empty_mapping_is_the_default_recipe(tmp_path: Path) -> None:
    assert load(written(tmp_path, "{}")) == Recipe()
    assert Recipe().size_wh == (256, 256)


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    text = """
name: tile
crop: {x: 10, y: 20, width: 300, height: 200}
size_wh: [320, 192]
layers: [layer2, layer3]
pooling: 5
neighbours: 3
vectors: 4096
"""
    crop = Crop(x=10, y=20, width=300, height=200)
    assert load(written(tmp_path, text)) == Recipe(
        name="tile", crop=crop, size_wh=(320, 192), layers=("layer2", "layer3"), pooling=5, neighbours=3, vectors=4096
    )


def test_in_words_a_recipe_says_what_differs_from_the_default() -> None:
    assert Recipe().in_words() == "256x256, pooling 3, 1-NN"
    crop = Crop(x=10, y=20, width=300, height=200)
    every = Recipe(
        crop=crop,
        size_wh=(320, 192),
        pooling=5,
        neighbours=2,
        centring=0,
        whitening=0.5,
        light=0.3,
        shift=0.06,
        plane=32,
    )
    assert every.in_words() == (
        "320x192, pooling 5, 2-NN, crop 300x200 at (10, 20), centring 0, whitening 0.5, light 0.3, shift 0.06, "
        "planes of 32"
    )


def test_a_recipe_survives_being_written(tmp_path: Path) -> None:
    recipe = Recipe(name="x", crop=Crop(x=0, y=1, width=8, height=9), pooling=1)
    assert load(written(tmp_path, yaml.safe_dump(recipe.model_dump(mode="json")))) == recipe


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pooling: 4", "pooling: got 4, expected an odd number"),
        ("{neighbours: 20, vectors: 16}", "neighbours: got 20, expected at most vectors = 16"),
        ("layers: [a, b, a]", "layers: got ['a', 'b', 'a'], expected each layer once"),
        ("size: [256, 256]", "size: unknown key, did you mean size_wh?"),
        ("crop: {x: 1, y: 1, width: 100, height: 100, z: 3}", "crop.z: unknown key, expected one of height, width,"),
        ("crop: {x: -1, y: 1, width: 100, height: 100}", "crop.x: got -1, expected greater than or equal to 0"),
        ("size_wh: [16, 256]", "size_wh[0]: got 16, expected greater than or equal to 32"),
        ("size_wh: [256]", "size_wh[1]: missing, expected a value"),
        ("size_wh: 256", "size_wh: got 256, expected a list"),
        ("vectors: many", "vectors: got 'many', expected a valid integer"),
        ("name: ../x", "name: "),
        ("- a\n- b", "got list, expected keys"),
        ("", "got nothing, expected keys"),
        (
            "size_wh: [1,\n  2",
            "not YAML (line 2, column 4: while parsing a flow sequence, expected ',' or ']', but got '<stream end>')",
        ),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("name: 2026-02-30", "not YAML (day is out of range for month)"),
        (f"name: {'[' * 5000}", "not YAML (maximum recursion depth exceeded"),
        ("1: 2", "[1]: unknown key, expected one of auto, "),
    ],
)
def test_one_line_names_the_key_what_was_got_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        load(file)
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_several_mistakes_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"pooling: .*; vectors: "):
        load(written(tmp_path, "{pooling: 99, vectors: 1}"))


@pytest.mark.parametrize("make", [lambda p: p / "none.yaml", lambda p: p], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read(tmp_path: Path, make: object) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load(make(tmp_path))  # type: ignore[operator]


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes(b"\xff\xfe\xfa\x00")
    with pytest.raises(RecipeError, match="not YAML"):
        load(file)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    """As of a device: here it has one."""
    (tmp_path / "recipe.yaml").write_bytes(bytes(10_000_001))
    with pytest.raises(RecipeError, match=r"not YAML \(it has more than 10 million characters"):
        load(tmp_path / "recipe.yaml")


def test_a_recipe_does_not_change() -> None:
    with pytest.raises(ValidationError):
        Recipe().pooling = 5


def test_a_key_that_is_given_twice_is_a_mistake(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("light: 0.1\ncrop: {x: 0, y: 0, width: 64, height: 64}\nlight: 0.3\n")
    with pytest.raises(RecipeError, match="line 3: light: given twice, expected once"):
        load(file)


def test_aliases_that_multiply_are_refused_and_ordinary_ones_are_not(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    levels = ", ".join(f"&a{level} [*a{level - 1}, *a{level - 1}]" for level in range(1, 30))
    file.write_text(f"layers: [&a0 [x], {levels}]\n")
    with pytest.raises(RecipeError, match="its aliases repeat more than 100000 values"):
        load(file)
    file.write_text("crop: {x: 0, y: 0, width: &side 64, height: *side}\n")
    assert load(file).crop == Crop(x=0, y=0, width=64, height=64)
