"""Child processes that do not outlive their parent, however it ends.

A child is started through `python -m inspector.leash PARENT COMMAND...`, which asks the kernel for SIGTERM when
its parent dies and then becomes the command. Where the kernel cannot do that, the context alone ends children.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PYTHON = (sys.executable, "-P")
"""How a child runs this installation's modules: without -P those in the current folder would come first."""

_PR_SET_PDEATHSIG = 1


@contextmanager
def child(command: Sequence[str], log: Path, *, stop_within_s: float = 15.0) -> Iterator[subprocess.Popen[bytes]]:
    """A running command, its output in `log`; ended with SIGTERM, then SIGKILL, when the context is left.

    It has a session of its own, so that Ctrl-C reaches the parent alone and the order of stopping is the parent's.
    """
    with log.open("ab") as output:
        process = start(command, output=output)
    try:
        yield process
    finally:
        end(process, stop_within_s)


def end(process: subprocess.Popen[bytes], within_s: float) -> int:
    """Ends a process with SIGTERM, and with SIGKILL where that does not help in time; gives its exit code."""
    process.terminate()
    try:
        return process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def start(command: Sequence[str], *, output: IO[bytes] | None = None) -> subprocess.Popen[bytes]:
    """A command on the leash, in a session of its own; output: the parent's stderr where not given.

    The kernel ends it when the thread that calls this ends, not only the process.
    """
    said = sys.stderr.fileno() if output is None else output
    return subprocess.Popen(
        [*PYTHON, "-m", "inspector.leash", str(os.getpid()), *command],
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=said,
        start_new_session=True,
    )


def last_words(log: Path) -> str:
    """The last line of a child's output that says anything."""
    try:
        said = log.read_text(errors="replace").splitlines()
    except OSError:
        said = []
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")


def main() -> None:
    """Ties this process to the parent whose id is the first argument, then becomes the command that follows."""
    parent, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            sys.exit("the parent is gone")
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
