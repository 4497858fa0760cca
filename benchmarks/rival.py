"""The peer's other end: starts `peer.py` under the interpreter that has anomalib, asks it, and ends it."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inspector.leash import last_words

SCRIPT = Path(__file__).with_name("peer.py")
ARCH = "mobilenetv2_100"
LAYERS = ("blocks.2", "blocks.4")
"""Strides 8 and 16: where our own recipe takes a timm network when it names no layers."""

THREADS = os.cpu_count() or 1
"""All cores: what ours takes too."""


class RivalError(RuntimeError):
    """The peer ended, or could not do what it was asked."""


class Rival:
    """A running peer. `ask("fit", pictures=...)` is `Peer.fit` in its process."""

    def __init__(self, process: "subprocess.Popen[str]", log: Path) -> None:
        self._process = process
        self._log = log

    def ask(self, what: str, **arguments: object) -> dict[str, Any]:
        """What it answers.

        Raises:
            RivalError: it says that it cannot, or it is gone.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise AssertionError("a peer without pipes")
        self._process.stdin.write(json.dumps({"do": what, **arguments}, default=str) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RivalError(f"peer: ended at {what!r}: {last_words(self._log)}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RivalError(f"peer: {what}: {answer['error']}")
        return answer


@contextmanager
def running_rival(python: Path, weights: Path, log: Path, *, seed: int = 0) -> Iterator[Rival]:
    """A peer with ARCH's network open, its bank empty.

    Raises:
        RivalError: anomalib is not there, or the weights do not fit.
    """
    with (
        log.open("w") as said,
        subprocess.Popen(
            [str(python), str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True
        ) as process,
    ):
        try:
            rival = Rival(process, log)
            opened = rival.ask("open", arch=ARCH, layers=LAYERS, weights=weights, threads=THREADS, seed=seed)
            if opened["missing"]:
                raise RivalError(f"peer: {weights.name} lacks {opened['missing'][:3]}")
            yield rival
        finally:
            if process.stdin is not None:
                process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
