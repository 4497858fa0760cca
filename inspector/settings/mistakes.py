"""Says what is wrong in a configuration, in one line each: place, key, what was got, what was expected."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from inspector.errors import SettingsError
from inspector.problem import explain, place
from inspector.repeated import repeated_key
from inspector.settings.overrides import Override


def refuse_repeated_keys(path: Path, root: yaml.Node) -> None:
    """Raises SettingsError: a key is given twice in one mapping."""
    if (found := repeated_key(root)) is not None:
        line, key = found
        raise SettingsError(f"{path}:{line}: {key}: given twice, expected once")


def locate(
    path: Path, root: yaml.Node, problem: ErrorDetails, overrides: Sequence[Override], model: type[BaseModel]
) -> str:
    """The line for one problem, with where it is: a line of the file, or the variable that brought it in.

    root: the file as nodes, which know their lines. overrides: what variables said. model: of the whole file.
    """
    loc = place(problem)
    said = explain(problem, model)
    variable = _variable(root, loc, overrides)
    return f"environment: {variable}: {said}" if variable else f"{path}:{_line(root, loc)}: {said}"


def _variable(root: yaml.Node, loc: Sequence[str | int], overrides: Sequence[Override]) -> str | None:
    """The variable that set what is wrong, or what holds it, or all there is of what the file does not have."""
    depth = _depth(root, loc)
    for one in overrides:
        told = list(one.loc)
        if loc and told == list(loc[: len(told)]):
            return one.variable
        if depth < len(loc) and told[: depth + 1] == list(loc[: depth + 1]):
            return one.variable
    return None


def _depth(node: yaml.Node, loc: Sequence[str | int]) -> int:
    """How many levels of a place the file has."""
    for depth, part in enumerate(loc):
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode) and (
            below := [value for key, value in node.value if key.value == part]
        ):
            node = below[0]
        else:
            return depth
    return len(loc)


def _line(node: yaml.Node, loc: Sequence[str | int]) -> int:
    line: int = node.start_mark.line + 1
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                break
            key, node = found
            line = key.start_mark.line + 1
            continue
        else:
            break
        line = node.start_mark.line + 1
    return line
