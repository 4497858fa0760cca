"""Inference engines, opened lazily: OpenVINO on the CPU by default, torch for CUDA and as the reference.

Engines agree with one another within `TOLERANCE`.
"""

import importlib.util
from pathlib import Path

from inspector.errors import EngineError, to_install
from inspector.types import Engine

TOLERANCE = 1e-3
"""The largest difference of two engines' embeddings of one picture, relative to the embedding's largest value."""

ENGINES = ("auto", "openvino", "torch", "torch:cpu", "torch:cuda")


def open_engine(name: str, bank_dir: Path) -> Engine:
    """The engine that runs the graph of the bank in `bank_dir`.

    name: one of ENGINES. `auto` is OpenVINO; `torch` takes CUDA where there is one.

    Raises:
        EngineError: no such engine, not installed, or it refuses the graph.
    """
    if name in ("auto", "openvino"):
        from inspector.engines.openvino import OpenVinoEngine

        return OpenVinoEngine(bank_dir / "graph.xml")
    if name in ENGINES:
        if importlib.util.find_spec("torch") is None:
            raise EngineError(
                f"engine {name}: torch is not installed; use engine openvino, or {to_install('calibrate')}"
            )
        from inspector.engines.torch import TorchEngine

        return TorchEngine.open(bank_dir, device=name.partition(":")[2] or None)
    raise EngineError(f"engine {name!r}: no such engine; expected one of {', '.join(ENGINES)}")
