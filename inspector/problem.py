"""What pydantic found wrong in one place, said as all errors here are: key, what was got, what was expected."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic_core import ErrorDetails

SHOULD: Final = re.compile(r"^\w+ should (?:be|have|match) ?(?P<what>.+?)(?:, unable to parse.*| after validation.*)?$")

EXPECTED: Final = {
    "path_type": "a path",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys and values",
}

LONGEST: Final = 120
"""Characters of a value that are shown."""


def place(problem: ErrorDetails) -> tuple[str | int, ...]:
    """Keys and places in lists, from the top, without pydantic's names of functions."""
    return tuple(part for part in problem["loc"] if not str(part).startswith("function-"))


def explain(problem: ErrorDetails, model: type[BaseModel] = BaseModel) -> str:
    """One line, as in `stations[0].queue.capacity: got 0, expected greater than or equal to 1`.

    model: of all that was validated; it knows which keys there are. Without it an unknown key gets no hint. A problem
    without its input is said without what was got.
    """
    loc = place(problem)
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")
    text = _text(problem, loc, model)
    return f"{key}: {text}" if key else text


def _text(problem: ErrorDetails, loc: Sequence[str | int], model: type[BaseModel]) -> str:
    kind, message = problem["type"], problem["msg"]
    if kind in ("extra_forbidden", "invalid_key"):
        known = _known_keys(loc[:-1], model)
        if not known:
            return "unknown key"
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(known)}"
        return f"unknown key, {hint}"
    if kind == "missing":
        return "missing, expected a value"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    value = repr(problem["input"]) if "input" in problem else ""
    got = f"got {value[:LONGEST]}{'...' * (len(value) > LONGEST)}, " if value else ""
    if kind == "model_type":
        return f"{got}expected keys of its own: {', '.join(_known_keys(loc, model))}"
    if kind in EXPECTED:
        return f"{got}expected {EXPECTED[kind]}"
    should = SHOULD.match(message)
    return f"{got}expected {should['what']}" if should else f"{got}{message}"


def _known_keys(loc: Sequence[str | int], model: type[BaseModel]) -> list[str]:
    for part in loc:
        if field := model.model_fields.get(str(part)):
            model = _model_in(field.annotation) or model
    return sorted(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
