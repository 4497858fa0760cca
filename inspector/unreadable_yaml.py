"""What is wrong with text that is not YAML, in one line that names the place."""

import yaml

FAULTS = (yaml.YAMLError, ValueError, RecursionError)
"""What the parser raises: ValueError at a day that there is not and at thousands of digits, the last at nesting."""


def why(error: Exception) -> str:
    """In words, with line and column from 1 where the parser knows them; it calls every text `<unicode string>`."""
    mark = getattr(error, "problem_mark", None)
    if not isinstance(error, yaml.MarkedYAMLError) or mark is None:
        return " ".join(str(error).split())
    said = ", ".join(part for part in (error.context, error.problem) if part)
    return f"line {mark.line + 1}, column {mark.column + 1}: {said}"
