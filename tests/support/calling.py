"""The command line, called within a test."""

from typing import NamedTuple

import pytest

from inspector.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


class Cli:
    """Calls the command line in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: object) -> Done:
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        printed = self._capsys.readouterr()
        code = left.value.code
        assert isinstance(code, int)
        return Done(code, printed.out, printed.err)

    def fails(self, *arguments: object, code: int = 1) -> str:
        """The one line on stderr of a command that fails."""
        done = self(*arguments)
        assert done.code == code
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1
        return done.err
