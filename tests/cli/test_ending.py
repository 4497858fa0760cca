"""A command that is told to end leaves nothing half done behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from banks import write_good
from services import DEADLINE_S, wait_until


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_calibration_that_is_ended_leaves_no_draft(tmp_path: Path, told: signal.Signals) -> None:
    good = write_good(tmp_path / "good", 40)
    banks = tmp_path / "banks"
    as_usual = ["env", "--default-signal=HUP,INT,TERM"]  # whoever runs the tests may ignore some
    command = [*as_usual, sys.executable, "-m", "inspector", "calibrate", str(good), "-o", str(banks / "disc")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        wait_until(lambda: list(banks.glob(".disc.*")), "it has begun")
        process.send_signal(told)
        _, said = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == (130 if told is signal.SIGINT else -told), said
    assert "Traceback" not in said
    assert list(banks.iterdir()) == []


def test_a_bank_that_is_still_being_opened_does_not_end_the_daemon_by_a_signal(bank: Path) -> None:
    left_behind = """
import sys, threading, time
from pathlib import Path
from inspector.cli.ending import leave
from inspector.pipeline import Pipeline

def open_banks():
    while True:
        Pipeline.open(Path(sys.argv[1]))
        opened.set()

opened = threading.Event()
threading.Thread(target=open_banks, daemon=True).start()
opened.wait()
time.sleep(0.3)
print("stopped")
leave()
"""
    ended = subprocess.run(
        [sys.executable, "-c", left_behind, bank], capture_output=True, text=True, timeout=DEADLINE_S
    )
    assert (ended.returncode, ended.stdout) == (0, "stopped\n"), ended.stderr
