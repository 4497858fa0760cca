"""The daemon with a pipeline that can be slow, or end the process: the faults that no picture provokes on purpose.

INSPECT_S: seconds that each inspection takes longer. A payload that ends in DEADLY ends the process at once, one that
ends in BUGGY raises what nobody expects.
"""

import os
import sys
import time
from pathlib import Path

from inspector import daemon, settings
from inspector.pipeline import Pipeline
from inspector.types import Inspection

DEADLY = b"deadly"
BUGGY = b"buggy"

_inspect = Pipeline.inspect


def _faulty(self: Pipeline, payload: bytes) -> Inspection:
    if payload.endswith(DEADLY):
        os._exit(9)
    if payload.endswith(BUGGY):
        raise RuntimeError("a bug")
    time.sleep(float(os.environ.get("INSPECT_S", "0")))
    return _inspect(self, payload)


if __name__ == "__main__":
    Pipeline.inspect = _faulty  # type: ignore[method-assign]
    daemon.run(settings.load(Path(sys.argv[1])))
