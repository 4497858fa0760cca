"""Headers: which format a picture has, how large it is and how it was held, as the decoder finds it."""

import io
import struct

import numpy as np
import pytest
from pictures import exif_of, png_chunk, smooth_picture, with_opencv, with_pillow
from PIL import Image, PngImagePlugin

from inspector import frame, header
from inspector.errors import FrameFormatError

PICTURE = smooth_picture()
RGB = Image.fromarray(PICTURE)
JPEG = with_pillow(RGB, "JPEG", quality=95)
PNG = with_pillow(RGB, "PNG")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(kind: str, orientation: int) -> None:
    turns = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90,
    }  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    payload = with_pillow(RGB, kind, exif=exif)
    decoded = frame.decode(payload).pixels
    expected = turns[orientation](PICTURE)
    assert decoded.shape == expected.shape
    assert header.upright_size_wh(io.BytesIO(payload)) == expected.shape[1::-1]
    assert np.abs(decoded.astype(int) - expected).mean() < 4
    opened = Image.open(io.BytesIO(payload))
    if kind != "TIFF":  # which Pillow turns itself
        by_pillow = np.asarray(header.turned(opened, header.orientation_of(opened)), int)
        assert np.abs(by_pillow - expected).mean() < 4


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)


def png_with_xmp() -> bytes:
    said = PngImagePlugin.PngInfo()
    said.add_itxt("XML:com.adobe.xmp", XMP.decode())
    return with_pillow(RGB, "PNG", pnginfo=said)


def png_by_imagemagick() -> bytes:
    said = PngImagePlugin.PngInfo()
    exif = b"Exif\0\0" + exif_of(6)
    said.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n")
    return with_pillow(RGB, "PNG", pnginfo=said)


def png_with_exif(exif: bytes, *, before: bytes) -> bytes:
    at = PNG.index(before) - 4
    return PNG[:at] + png_chunk(b"eXIf", exif) + PNG[at:]


def jpeg_with_exif(exif: bytes) -> bytes:
    segment = b"Exif\0\0" + exif
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + JPEG[2:]


@pytest.mark.parametrize(
    ("payload", "size_wh"),
    [
        (with_pillow(RGB, "JPEG", xmp=XMP), (60, 40)),
        (png_with_xmp(), (60, 40)),
        (png_by_imagemagick(), (60, 40)),
        (with_pillow(RGB, "TIFF", tiffinfo={700: XMP}), (60, 40)),
        (with_pillow(RGB, "TIFF", tiffinfo={274: 9}), (60, 40)),
        (jpeg_with_exif(exif_of(9)), (60, 40)),
        (jpeg_with_exif(exif_of(6, kind=1)), (40, 60)),
        (jpeg_with_exif(exif_of(6, order=">", kind=4)), (60, 40)),
        (jpeg_with_exif(b"garbage"), (60, 40)),
        (png_with_exif(b"garbage", before=b"IDAT"), (60, 40)),
        (png_with_exif(exif_of(6), before=b"IDAT"), (40, 60)),
        (png_with_exif(exif_of(8, order=">"), before=b"IEND"), (40, 60)),
    ],
)
def test_a_frame_is_as_large_as_it_decodes_wherever_it_says_how_it_was_held(
    payload: bytes, size_wh: tuple[int, int]
) -> None:
    assert frame.decode(payload).size_wh == size_wh
    assert header.upright_size_wh(io.BytesIO(payload)) == size_wh


@pytest.mark.parametrize(
    ("payload", "name"),
    [
        (with_pillow(RGB, "WEBP"), "WebP"),
        (with_pillow(RGB, "GIF"), "GIF"),
        (with_opencv(PICTURE, ".jp2"), "JPEG 2000"),
        (with_opencv(PICTURE, ".avif"), "AVIF"),
        (with_opencv(PICTURE[..., 0], ".pgm"), "PGM or PPM"),
        (with_opencv(PICTURE, ".ppm"), "PGM or PPM"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"II+\0\x08\0\0\0", "BigTIFF"),
    ],
)
def test_usual_formats_that_are_not_read_are_told_by_name_and_with_what_to_do(payload: bytes, name: str) -> None:
    said = f"frame: got {name}, expected a JPEG, PNG, TIFF or BMP image; save it as PNG, which loses nothing"
    with pytest.raises(FrameFormatError, match=f"^{said}$"):
        frame.decode(payload)
    with pytest.raises(FrameFormatError, match=f"^{said}$"):
        header.open_header(io.BytesIO(payload))


@pytest.mark.parametrize(
    "payload",
    [b"hello", b"\0" * 1000, b"{}", with_pillow(RGB, "GIF"), with_pillow(RGB, "WEBP"), b"B", b"\xff\xd8"],
    ids=["text", "zeros", "json", "gif", "webp", "one byte", "two bytes"],
)
def test_other_formats_are_named_as_such(payload: bytes) -> None:
    with pytest.raises(FrameFormatError, match="expected a JPEG, PNG, TIFF or BMP"):
        frame.decode(payload)
