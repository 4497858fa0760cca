"""The default engine: the bank's exported graph on the CPU through OpenVINO, in single precision."""

from functools import cache
from pathlib import Path

import numpy as np
import openvino as ov
import openvino.properties as props
import openvino.properties.hint as hints
from openvino import opset13 as ops

from inspector.errors import EngineError, InferenceError
from inspector.planes import Planes
from inspector.types import Distances, Float32Array, UInt8Image

_CONFIG = {
    hints.performance_mode: hints.PerformanceMode.LATENCY,
    # CPUs with AMX would run bfloat16 unasked: scores must not depend on the box that computes them.
    hints.inference_precision: ov.Type.f32,
    props.num_streams: 1,
}

_MOST_AT_ONCE = 2048
"""Patches that are searched for at a time: more are no faster."""

_MOST_NUMBERS = 1 << 24
"""Intermediate values of a search at a time, 64 MB of them."""


@cache
def _core() -> ov.Core:
    """One for the process, never closed.

    The CPU plugin of each core gives the thread that opens it another stack for signals and, when it is closed, puts
    back the one before. Two that are closed in the order of opening leave that thread with a stack that was freed:
    the next signal, a SIGTERM, then ends the process by SIGSEGV.
    """
    core = ov.Core()
    core.set_property({"ENABLE_MMAP": False})  # a bank that is copied over in place must not change, or end, what runs
    return core


class OpenVinoEngine:
    """Compiles `graph` (a path to IR, or a model in memory) and runs it picture by picture.

    One picture at a time keeps a frame's score independent of its neighbours, and the latency hint gives each
    picture all cores.

    Raises:
        EngineError: OpenVINO cannot read or compile the graph.
    """

    def __init__(self, graph: Path | ov.Model) -> None:
        try:
            model = _core().read_model(graph) if isinstance(graph, Path) else graph
            compiled = _core().compile_model(model, "CPU", _CONFIG)
        except RuntimeError as error:
            raise EngineError(f"openvino: cannot run {graph}: {_last_line(error)}") from error
        self._request = compiled.create_infer_request()
        self._input_shape: tuple[int, ...] = tuple(compiled.input(0).shape)
        self._output = compiled.output(0)

    @property
    def name(self) -> str:
        """Engine, version, device, precision."""
        return f"openvino {ov.__version__.split('-')[0]} cpu f32"

    @property
    def grid(self) -> tuple[int, int, int]:
        """Rows and columns of patches, and values of each embedding."""
        _, rows, columns, dim = self._output.shape
        return rows, columns, dim

    def embed(self, images: UInt8Image) -> Float32Array:
        """uint8 (n, height, width, 3) -> float32 (n, grid_h, grid_w, dim).

        Raises:
            InferenceError: the pictures are not of the graph's size, or OpenVINO fails.
        """
        if images.dtype != np.uint8 or images.shape[1:] != self._input_shape[1:]:
            raise InferenceError(
                f"openvino: got {images.dtype} {images.shape}, expected uint8 {('n', *self._input_shape[1:])}"
            )
        embeddings = np.empty((len(images), *self.grid), np.float32)
        try:
            for index, image in enumerate(images):
                self._request.infer([image[None]], share_inputs=True)
                embeddings[index] = self._request.get_tensor(self._output).data[0]
        except RuntimeError as error:
            raise InferenceError(f"openvino: inference failed: {_last_line(error)}") from error
        return embeddings

    def distances(self, vectors: Float32Array, k: int, count: int, planes: Planes | None = None) -> Distances:
        """Exact k-NN distances by one matrix product on the threads that embed.

        They are awake when the search begins. Threads of another library are not: on frames 67 ms apart, faiss takes
        twice as long as back to back. Large frames are searched for in blocks of like size, since a product takes a
        number for each patch and vector.

        Raises:
            EngineError: OpenVINO cannot compile the search.
        """
        k = min(k, len(vectors))
        block = _block(count, len(vectors) + (k * planes.kernel[0].size if planes is not None else 0))
        graph = _distance_graph(vectors, k, block, planes)
        try:
            compiled = _core().compile_model(graph, "CPU", _CONFIG)
        except RuntimeError as error:
            raise EngineError(f"openvino: cannot search among {len(vectors)} vectors: {_last_line(error)}") from error
        request, output = compiled.create_infer_request(), compiled.output(0)

        def search(queries: Float32Array) -> Float32Array:
            found = np.empty((len(queries), k), np.float32)
            try:
                for begin in range(0, len(queries), block):
                    part = queries[begin : begin + block]
                    filled = part if len(part) == block else np.pad(part, ((0, block - len(part)), (0, 0)))
                    request.infer([filled], share_inputs=True)
                    found[begin : begin + block] = request.get_tensor(output).data[: len(part)]
            except RuntimeError as error:
                raise InferenceError(f"openvino: search failed: {_last_line(error)}") from error
            return found

        return search


def _block(count: int, numbers: int) -> int:
    """How many of `count` patches to search for at a time, each of which takes so many intermediate numbers."""
    most = max(1, min(_MOST_AT_ONCE, _MOST_NUMBERS // numbers))
    return -(-count // -(-count // most))


def _last_line(error: RuntimeError) -> str:
    return (str(error).strip() or "OpenVINO says nothing of it").splitlines()[-1]


def _distance_graph(vectors: Float32Array, k: int, count: int, planes: Planes | None) -> ov.Model:
    """float32 (count, dim) -> float32 (count, k): |q - v| from |q|^2 - 2 q.v + |v|^2, the k smallest; with planes, the
    distances to those through them.
    """
    queries = ops.parameter([count, vectors.shape[1]], np.float32, name="queries")
    last = np.array([1], np.int64)
    products = ops.matmul(queries, ops.constant(-2 * vectors), transpose_a=False, transpose_b=True)
    shifted = ops.add(products, ops.constant(np.einsum("ij,ij->i", vectors, vectors)[None]))
    if k == 1 and planes is None:
        smallest = ops.reduce_min(shifted, last, keep_dims=True)
    else:
        found = ops.topk(shifted, np.int32(k), axis=1, mode="min", sort="value")
        smallest = found.output(0)
        if planes is not None:
            smallest = ops.subtract(smallest, _spanned(shifted, smallest, found.output(1), planes))
    squared = ops.add(smallest, ops.reduce_sum(ops.multiply(queries, queries), last, keep_dims=True))
    return ov.Model([ops.result(ops.sqrt(ops.relu(squared)))], [queries], "distances")


def _spanned(shifted: ov.Node, smallest: ov.Output, nearest: ov.Output, planes: Planes) -> ov.Node:
    """What planes take off squared distances (`Planes.shortened`), which are all less |q|^2 here: that cancels out."""
    first = np.int32(0)
    count, k = smallest.shape
    around = ops.gather(ops.constant(planes.around), nearest, first)
    flat, deep = (ops.constant(np.array(shape, np.int64)) for shape in ((count, -1), (count, k, -1)))
    others = ops.reshape(ops.gather_elements(shifted, ops.reshape(around, flat, False), 1), deep, False)
    away = ops.subtract(ops.unsqueeze(smallest, np.int64(2)), others)
    toward = ops.multiply(
        ops.add(away, ops.gather(ops.constant(planes.gaps), nearest, first)), ops.constant(np.float32(0.5))
    )
    weighed = ops.matmul(
        ops.unsqueeze(toward, np.int64(2)), ops.gather(ops.constant(planes.kernel), nearest, first), False, False
    )
    return ops.reduce_sum(ops.multiply(ops.squeeze(weighed, np.int64(2)), toward), np.array([2], np.int64))
