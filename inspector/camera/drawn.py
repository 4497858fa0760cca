"""The drawn product as a source: parts without end, some with a defect."""

from collections.abc import Iterator

import cv2
import numpy as np

from inspector.camera.source import Shot
from inspector.errors import UsageError
from inspector.synthetic import PRODUCTS, Defect, DefectKind, draw_part

_SIZE = 384
_SEVERITY = (0.5, 1.0)
_JPEG_QUALITY = 95


class DrawnSource:
    """Parts of one product as JPEG. Every pass is the same where a seed is given.

    Raises:
        UsageError: no such product, or a rate that is none.
    """

    def __init__(self, product: str, *, run: str, seed: int | None, defect_rate: float) -> None:
        if product not in PRODUCTS:
            raise UsageError(f"synthetic product {product!r}: expected one of {', '.join(PRODUCTS)}")
        if not 0 <= defect_rate <= 1:
            raise UsageError(f"defect rate: got {defect_rate}, expected 0 to 1")
        self._product = product
        self._prefix = f"{product}-{run}-" if run else f"{product}-"
        self._seed = seed
        self._defect_rate = defect_rate

    @property
    def fps(self) -> float | None:
        """Drawn parts come as fast as they are asked for."""
        return None

    def shots(self) -> Iterator[Shot]:
        """Parts without end, each with its truth."""
        rng = np.random.default_rng(self._seed)
        kinds = tuple(DefectKind)
        number = 0
        while True:
            defect = None
            if rng.random() < self._defect_rate:
                defect = Defect(kinds[int(rng.integers(len(kinds)))], float(rng.uniform(*_SEVERITY)))
            drawn = draw_part(rng, name=self._product, defect=defect, size=_SIZE)
            _, encoded = cv2.imencode(".jpg", drawn.pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
            truth = "good" if defect is None else defect.kind.value
            yield Shot(encoded.tobytes(), "image/jpeg", f"{self._prefix}{number:06d}", truth)
            number += 1

    def __enter__(self) -> "DrawnSource":
        return self

    def __exit__(self, *exc: object) -> None:
        pass
