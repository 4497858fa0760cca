"""Whether a picture is all there, by what its format says about its own end."""

import pytest
from pictures import smooth_picture, with_opencv, with_pillow
from PIL import Image
from watching import JPEG, PNG

from inspector.camera.whole import End, end_of


@pytest.mark.parametrize(
    ("payload", "whole"),
    [
        (JPEG, End.SEEN),
        (with_pillow(Image.fromarray(smooth_picture()), "JPEG", progressive=True), End.SEEN),
        (PNG, End.SEEN),
        (with_opencv(smooth_picture(), ".bmp"), End.COUNTED),
        (with_opencv(smooth_picture(), ".tiff"), End.COUNTED),
        (with_pillow(Image.fromarray(smooth_picture()), "TIFF"), End.COUNTED),
    ],
)
def test_a_picture_is_whole_at_its_last_byte_and_not_before(payload: bytes, whole: End) -> None:
    assert end_of(payload) is end_of(payload + b"what a camera adds") is whole
    cut = [*range(0, len(payload) - 8, 97), len(payload) - 8]
    assert {end_of(payload[:size]) for size in cut} == {End.MISSING}


def test_a_bitmap_ends_with_its_rows_whatever_size_its_header_says() -> None:
    bitmap = with_opencv(smooth_picture(), ".bmp")
    for said in (0, 54, len(bitmap) + 1000):
        payload = bitmap[:2] + said.to_bytes(4, "little") + bitmap[6:]
        assert (end_of(payload), end_of(payload[:-1])) == (End.COUNTED, End.MISSING)


def test_the_end_of_the_small_picture_in_a_jpegs_headers_is_not_its_end() -> None:
    small = with_opencv(smooth_picture(8, 8), ".jpg")
    headers = b"\xff\xe1" + (len(small) + 2).to_bytes(2, "big") + small
    payload = JPEG[:2] + headers + JPEG[2:]
    assert end_of(payload) is End.SEEN
    assert end_of(payload[:-2]) is End.MISSING
