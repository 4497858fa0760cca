"""The head: a small net over patch embeddings that tells synthetic defects from normal patches, and its training.

Its one output is appended to the embedding: close to zero on normal patches, large where a patch looks like a defect.
Distances to the bank then grow with both, with what no normal patch resembles and with what resembles a defect. Normal
patches that the head mistakes lie in the bank with that output, and are forgiven. A simple discriminator over frozen
features, after Liu et al., "SimpleNet", CVPR 2023. It is trained in numpy, without torch.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.random import Generator

from inspector.types import Float32Array

if TYPE_CHECKING:
    import openvino as ov

HIDDEN: Final = 64
BATCH: Final = 1024
STEPS: Final = 600
RATE: Final = 2e-3
DECAY: Final = 1e-2
DROPOUT: Final = 0.3
NOISE: Final = 0.2
"""Added to training inputs, as a share of the embedding's own standard deviation: features of a defect that was never
drawn lie near those of one that was.
"""


@dataclass(frozen=True, slots=True)
class Head:
    """gain * softplus(relu(x @ w1 + b1) @ w2 + b2).

    All float32: w1 (dim, hidden), b1 (hidden,), w2 (hidden,), b2 (1,), gain (1,).
    """

    w1: Float32Array
    b1: Float32Array
    w2: Float32Array
    b2: Float32Array
    gain: Float32Array

    def logits(self, embeddings: Float32Array) -> Float32Array:
        """float32 (..., dim) -> float32 (...), above 0 where a patch is taken for a defect."""
        hidden = np.maximum(embeddings @ self.w1 + self.b1, 0)
        logits: Float32Array = hidden @ self.w2 + self.b2[0]
        return logits

    def alarm(self, embeddings: Float32Array) -> Float32Array:
        """float32 (..., dim) -> float32 (...), >= 0: the number that is appended to the embedding."""
        alarm: Float32Array = np.logaddexp(np.float32(0), self.logits(embeddings)) * self.gain[0]
        return alarm

    def with_gain(self, gain: float) -> "Head":
        """The same net, another weight beside the embedding."""
        return replace(self, gain=np.array([gain], np.float32))

    def openvino(self, fused: "ov.Output") -> "ov.Output":
        """Adds to an OpenVINO graph what `alarm` does: NCHW (1, dim, h, w) -> (1, 1, h, w)."""
        from openvino import opset13 as ops

        def convolve(node: Any, kernel: Float32Array, bias: Float32Array) -> Any:
            weights = ops.constant(np.ascontiguousarray(kernel.T[:, :, None, None]))
            convolved = ops.convolution(node, weights, [1, 1], [0, 0], [0, 0], [1, 1])
            return ops.add(convolved, ops.constant(bias.reshape(1, -1, 1, 1)))

        hidden = ops.relu(convolve(fused, self.w1, self.b1))
        alarm = ops.softplus(convolve(hidden, self.w2[:, None], self.b2))
        scaled: ov.Output = ops.multiply(alarm, self.gain.reshape(1, 1, 1, 1)).output(0)
        return scaled

    def arrays(self) -> dict[str, Float32Array]:
        """The arrays by the names of the fields."""
        return {"w1": self.w1, "b1": self.b1, "w2": self.w2, "b2": self.b2, "gain": self.gain}


@dataclass(frozen=True, slots=True)
class Lesson:
    """Patches that a head learns from, float32 (n, dim) each: of defects, beside defects, and of untouched samples."""

    defect: Float32Array
    beside: Float32Array
    normal: Float32Array


def train(lesson: Lesson, rng: Generator) -> Head:
    """Train a head, with gain 1, by AdamW on the logistic loss; a quarter of each batch are patches of defects.

    Embeddings are centred and scaled for training; the head that is returned takes them as they are.
    """
    middle = lesson.normal.mean(0, dtype=np.float64).astype(np.float32)
    spread = max(float(np.sqrt(((lesson.normal - middle) ** 2).mean(dtype=np.float64))), 1e-12)
    dim = lesson.normal.shape[1]
    weights = [
        rng.uniform(-1, 1, (dim, HIDDEN)).astype(np.float32) / np.float32(np.sqrt(dim)),
        np.zeros(HIDDEN, np.float32),
        rng.uniform(-1, 1, HIDDEN).astype(np.float32) / np.float32(np.sqrt(HIDDEN)),
        np.zeros(1, np.float32),
    ]
    moments = [(np.zeros_like(array), np.zeros_like(array)) for array in weights]
    labels = (np.arange(BATCH) < BATCH // 4).astype(np.float32)
    importance = np.where(labels > 0, np.float32(1.5 / BATCH), np.float32(0.5 / BATCH))
    for step in range(STEPS):
        drawn = [
            part[rng.integers(len(part), size=count)]
            for part, count in ((lesson.defect, BATCH // 4), (lesson.beside, BATCH // 4), (lesson.normal, BATCH // 2))
        ]
        x = (np.concatenate(drawn).astype(np.float32) - middle) / np.float32(spread)
        x += np.float32(NOISE) * rng.standard_normal(x.shape, np.float32)
        keep = (rng.random((BATCH, HIDDEN), np.float32) >= DROPOUT).astype(np.float32) / np.float32(1 - DROPOUT)
        _, gradients = loss(weights, x.astype(np.float32), labels, importance, keep)
        rate = RATE * (1 - step / STEPS)
        for array, gradient, (first, second) in zip(weights, gradients, moments, strict=True):
            first += 0.1 * (gradient - first)
            second += 0.001 * (gradient**2 - second)
            unbiased = first / np.float32(1 - 0.9 ** (step + 1))
            size = np.sqrt(second / np.float32(1 - 0.999 ** (step + 1))) + np.float32(1e-8)
            array -= np.float32(rate) * (unbiased / size + np.float32(DECAY) * array)
    w1, b1, w2, b2 = weights
    return Head(w1 / np.float32(spread), b1 - middle @ w1 / np.float32(spread), w2, b2, np.ones(1, np.float32))


def loss(
    weights: list[Float32Array],
    x: Float32Array,
    labels: Float32Array,
    importance: Float32Array,
    keep: Float32Array,
) -> tuple[float, list[Float32Array]]:
    """Weighted logistic loss of a batch and its gradient by each of w1, b1, w2, b2.

    x: (n, dim). labels: (n,), 1 for defects. importance: (n,). keep: (n, hidden), the dropout mask, scaled.
    """
    w1, b1, w2, b2 = weights
    before = x @ w1 + b1
    hidden = np.maximum(before, 0) * keep
    logits = hidden @ w2 + b2[0]
    value = float((importance * (np.logaddexp(0, logits) - labels * logits)).sum())
    slope = importance * (0.5 * (1 + np.tanh(0.5 * logits)) - labels)
    back = (slope[:, None] * w2) * keep * (before > 0)
    return value, [x.T @ back, back.sum(0), hidden.T @ slope, slope.sum(keepdims=True)]
