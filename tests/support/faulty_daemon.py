"""The daemon with a pipeline that can be slow, or end the process: the faults that no picture provokes on purpose.

INSPECT_S: seconds that each inspection takes longer. STALLED_S, FINISH_S: the daemon's patience, instead of its own. A
payload that ends in DEADLY ends the process at once, one that ends in BUGGY raises what nobody expects, one that ends
in HANGING does not come back from the C library.
"""

import ctypes
import os
import sys
import time
from pathlib import Path

from inspector import settings
from inspector.line import daemon, vigil, worker
from inspector.pipeline import Pipeline
from inspector.types import Frame, Inspection

DEADLY = b"deadly"
BUGGY = b"buggy"
HANGING = b"hanging"
HANGS = "it hangs"
"""What the log says as soon as such a frame is in hand."""

_inspect = Pipeline.inspect_decoding


def _faulty(self: Pipeline, payload: bytes) -> tuple[Inspection, Frame]:
    if payload.endswith(DEADLY):
        os._exit(9)
    if payload.endswith(BUGGY):
        raise RuntimeError("a bug")
    if payload.endswith(HANGING):
        sys.stderr.write(f"{HANGS}\n")
        ctypes.CDLL(None).sleep(3600)
    time.sleep(float(os.environ.get("INSPECT_S", "0")))
    return _inspect(self, payload)


if __name__ == "__main__":
    Pipeline.inspect_decoding = _faulty  # type: ignore[method-assign]
    vigil.STALLED_S = float(os.environ.get("STALLED_S", vigil.STALLED_S))
    worker.FINISH_S = float(os.environ.get("FINISH_S", worker.FINISH_S))
    daemon.run(settings.load(Path(sys.argv[1])))
