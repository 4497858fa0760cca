"""What lies between the vectors of a bank: through each a plane that those around it span.

A bank holds samples of what is normal. A normal patch of another frame lies between them rather than on one of them,
and a defect lies beside them all; the distance to the nearest vector takes the one for the other. So a patch is held
against the plane through its nearest vector v that the vectors around v span: the rows of D are their differences from
v, and r is the patch less v. Its distance is |r - D'w|, with the w for which |r - D'w|^2 + c |w|^2 is least: c keeps it
from going far from where vectors are. (K-local hyperplane distance, Vincent and Bengio, NIPS 2001, with the plane of
the nearest vector in place of the query's own: all but one product can be worked out before there is a query.)

With b = D r and M = (D D' + c I)^-1, the squared distance is |r|^2 - b' K b, K = M + c M^2; and b comes of the
distances d_l of the patch to the vectors around: b_l = (|r|^2 - d_l^2 + |D_l|^2) / 2.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array

RIDGE: Final = 0.1
"""c, by the mean squared length of D's rows. By held-back samples, 0.03 to 0.3 are alike."""

LEAST_RIDGE: Final = 1e-4
"""c at least, by the mean squared length of the vectors: what rounding makes of b is smaller."""

MOST_VECTORS: Final = 16_384
"""Of a bank that has planes: they take `count` squared numbers a vector, and its distances to all others once."""

_ROWS: Final = 256
"""Vectors at a time, while planes are worked out."""


class Planes:
    """The planes of n vectors, float32 (n, dim), each spanned by `count` others, m: fewer where there are fewer.

    around: int32 (n, m), which. gaps: float32 (n, m), their squared distances. kernel: float32 (n, m, m), K.
    """

    def __init__(self, vectors: Float32Array, count: int) -> None:
        n, m = len(vectors), min(count, len(vectors) - 1)
        lengths = np.einsum("ij,ij->i", vectors, vectors)
        least = max(LEAST_RIDGE * float(lengths.mean()), float(np.finfo(np.float32).tiny))
        self.around = np.empty((n, m), np.int32)
        self.gaps = np.empty((n, m), np.float32)
        self.kernel = np.empty((n, m, m), np.float32)
        for begin in range(0, n, _ROWS):
            rows = np.arange(begin, min(begin + _ROWS, n))
            squared = lengths[rows, None] + lengths - 2 * vectors[rows] @ vectors.T
            squared[np.arange(len(rows)), rows] = np.inf
            around = np.argpartition(squared, m - 1, axis=1)[:, :m]
            differences = vectors[around] - vectors[rows, None]
            products = differences @ differences.transpose(0, 2, 1)
            gaps = np.einsum("ill->il", products)
            ridge = np.maximum(RIDGE * gaps.mean(1), least)[:, None, None]
            inverse = np.linalg.inv(products + ridge * np.eye(m, dtype=np.float32))
            self.around[rows], self.gaps[rows] = around, gaps
            self.kernel[rows] = inverse + ridge * (inverse @ inverse)

    def shortened(self, squared: Float32Array, nearest: NDArray[np.int64], others: Float32Array) -> Float32Array:
        """Squared distances to the planes at the nearest vectors, float32 (p, k), not below 0.

        squared: those to these vectors, float32 (p, k). nearest: their numbers, (p, k). others: squared distances to
        `around` them, float32 (p, k, m).
        """
        toward = ((squared[..., None] - others + self.gaps[nearest]) / 2)[..., None]
        spanned = (toward.swapaxes(-1, -2) @ self.kernel[nearest] @ toward)[..., 0, 0]
        found: Float32Array = np.maximum(squared - spanned, 0)
        return found
