"""The peer: PatchCore of anomalib, in a virtual environment of its own, where nothing of inspector is installed.

    PEER_PYTHON benchmarks/peer.py

It reads one JSON object a line and answers each with one. Arrays travel as .npy files whose paths the objects name, so
that both sides see the very same pixels. Pictures are uint8 (n, height, width, 3) RGB. The benchmarks start it through
`benchmarks.rival`.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anomalib.models.components import KCenterGreedy
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from safetensors.torch import load_file

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)

Answer = dict[str, Any]


class Peer:
    """One PatchCore model, and what it can be asked."""

    def __init__(self) -> None:
        self._model: Any = None
        self._run: Callable[[torch.Tensor], tuple[float, np.ndarray]] = self._run_torch

    def open(self, arch: str, layers: list[str], weights: str, threads: int, seed: int) -> Answer:
        """A model without a bank, its backbone's weights from a safetensors file."""
        torch.set_num_threads(threads)
        torch.manual_seed(seed)
        # Nine neighbours reweight the image score: anomalib's default.
        self._model = PatchcoreModel(layers=layers, backbone=arch, pre_trained=False, num_neighbors=9)
        result = self._model.feature_extractor.feature_extractor.load_state_dict(load_file(weights), strict=False)
        learned = [key for key in result.missing_keys if key.endswith(("weight", "bias"))]
        return {"anomalib": version("anomalib"), "torch": torch.__version__, "missing": learned}

    def fit(self, pictures: str, vectors: int) -> Answer:
        """Embed all pictures and subsample the bank; seconds of both."""
        self._model.train()
        self._model.feature_extractor.eval()
        begin = time.perf_counter()
        with torch.no_grad():
            for picture in np.load(pictures, mmap_mode="r"):
                self._model(_normalised(picture))
        embedded = time.perf_counter()
        patches = sum(len(part) for part in self._model.embedding_store)
        # Half a vector more, so that the ratio does not lose one to rounding.
        self._model.subsample_embedding(min(1.0, (vectors + 0.5) / patches))
        done = time.perf_counter()
        return {
            "patches": patches,
            "bank": list(self._model.memory_bank.shape),
            "embed_s": embedded - begin,
            "coreset_s": done - embedded,
        }

    def save(self, bank: str) -> Answer:
        """Write the bank's vectors."""
        np.save(bank, self._model.memory_bank.numpy())
        return {}

    def bank(self, bank: str) -> Answer:
        """Take the bank's vectors, float32 (n, dim), from a file."""
        self._model.memory_bank = torch.from_numpy(np.load(bank))
        self._model.eval()
        return {"bank": list(self._model.memory_bank.shape)}

    def score(self, pictures: str, out: str) -> Answer:
        """Image scores; anomaly maps go into `out`, float16 (n, height, width)."""
        self._model.eval()
        stack = np.load(pictures, mmap_mode="r")
        maps = np.lib.format.open_memmap(out, mode="w+", dtype=np.float16, shape=stack.shape[:3])
        scores = []
        for index, picture in enumerate(stack):
            score, maps[index] = self._run(_normalised(picture))
            scores.append(score)
        maps.flush()
        return {"scores": scores}

    def time(self, pictures: str, start: int, count: int, warm: int) -> Answer:
        """Milliseconds of `count` pictures from number `start` on, after `warm` that do not count; no decoding."""
        self._model.eval()
        stack = np.load(pictures, mmap_mode="r")
        inputs = [_normalised(stack[(start + index) % len(stack)]) for index in range(warm + count)]
        taken = []
        for value in inputs:
            begin = time.perf_counter()
            self._run(value)
            taken.append((time.perf_counter() - begin) * 1e3)
        return {"ms": taken[warm:]}

    def coreset(self, vectors: str, count: int) -> Answer:
        """Seconds that its coreset takes of float32 (n, dim) in a file, and the covering radius it leaves."""
        everything = torch.from_numpy(np.load(vectors))
        begin = time.perf_counter()
        chosen = KCenterGreedy(everything, (count + 0.5) / len(everything)).select_coreset_idxs()
        seconds = time.perf_counter() - begin
        centers = everything[chosen]
        parts = torch.tensor_split(everything, len(everything) // 4096 + 1)
        radius = max(float(torch.cdist(part, centers).min(1).values.max()) for part in parts)
        return {"seconds": seconds, "count": len(chosen), "radius": radius}

    def openvino(self, size_wh: list[int], threads: int) -> Answer:
        """From now on the model runs as an OpenVINO graph, in single precision."""
        import openvino as ov

        width, height = size_wh
        self._model.eval()
        with torch.no_grad():
            graph = ov.convert_model(_ScoreAndMap(self._model), example_input=torch.zeros(1, 3, height, width))
        graph.reshape([1, 3, height, width])
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads,
        }
        compiled = ov.Core().compile_model(graph, "CPU", config)
        heat, score = sorted(range(2), key=lambda index: -len(compiled.outputs[index].partial_shape))

        def run(value: torch.Tensor) -> tuple[float, np.ndarray]:
            outputs = compiled([value.numpy()])
            return float(outputs[score].item()), outputs[heat][0, 0]

        self._run = run
        return {"openvino": ov.__version__}

    def memory(self) -> Answer:
        """Resident now, and the most it ever was, MB."""
        lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        return {"rss_mb": int(lines["VmRSS"].split()[0]) / 1024, "peak_mb": int(lines["VmHWM"].split()[0]) / 1024}

    def _run_torch(self, value: torch.Tensor) -> tuple[float, np.ndarray]:
        with torch.inference_mode():
            found = self._model(value)
        return float(found.pred_score), found.anomaly_map[0, 0].numpy()


class _ScoreAndMap(torch.nn.Module):
    """The model's two outputs without the fields that it leaves empty."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, value: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        found = self.model(value)
        return found.pred_score, found.anomaly_map


def _normalised(picture: np.ndarray) -> torch.Tensor:
    """uint8 (height, width, 3) -> float32 (1, 3, height, width)."""
    value = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float()[None] / 255
    return ((value - MEAN) / STD).contiguous()


def main() -> None:
    """Answer until the input ends. Whatever libraries print goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    peer = Peer()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            answer = getattr(peer, asked.pop("do"))(**asked)
        except Exception as error:  # noqa: BLE001 (whatever it is, the one who asked is told)
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
