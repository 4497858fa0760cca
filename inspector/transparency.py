"""Which pixels of a drawn mask nobody sees: the decoder drops alpha, and leaves the colours that lie behind it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from inspector.header import suffix_of

_KIND = 25
"""Where a PNG says whether its pixels have alpha: the byte's third bit."""


def hidden_in(payload: bytes) -> NDArray[np.bool_] | None:
    """The wholly transparent pixels of a PNG that decodes: bool (height, width); None where it has no transparency.

    Other formats have none here: of a BMP the byte is often there and means nothing, a TIFF is decoded onto black.
    """
    if suffix_of(payload) != "png":
        return None
    if not (payload[_KIND] & 4 or b"tRNS" in payload[: max(0, payload.find(b"IDAT"))]):
        return None
    pixels = cv2.imdecode(np.frombuffer(payload, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None or pixels.ndim != 3 or pixels.shape[2] != 4:
        return None
    return np.asarray(pixels[..., 3] == 0)
