"""The configuration file: one YAML, read once, checked whole, frozen.

Every mistake is one line: file and line (or the environment's variable), key, what was got, what was expected, and for
a typo the key meant. Paths are relative to the file.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from inspector import yaml_text
from inspector.errors import SettingsError, SettingsMistakesError
from inspector.problem import place
from inspector.settings import mistakes
from inspector.settings.overrides import Override, apply, collect
from inspector.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Origins:
    """The settings, and where they come from.

    variables: of the environment, by the key that they set. strangers: those that begin like ours and set nothing.
    """

    settings: Settings
    variables: Mapping[tuple[str | int, ...], str]
    strangers: tuple[str, ...]


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Reads and checks a configuration file; variables of the environment (the process's own) win over it.

    Raises:
        SettingsError: the file is missing, is no YAML, or it or a variable says something that cannot be.
    """
    return trace(path, environment).settings


def trace(path: Path, environment: Mapping[str, str] | None = None) -> Origins:
    """As `load`, and tells where values come from.

    Raises:
        SettingsError: as `load`; its `mistakes` lists each.
    """
    root, content = _read(path)
    overrides, strangers = collect(os.environ if environment is None else environment, Settings.model_fields)
    settings = _validated(path, root, content, overrides)
    return Origins(settings, {one.loc: one.variable for one in overrides}, tuple(strangers))


def _read(path: Path) -> tuple[yaml.MappingNode, dict[Any, Any]]:
    try:
        root, content = yaml_text.load(path)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{path}: no such file, expected the settings in YAML; name their file, or call it where they lie"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{path}: cannot be read ({why}), expected the settings in YAML") from error
    except yaml_text.FAULTS as error:
        raise SettingsError(f"{path}: not valid YAML: {yaml_text.why(error)}") from error
    if not isinstance(root, yaml.MappingNode):
        got = "nothing" if content is None else type(content).__name__
        raise SettingsError(f"{path}: got {got}, expected keys and values")
    if (repeated := yaml_text.repeated_key(root)) is not None:
        line, key = repeated
        raise SettingsError(f"{path}:{line}: {key}: given twice, expected once")
    return root, content


def _without_consequences(problems: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Without lists that are too short only because what is in them is wrong."""
    return [
        problem
        for problem in problems
        if problem["type"] != "too_short"
        or not any(other["loc"][: len(problem["loc"])] == problem["loc"] for other in problems if other is not problem)
    ]


def _validated(
    path: Path, root: yaml.Node, content: dict[Any, Any], overrides: Sequence[Override], *, again: bool = True
) -> Settings:
    try:
        return Settings.model_validate(apply(content, overrides), context={"base": path.absolute().parent})
    except ValidationError as error:
        problems = _without_consequences(error.errors(include_url=False))
        texts = {place(problem) for problem in problems if problem["type"] == "string_type"}
        if again and any(one.loc in texts for one in overrides):
            literal = [one.as_text() if one.loc in texts else one for one in overrides]
            return _validated(path, root, content, literal, again=False)
        told = tuple(mistakes.locate(path, root, problem, overrides, Settings) for problem in problems)
        raise SettingsMistakesError(told) from error
