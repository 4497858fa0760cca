"""Signals that come while somebody looks at the event that they set."""

import subprocess
import sys

import pytest

WITHIN_S = 60.0

COMMAND = """
from inspector.cli.live import stop_by_signals
stop = stop_by_signals()
look = lambda: stop.wait(0)
"""

DEMO = """
import signal
from inspector.demo.interrupt import Interrupt
class First(Interrupt):
    def __init__(self):
        super().__init__()
        self.waits = True
    def handle(self, number, frame):
        if not self._seen.is_set():  # a second one is meant to break off
            super().handle(number, frame)
interrupt = First()
signal.signal(signal.SIGTERM, lambda *got: interrupt.handle(*got))
def look():
    global interrupt
    if interrupt.seen(0):
        interrupt = First()
"""

COLLECTION = """
from datetime import UTC, datetime
from pathlib import Path
from inspector.samples.collecting import _Stop
from inspector.samples.collection import Collection
from inspector.samples.folder import SampleFolder
begun = Collection(id="1", by="eva", begun=datetime.now(UTC), count=1, over_s=0)
stop = _Stop(SampleFolder(Path("nowhere"), "plant/hall/line/station"), begun).__enter__()
look = lambda: stop.event.wait(0)
"""

SEND = """
import os, signal, threading, time
def send():
    for _ in range(300):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.001)
    sent.append(True)
sent = []
sender = threading.Thread(target=send, daemon=True)
sender.start()
while not sent:
    look()
print("over")
"""


@pytest.mark.parametrize("begin", [COMMAND, DEMO, COLLECTION], ids=["command", "demo", "collection"])
def test_signals_never_hold_up_who_waits_for_them(begin: str) -> None:
    ended = subprocess.run([sys.executable, "-c", begin + SEND], capture_output=True, text=True, timeout=WITHIN_S)
    assert (ended.returncode, ended.stdout) == (0, "over\n"), ended.stderr
