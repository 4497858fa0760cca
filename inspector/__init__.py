"""Visual quality inspection at the line: patch embeddings against a memory bank of normal samples."""

import sys
from importlib.metadata import version

__version__ = version("inspector")

# OpenVINO reports every import over the network, unless this package of its is not there. Nothing here phones home.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
