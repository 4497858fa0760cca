"""YAML read whole: its nodes, which know their lines, and its values; and what is wrong with text that is none.

An alias repeats what its anchor names, and aliases of aliases multiply: 400 bytes can mean a billion values. What they
add is counted before anything is built of it.
"""

from pathlib import Path
from typing import Any, Final

import yaml

FAULTS = (yaml.YAMLError, ValueError, RecursionError)
"""What reading raises: ValueError at a day that there is not and at thousands of digits, the last at nesting."""

MOST_REPEATED: Final = 100_000
"""How many values aliases may add to those that are written: dozens of stations by one anchor, and no flood."""

_LONGEST: Final = 10_000_000
"""Characters of a file. A device or a pipe may have no end."""


def load(path: Path) -> tuple[yaml.Node | None, Any]:
    """As `read`, of a file.

    Raises: OSError, and as FAULTS has it; a yaml.YAMLError too where it has more than _LONGEST characters.
    """
    with path.open(encoding="utf-8") as stream:
        text = stream.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"it has more than {_LONGEST // 1_000_000} million characters, expected some thousands")
    return read(text)


def read(text: str) -> tuple[yaml.Node | None, Any]:
    """Root node and content of the one document in the text; None and None where there is none.

    Raises: as FAULTS has it; a yaml.YAMLError too where aliases add more than MOST_REPEATED values.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return None, None
    sizes: dict[int, int] = {}
    if _size(root, sizes) - len(sizes) > MOST_REPEATED:
        raise yaml.YAMLError(f"its aliases repeat more than {MOST_REPEATED} values; write out what is meant")
    return root, yaml.safe_load(text)


def repeated_key(root: yaml.Node) -> tuple[int, str] | None:
    """The first key that is given twice in one mapping, with its line, from 1; None where there is none. YAML takes the
    last of the two, and which was meant, nobody knows.

    A node with many aliases, or in itself, is looked at once.
    """
    waiting, known = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            if (found := _repeated_in(node)) is not None:
                return found
            below = [value for _, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        waiting += [each for each in below if id(each) not in known]
        known |= {id(each) for each in below}
    return None


def why(error: Exception) -> str:
    """What is wrong, with line and column from 1 where the parser knows them. It calls any text `<unicode string>`."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return " ".join(str(error).split())
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}"


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """How many nodes this one stands for, aliases followed; one in itself counts once there. sizes: those known."""
    if (known := sizes.get(id(node))) is not None:
        return known
    sizes[id(node)] = 1
    below: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        below = [each for pair in node.value for each in pair]
    elif isinstance(node, yaml.SequenceNode):
        below = node.value
    sizes[id(node)] = 1 + sum(_size(each, sizes) for each in below)
    return sizes[id(node)]


def _repeated_in(node: yaml.MappingNode) -> tuple[int, str] | None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            return key.start_mark.line + 1, str(key.value)
        seen.add(key.value)
    return None
