"""Keys that a YAML file gives twice: YAML takes the last, and which was meant, nobody knows."""

import yaml


def repeated_key(root: yaml.Node) -> tuple[int, str] | None:
    """The first key that is given twice in one mapping, with its line, from 1; None where there is none.

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


def _repeated_in(node: yaml.MappingNode) -> tuple[int, str] | None:
    seen: set[str] = set()
    for key, _ in node.value:
        if key.value in seen:
            return key.start_mark.line + 1, str(key.value)
        seen.add(key.value)
    return None
