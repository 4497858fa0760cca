"""Planes through the vectors of a bank, each spanned by the vectors around it, and distances to them.

A bank holds samples of what is normal. A normal patch of another frame lies between them rather than on one of them, a
defect lies beside them all; the distance to the nearest vector may be the same for both. So a patch is compared with
the plane through its nearest vector v that the vectors around v span. The rows of D are their differences from v, and
r is the patch less v. The distance is |r - D'w|, with the w that minimises |r - D'w|^2 + c |w|^2: the ridge c keeps the
foot of the distance from going far from where vectors are. This is the K-local hyperplane distance of Vincent and
Bengio (NIPS 2001) with the plane of the nearest vector in place of the query's own, so that all but one product can be
computed before there is a query.

With b = D r and M = (D D' + c I)^-1, the squared distance is |r|^2 - b' K b, where K = M + c M^2; and b follows from
the distances d_l of the patch to the vectors around v: b_l = (|r|^2 - d_l^2 + |D_l|^2) / 2.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inspector.types import Float32Array

RIDGE: Final = 0.1
"""c, as a share of the mean squared length of D's rows. On held-back samples, 0.03 to 0.3 do equally well."""

LEAST_RIDGE: Final = 1e-4
"""Lower bound of c, as a share of the mean squared length of the vectors: rounding errors of b are smaller."""

MOST_VECTORS: Final = 16_384
"""Limit for a bank that has planes: they take count^2 numbers a vector, and all pairwise distances once."""

_ROWS: Final = 256
"""Vectors whose planes are computed at a time."""


class Planes:
    """The planes through n vectors, float32 (n, dim), each spanned by the m nearest others, at most `count`.

    around: int32 (n, m), the numbers of those others. gaps: float32 (n, m), their squared distances. kernel: float32
    (n, m, m), K.
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
        """Squared distances of p patches to the planes through their k nearest vectors: float32 (p, k), >= 0.

        squared: squared distances to these vectors, float32 (p, k). nearest: their numbers, int64 (p, k). others:
        squared distances to the vectors `around` each of them, float32 (p, k, m).
        """
        toward = ((squared[..., None] - others + self.gaps[nearest]) / 2)[..., None]
        spanned = (toward.swapaxes(-1, -2) @ self.kernel[nearest] @ toward)[..., 0, 0]
        found: Float32Array = np.maximum(squared - spanned, 0)
        return found
