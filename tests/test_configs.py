"""The shipped examples say what they claim to say."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from inspector import recipe, settings
from inspector.recipe import Recipe
from inspector.settings import Settings

CONFIGS = Path(__file__).parent.parent / "configs"


def test_the_example_recipe_spells_out_the_defaults() -> None:
    assert recipe.load(CONFIGS / "recipe.yaml") == Recipe()


def test_the_example_recipe_names_every_key() -> None:
    text = (CONFIGS / "recipe.yaml").read_text(encoding="utf-8")
    assert [key for key in Recipe.model_fields if f"\n{key}:" not in text] == []


def test_the_schema_for_editors_is_that_of_the_settings() -> None:
    path = CONFIGS / "inspector.schema.json"
    expected = json.dumps(Settings.model_json_schema(), indent=2) + "\n"
    assert path.read_text(encoding="utf-8") == expected, (
        "the settings have changed; write the schema anew:\n"
        f"python -c 'import json; from inspector.settings import Settings as S; "
        f"print(json.dumps(S.model_json_schema(), indent=2))' > {path.relative_to(CONFIGS.parent)}"
    )


@pytest.mark.parametrize("name", ["inspector.yaml", "inspector-full.yaml", "inspector-twelve.yaml"])
def test_the_schema_for_editors_takes_the_examples_and_no_unknown_key(name: str) -> None:
    schema = json.loads((CONFIGS / "inspector.schema.json").read_text(encoding="utf-8"))
    content = yaml.safe_load((CONFIGS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(content)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate({**content, "brocker": {}})


def test_twelve_cameras(tmp_path: Path) -> None:
    for secret in ("mqtt-password", "metrics-token", "ca.pem"):
        (tmp_path / secret).write_text("kept apart\n")
    path = tmp_path / "inspector.yaml"
    path.write_text((CONFIGS / "inspector-twelve.yaml").read_text(encoding="utf-8"))
    assert len(settings.load(path).stations) == 12
