"""One finding of the doctor."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from inspector.errors import InspectorError


class Mark(StrEnum):
    """How it stands: `warn` will surprise some day, with `fail` the daemon does not do its work."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """what was looked at, what was got, what was expected, and what to do; the last two are empty where all is well."""

    mark: Mark
    what: str
    got: str
    expected: str = ""
    do: str = ""

    def __str__(self) -> str:
        more = f"; expected {self.expected}" if self.expected else ""
        return f"{self.mark:<5} {self.what:<18} {self.got}{more}{f'; {self.do}' if self.do else ''}"


Examination = Callable[[], Iterable[Finding]]


def ok(what: str, got: str) -> Finding:
    """All is well."""
    return Finding(Mark.OK, what, got)


def warn(what: str, got: str, *, expected: str, do: str) -> Finding:
    """It will surprise some day."""
    return Finding(Mark.WARN, what, got, expected, do)


def fail(what: str, got: str, *, expected: str, do: str) -> Finding:
    """The daemon would not do its work."""
    return Finding(Mark.FAIL, what, got, expected, do)


def examined(what: str, examination: Examination) -> Iterator[Finding]:
    """What an examination finds; one that cannot be made is a finding itself."""
    try:
        yield from examination()
    except (InspectorError, OSError) as error:
        yield fail(what, str(error), expected="that it can be looked at", do="mend that first")
