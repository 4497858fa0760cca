"""A network camera as a source: what is damaged, what is missing, and a connection that breaks off."""

import numpy as np
import pytest
from pictures import with_opencv
from streaming import streaming

from inspector.camera.capture import Capture, shot_of
from inspector.errors import FrameDamagedError
from inspector.frame import decode


def jpeg(value: int) -> bytes:
    """A picture of one grey, 0 to 255."""
    return with_opencv(np.full((48, 64, 3), value, np.uint8), ".jpg")


def test_a_picture_that_arrived_by_half_is_not_mended_with_the_one_before() -> None:
    pictures = [jpeg(50 + 10 * number) for number in range(10)]
    pictures[5] = pictures[5][:-20]
    with streaming([pictures]) as (address, _):
        stream = Capture(address)
        read = [stream.read() for _ in pictures]
        stream.release()
    images = [shot_of(picture).image for picture in read if picture is not None]
    assert images == pictures
    with pytest.raises(FrameDamagedError, match="truncated"):
        decode(images[5])
