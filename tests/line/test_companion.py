"""A process beside the daemon: started again when it ends, ended when the daemon ends."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
from services import gone, wait_until

from inspector.line.companion import Companion

ENDS_AT_ONCE = "import sys; open(sys.argv[1], 'a').write('began\\n'); sys.exit(3)"
STAYS = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"


def silent(*_: object) -> None:
    return


def began(note: Path) -> int:
    return len(note.read_text().splitlines()) if note.exists() else 0


def process_in(note: Path) -> psutil.Process:
    wait_until(lambda: note.exists() and note.read_text(), "the companion is there")
    return psutil.Process(int(note.read_text()))


def test_it_is_started_again_with_growing_pauses(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with Companion("page", (sys.executable, "-c", ENDS_AT_ONCE, str(note)), silent, pauses_s=(0.01, 0.05)):
        wait_until(lambda: began(note) >= 4, "it began four times")
    times = began(note)
    assert began(note) == times


def test_it_ends_with_the_block(tmp_path: Path) -> None:
    note = tmp_path / "note"
    with Companion("page", (sys.executable, "-c", STAYS, str(note)), silent):
        process = process_in(note)
        assert not gone(process)
    assert gone(process)


def test_it_ends_when_the_daemon_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "note"
    program = f"""
import sys, time
from inspector.line.companion import Companion
with Companion("page", (sys.executable, "-c", {STAYS!r}, {str(note)!r}), print):
    time.sleep(600)
"""
    daemon = subprocess.Popen([sys.executable, "-c", program], env=os.environ)
    try:
        process = process_in(note)
    finally:
        daemon.kill()
        daemon.wait()
    wait_until(lambda: gone(process), "the companion is gone")


def test_what_cannot_be_started_does_not_end_the_daemon(tmp_path: Path) -> None:
    told: list[tuple[str, str | None]] = []
    with Companion("page", (str(tmp_path / "nothing"),), lambda *said: told.append(said), pauses_s=(0.01, 0.05)):
        wait_until(lambda: told, "it is told")
    assert told[0] == ("page", "its process ended with 1, and is begun again and again; the log has its reason")
