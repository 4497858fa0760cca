"""The bars of a long command on a real terminal: below one another, each on one line."""

import os
import re
import subprocess
import sys

from inspector.cli.progress import LONGEST

STEPS = (
    "reading samples",
    "256x256: trying plain distances",
    "fine-tuning: rounds of trial",
    "1/12 builtin · large: embedding patches",
    "2/12 mobilenetv2_100 · large · fine-tuned: cross-fitting thresholds",
    "2/12 mobilenetv2_100 · large: 1024x1024: trying plain distances",
    "12/12 " + "x" * 90 + ": " + "y" * 90,
)

PROGRAM = f"""
from inspector.cli.progress import track
for step in {STEPS!r}:
    assert list(track([1, 2], step)) == [1, 2]
"""


def test_bars_lie_below_one_another_and_fit_a_terminal_of_eighty_columns() -> None:
    ours, theirs = os.openpty()
    with os.fdopen(ours, "rb", 0) as screen:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = b"".join(iter(lambda: _read(screen.fileno()), b"")).decode()
    assert process.wait(60) == 0, shown
    lines = re.sub(r"\x1b\[\??[0-9]*[a-zA-Z]", "", shown)
    bars = [line for line in re.split(r"[\r\n]+", lines) if line.rstrip().endswith("%")]
    assert {bar.index("  [") for bar in bars} == {LONGEST}
    assert max(len(bar.rstrip() + "  00:00:00") for bar in bars) < 80
    told = list(dict.fromkeys(bar[:LONGEST].rstrip() for bar in bars))
    assert told[:4] == list(STEPS[:4])
    assert told[4] == "2/12 mobilene…: cross-fitting thresholds"
    assert told[5] == "2/12…: 1024x1024: trying plain distances"
    assert len(told) == len(STEPS)


def _read(terminal: int) -> bytes:
    """What is on it; nothing more once the program has ended."""
    try:
        return os.read(terminal, 65_536)
    except OSError:
        return b""
