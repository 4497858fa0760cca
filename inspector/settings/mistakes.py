"""Says what is wrong in a configuration, in one line each: place, key, what was got, what was expected."""

from collections.abc import Sequence
from pathlib import Path

import yaml
from pydantic import BaseModel
from pydantic_core import ErrorDetails

from inspector.problem import explain, place
from inspector.settings.overrides import Override


def locate(
    path: Path, root: yaml.Node, problem: ErrorDetails, overrides: Sequence[Override], model: type[BaseModel]
) -> str:
    """The line for one problem, with where it is: a line of the file, or the variable that brought it in.

    root: the file as nodes, which know their lines. overrides: what variables said. model: of the whole file.
    """
    loc = place(problem)
    said = explain(problem, model)
    lines = _lines(root, loc)
    variable = _variable(loc, len(lines) - 1, overrides)
    return f"environment: {variable}: {said}" if variable else f"{path}:{lines[-1]}: {said}"


def _variable(loc: Sequence[str | int], depth: int, overrides: Sequence[Override]) -> str | None:
    """The variable that set what is wrong, or what holds it, or all there is of what the file does not have.

    depth: how many levels of the place the file has.
    """
    for one in overrides:
        told = list(one.loc)
        if loc and told == list(loc[: len(told)]):
            return one.variable
        if depth < len(loc) and told[: depth + 1] == list(loc[: depth + 1]):
            return one.variable
    return None


def _lines(node: yaml.Node, loc: Sequence[str | int]) -> list[int]:
    """The line of the whole, from 1, then of each level of a place, as far as the file has it."""
    lines = [node.start_mark.line + 1]
    for part in loc:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            key = node = node.value[part]
        elif isinstance(node, yaml.MappingNode) and (found := [pair for pair in node.value if pair[0].value == part]):
            key, node = found[0]
        else:
            break
        lines.append(key.start_mark.line + 1)
    return lines
