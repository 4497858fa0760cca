"""Encoded pictures for tests: every format and pixel type that a camera may send."""

import io
import struct
import zlib
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inspector.drift import PICTURE_SIDE, Baseline, Reference
from inspector.types import UInt8Image


def smooth_picture(height: int = 40, width: int = 60, seed: int = 0) -> UInt8Image:
    """uint8 (height, width, 3) RGB, without detail that JPEG would lose, and without symmetry."""
    noise = np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)
    blurred = np.asarray(cv2.GaussianBlur(noise, (0, 0), 6))
    return ((blurred - blurred.min()) / np.ptp(blurred) * 255).astype(np.uint8)


def with_pillow(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Encoded by Pillow."""
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def with_opencv(picture_bgr: np.ndarray, suffix: str, *options: int) -> bytes:
    """Encoded by OpenCV, which takes BGR."""
    return bytes(cv2.imencode(suffix, picture_bgr, options)[1])


def behind_alpha(mask: UInt8Image, kind: str) -> bytes:
    """A PNG that is white everywhere, and transparent where the mask, uint8 (height, width), is 0.

    kind: `RGBA`, `LA`, or `P`: a palette with a transparent white.
    """
    white = np.full_like(mask, 255)
    if kind == "P":
        picture = Image.fromarray((mask > 0).astype(np.uint8))
        picture.putpalette([255] * 6)
        return with_pillow(picture, "PNG", transparency=0)
    return with_pillow(Image.merge(kind, [Image.fromarray(each) for each in [white] * (len(kind) - 1) + [mask]]), "PNG")


def png(width: int, height: int, data: bytes, *, depth: int = 8, colour: int = 0) -> bytes:
    """A PNG with any header and any compressed data."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(name, content) for name, content in parts)


def png_chunk(name: bytes, content: bytes) -> bytes:
    """A piece of a PNG, with its length and checksum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def exif_of(orientation: int, *, order: str = "<", kind: int = 3) -> bytes:
    """How a picture was held, as EXIF. order: `<` or `>` of its bytes; kind: 3 for a short number, 4 for a long one."""
    value = struct.pack(order + ("I" if kind == 4 else "H"), orientation).ljust(4, b"\0")
    head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 1)
    return head + struct.pack(order + "HHI", 0x0112, kind, 1) + value + bytes(4)


def bomb(side: int = 13_000) -> bytes:
    """A sound, black PNG of side x side pixels in less than a megabyte."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side))
    return png(side, side, rows + packer.flush())


def grey_png(width: int, height: int) -> bytes:
    """All of one grey, of any size, made without holding its pixels."""
    packer = zlib.compressobj(1)
    line = bytes(width + 1)
    packed = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    return png(width, height, packed)


def baseline_of(signals: NDArray[np.float64]) -> Baseline:
    """The baseline of normals with these signals, float64 (samples, 9)."""
    picture = smooth_picture(PICTURE_SIDE, PICTURE_SIDE)[..., 0]
    reference = Reference(picture, np.zeros(4, np.float32), np.ones(4, np.float32))
    return Baseline(reference, signals, np.ones(len(signals), np.float32))
