"""YAML read whole: its nodes, which know their lines, and its values.

An alias repeats what its anchor names, and aliases of aliases multiply: 400 bytes can mean a billion values. What they
add is counted before anything is built of it.
"""

from typing import Any, Final

import yaml

MOST_REPEATED: Final = 100_000
"""How many values aliases may add to those that are written: dozens of stations by one anchor, and no flood."""


def read(text: str) -> tuple[yaml.Node | None, Any]:
    """Root node and content of the one document in the text; None and None where there is none.

    Raises: as unreadable_yaml.FAULTS has it; a yaml.YAMLError too where aliases add more than MOST_REPEATED values.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return None, None
    sizes: dict[int, int] = {}
    if _size(root, sizes) - len(sizes) > MOST_REPEATED:
        raise yaml.YAMLError(f"its aliases repeat more than {MOST_REPEATED} values; write out what is meant")
    return root, yaml.safe_load(text)


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
