"""Settings out of environment variables: `INSPECTOR_BROKER__HOST=broker` is `broker: {host: broker}`.

`__` goes one level down, a number is a place in a list, and a value is read as YAML: `true`, `8883`, `[a, b]`.
Variables win over the file. An own layer and not pydantic-settings: that cannot change one station of a list, leaves
out what it does not know, and its messages do not name the variable.
"""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from inspector import yaml_text
from inspector.errors import SettingsError

PREFIX = "INSPECTOR_"

_DEEPEST = 20
"""Levels. The settings themselves have a handful."""

_DIGITS = 9
"""Of a place in a list. What is longer is no number."""


@dataclass(frozen=True, slots=True)
class Override:
    """One variable: where it goes, what it says, and the text it was read from."""

    variable: str
    loc: tuple[str | int, ...]
    value: object
    text: str

    @classmethod
    def of(cls, variable: str, text: str) -> Self:
        """Raises SettingsError where the name has more than _DEEPEST levels, or the text is not YAML."""
        levels = variable.removeprefix(PREFIX).split("__")
        if len(levels) > _DEEPEST:
            raise SettingsError(
                f"environment: {variable[:60]}…: got {len(levels)} levels, expected at most {_DEEPEST}; remove it"
            )
        loc = tuple(int(level) if level.isdecimal() and len(level) <= _DIGITS else level.lower() for level in levels)
        try:
            _, value = yaml_text.read(text)
        except yaml_text.FAULTS as error:
            raise SettingsError(f"environment: {variable}: not YAML: {yaml_text.why(error)}") from error
        return cls(variable, loc, value, text)

    def as_text(self) -> Self:
        """Taken literally: a user name of digits is a name."""
        return replace(self, value=self.text)


def collect(environment: Mapping[str, str], known: Collection[str]) -> tuple[list[Override], list[str]]:
    """What the environment overrides, and the names of variables that begin alike and are not of the settings.

    known: top-level keys. A variable with `__`, or whose name is nearly a key, is meant for us; others are left alone.

    Raises:
        SettingsError: a name is nearly a key, or a value is not YAML.
    """
    found, strangers = [], []
    for variable in sorted(name for name in environment if name.startswith(PREFIX)):
        key = variable.removeprefix(PREFIX).lower()
        if key in known or "__" in key:
            found.append(Override.of(variable, environment[variable]))
        elif near := difflib.get_close_matches(key, known, n=1, cutoff=0.75):
            raise SettingsError(f"environment: {variable}: unknown key, did you mean {PREFIX}{near[0].upper()}?")
        else:
            strangers.append(variable)
    return found, strangers


def apply(content: dict[Any, Any], overrides: Sequence[Override]) -> dict[Any, Any]:
    """A copy of the file's content with these in place.

    Raises:
        SettingsError: a variable goes through something that has no such place.
    """
    changed: Any = content
    for override in overrides:
        changed = _put(changed, override.loc, override)
    result: dict[Any, Any] = changed
    return result


def _put(node: Any, loc: Sequence[str | int], override: Override) -> Any:
    if not loc:
        return override.value
    head, rest = loc[0], loc[1:]
    if isinstance(node, list) and isinstance(head, int) and head <= len(node):
        below = node[head] if head < len(node) else None
        return [*node[:head], _put(below, rest, override), *node[head + 1 :]]
    if (node is None or isinstance(node, dict)) and isinstance(head, str) and head:
        here = node or {}
        return {**here, head: _put(here.get(head), rest, override)}
    if node is None and head == 0:
        return [_put(None, rest, override)]
    where = f"a list of {len(node)}" if isinstance(node, list) else f"{type(node).__name__}"
    raise SettingsError(
        f"environment: {override.variable}: got {head!r} for a place in {where}, expected "
        + (f"a number from 0 to {len(node)}" if isinstance(node, list) else "a variable for the whole of it")
    )
