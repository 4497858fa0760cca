"""The one decoder: what cameras send becomes upright RGB; everything else is an error of its own kind."""

import io
import struct
import subprocess
import sys
import tracemalloc
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import bomb, exif_of, png, png_chunk, smooth_picture, with_opencv, with_pillow
from PIL import Image

from inspector import errors, frame, header
from inspector.errors import (
    FrameDamagedError,
    FrameEmptyError,
    FrameError,
    FrameFormatError,
    FrameTooLargeError,
)

PICTURE = smooth_picture()
RGB = Image.fromarray(PICTURE)
LOSSLESS = ("PNG", "TIFF", "BMP")
MAGICS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"BM")

INTACT = {
    "jpeg": with_pillow(RGB, "JPEG", quality=95),
    "jpeg progressive": with_pillow(RGB, "JPEG", progressive=True),
    "jpeg with thumbnail": with_pillow(RGB, "JPEG", exif=b"Exif\0\0" + with_pillow(RGB.resize((8, 8)), "JPEG")),
    "png": with_pillow(RGB, "PNG"),
    "png 16 bit": with_opencv(PICTURE.astype(np.uint16) * 257, ".png"),
    "tiff": with_pillow(RGB, "TIFF"),
    "tiff lzw": with_opencv(PICTURE, ".tiff"),
    "tiff deflate": with_pillow(RGB, "TIFF", compression="tiff_adobe_deflate"),
    "tiff packbits": with_pillow(RGB, "TIFF", compression="packbits"),
    "bmp": with_pillow(RGB, "BMP"),
    "bmp grey": with_pillow(RGB.convert("L"), "BMP"),
}


@pytest.mark.parametrize("kind", LOSSLESS)
def test_colours_arrive_as_they_were(kind: str) -> None:
    decoded = frame.decode(with_pillow(RGB, kind))
    assert decoded.size_wh == (60, 40)
    np.testing.assert_array_equal(decoded.pixels, PICTURE)


def test_jpeg_arrives_nearly_as_it_was() -> None:
    decoded = frame.decode(INTACT["jpeg"]).pixels.astype(int)
    assert np.abs(decoded - PICTURE).mean() < 3


@pytest.mark.parametrize("kind", [*LOSSLESS, "JPEG"])
def test_grey_becomes_three_equal_channels(kind: str) -> None:
    grey = RGB.convert("L")
    decoded = frame.decode(with_pillow(grey, kind)).pixels
    assert (decoded == decoded[..., :1]).all()
    assert np.abs(decoded[..., 0].astype(int) - np.asarray(grey)).max() <= (6 if kind == "JPEG" else 0)


@pytest.mark.parametrize("kind", LOSSLESS)
def test_a_palette_is_looked_up(kind: str) -> None:
    indexed = RGB.quantize(16)
    np.testing.assert_array_equal(frame.decode(with_pillow(indexed, kind)).pixels, np.asarray(indexed.convert("RGB")))


@pytest.mark.parametrize("kind", ["PNG", "BMP"])
def test_alpha_is_dropped(kind: str) -> None:
    seen_through = RGB.copy()
    seen_through.putalpha(100)
    np.testing.assert_array_equal(frame.decode(with_pillow(seen_through, kind)).pixels, PICTURE)


def test_opaque_tiffs_with_alpha_lose_nothing() -> None:
    opaque = RGB.copy()
    opaque.putalpha(255)
    np.testing.assert_array_equal(frame.decode(with_pillow(opaque, "TIFF")).pixels, PICTURE)


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    decoded = frame.decode(with_pillow(RGB.convert("CMYK"), kind)).pixels.astype(int)
    assert np.abs(decoded - PICTURE).mean() < 4


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bits_are_scaled_and_never_clipped(suffix: str, channels: int) -> None:
    deep = np.random.default_rng(1).integers(0, 65536, (20, 30, channels), dtype=np.uint16)
    deep[0, 0], deep[0, 1] = 0, 65535
    decoded = frame.decode(with_opencv(deep, suffix)).pixels
    expected = np.rint(deep[..., 2::-1] / 257) if channels > 1 else np.repeat(np.rint(deep / 257), 3, 2)
    assert np.abs(decoded - expected).max() == 0
    assert decoded.max() == 255
    assert decoded.min() == 0


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_sixteen_bit_tiffs_of_either_byte_order(byteorder: str) -> None:
    deep = np.random.default_rng(2).integers(0, 65536, (20, 30), dtype=np.uint16)
    header = b"II*\0" if byteorder == "<" else b"MM\0*"
    tags = [(256, 30), (257, 20), (258, 16), (259, 1), (262, 1), (273, 122), (277, 1), (278, 20), (279, deep.nbytes)]
    directory = struct.pack(byteorder + "H", len(tags))
    directory += b"".join(struct.pack(byteorder + "HHII", tag, 4, 1, value) for tag, value in tags)
    payload = header + struct.pack(byteorder + "I", 8) + directory + bytes(4)
    assert len(payload) == 122
    decoded = frame.decode(payload + deep.astype(byteorder + "u2").tobytes()).pixels
    np.testing.assert_array_equal(decoded[..., 1], np.rint(deep / 257))


def test_only_the_first_page_of_a_tiff_is_read() -> None:
    pages = with_pillow(RGB, "TIFF", save_all=True, append_images=[Image.new("RGB", (5, 5))])
    np.testing.assert_array_equal(frame.decode(pages).pixels, PICTURE)


def test_no_bytes() -> None:
    with pytest.raises(FrameEmptyError, match="0 bytes"):
        frame.decode(b"")


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int16", "int8"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiffs_of_other_samples_are_refused_as_a_format(dtype: str, channels: int) -> None:
    payload = with_opencv(np.ones((20, 30, channels), dtype), ".tiff")
    with pytest.raises(FrameFormatError, match="expected 8- or 16-bit unsigned integers"):
        frame.decode(payload)


@pytest.mark.parametrize("magic", MAGICS)
def test_a_bare_beginning_is_damaged(magic: bytes) -> None:
    with pytest.raises(FrameDamagedError):
        frame.decode(magic)


@pytest.mark.parametrize("name", INTACT)
def test_a_truncated_frame_is_damaged_wherever_it_ends(name: str) -> None:
    payload = INTACT[name]
    frame.decode(payload)
    shortest = max(len(magic) for magic in MAGICS if payload.startswith(magic))
    ends = {shortest, len(payload) - 1, len(payload) - 2, *range(shortest, len(payload), max(1, len(payload) // 60))}
    for end in sorted(ends - {len(payload)}):
        with pytest.raises(FrameDamagedError):
            frame.decode(payload[:end])


@pytest.mark.parametrize("name", ["png", "tiff deflate"])
def test_a_frame_with_a_wrong_byte_inside_is_damaged_where_the_format_can_tell(name: str) -> None:
    for share in (0.3, 0.5, 0.7):
        payload = bytearray(INTACT[name])
        payload[int(share * len(payload))] ^= 0xFF
        with pytest.raises(FrameDamagedError):
            frame.decode(bytes(payload))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("compression", ["tiff_adobe_deflate", "tiff_lzw", "packbits"])
def test_a_tiff_with_a_strip_that_is_zero_from_somewhere_on_is_damaged(compression: str, share: float) -> None:
    payload = bytearray(with_pillow(RGB, "TIFF", compression=compression))
    tags = Image.open(io.BytesIO(payload)).tag_v2  # type: ignore[attr-defined]
    ((begin,), (length,)) = tags[273], tags[279]
    start = int(begin + share * length)
    payload[start : begin + length] = bytes(begin + length - start)
    with pytest.raises(FrameDamagedError, match="damaged strip"):
        frame.decode(bytes(payload))


def in_pieces(layout: str, picture: np.ndarray = PICTURE) -> tuple[dict[int, list[int]], list[np.ndarray]]:
    """The tags and the pieces of a picture as a TIFF has them; the last tiles and strips are filled up."""
    if layout == "tiles":
        padded = np.pad(picture, ((0, 8), (0, 4), (0, 0)))
        pieces = [padded[y : y + 16, x : x + 32] for y in range(0, 48, 16) for x in range(0, 64, 32)]
        return {322: [32], 323: [16]}, pieces
    rows = np.pad(picture, ((0, 2), (0, 0), (0, 0)))
    strips = [rows[y : y + 7] for y in range(0, 42, 7)]
    if layout == "strips":
        return {278: [7]}, strips
    return {278: [7], 284: [2]}, [strip[..., plane] for plane in range(3) for strip in strips]


def tiff_of(layout: str, *, pieces: int | None = None, picture: np.ndarray = PICTURE) -> bytes:
    """A picture of 60x40 pixels, compressed by deflate; the first so many of its pieces, or all of them."""
    tags, arrays = in_pieces(layout, picture)
    packed = [zlib.compress(array.tobytes()) for array in arrays][:pieces]
    ends = np.cumsum([8, *map(len, packed)]).tolist()
    places, lengths = (324, 325) if layout == "tiles" else (273, 279)
    tags |= {256: [60], 257: [40], 258: [8 * picture.itemsize] * 3, 259: [8], 262: [2], 277: [3]}
    tags |= {places: ends[:-1], lengths: [len(piece) for piece in packed]}
    directory, beyond = struct.pack("<H", len(tags)), b""
    for tag, values in sorted(tags.items()):
        data = struct.pack(f"<{len(values)}I", *values)
        if len(data) > 4:
            at = ends[-1] + 2 + 12 * len(tags) + 4 + len(beyond)
            beyond, data = beyond + data, struct.pack("<I", at)
        directory += struct.pack("<HHI", tag, 4, len(values)) + data
    return struct.pack("<4sI", b"II*\0", ends[-1]) + b"".join(packed) + directory + bytes(4) + beyond


@pytest.mark.parametrize("layout", ["strips", "tiles", "planes"])
def test_a_tiff_in_pieces_arrives_as_it_was_or_is_damaged_where_one_is(layout: str) -> None:
    payload = tiff_of(layout)
    np.testing.assert_array_equal(frame.decode(payload).pixels, PICTURE)
    for start in range(20, payload.index(struct.pack("<HHII", 256, 4, 1, 60)), 97):
        damaged = bytearray(payload)
        damaged[start] ^= 0x10
        with pytest.raises(FrameDamagedError, match="damaged strip"):
            frame.decode(bytes(damaged))
    with pytest.raises(FrameDamagedError, match="fewer strips or tiles"):
        frame.decode(tiff_of(layout, pieces=5))


@pytest.mark.parametrize("layout", ["strips", "tiles"])
def test_sixteen_bits_in_pieces_arrive_as_they_were_but_for_planes_which_are_refused(layout: str) -> None:
    deep = PICTURE.astype(np.uint16) * 257
    np.testing.assert_array_equal(frame.decode(tiff_of(layout, picture=deep)).pixels, PICTURE)
    with pytest.raises(FrameFormatError, match="16-bit colours in planes"):
        frame.decode(tiff_of("planes", picture=deep))


def test_a_bomb_is_refused_by_its_header_alone() -> None:
    payload = bomb()
    assert len(payload) < 1_000_000
    tracemalloc.start()
    with pytest.raises(FrameTooLargeError, match="13000x13000 = 169 MP, the limit is 64 MP"):
        frame.decode(payload)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * len(payload) + 1_000_000


def test_a_bomb_does_not_grow_the_process() -> None:
    """OpenCV's own memory too: a process that decodes the bomb stays as large as one that decodes a tiny picture."""
    program = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pictures import bomb, png
from inspector import errors, frame, header
payload = bomb()
frame.decode(png(1, 1, __import__("zlib").compress(b"\\0\\0")))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    frame.decode(payload)
except errors.FrameTooLargeError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    command = [sys.executable, "-c", program, str(Path(__file__).parent / "support")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) < 20_000  # kB; the bomb's pixels would be 500 MB


@pytest.mark.parametrize("side", [30_000, 2**31 - 1])
def test_a_header_of_impossible_size(side: int) -> None:
    with pytest.raises(FrameTooLargeError):
        frame.decode(png(side, side, b""))


def test_the_limit_is_the_callers() -> None:
    with pytest.raises(FrameTooLargeError):
        frame.decode(INTACT["jpeg"], max_pixels=60 * 40 - 1)
    assert frame.decode(INTACT["jpeg"], max_pixels=60 * 40).size_wh == (60, 40)


def refused_alone(payload: bytes) -> "subprocess.CompletedProcess[bytes]":
    """Decoded by a process of its own, which says why it is damaged: what else it writes is seen."""
    program = """
import sys
from inspector import errors, frame, header
try:
    frame.decode(sys.stdin.buffer.read())
except errors.FrameDamagedError as error:
    print(error)
"""
    return subprocess.run([sys.executable, "-c", program], input=payload, capture_output=True, check=True, timeout=120)


def test_an_odd_header_makes_no_noise() -> None:
    """A directory cut short is an error of ours; Pillow's own warning about it would litter the daemon's log."""
    done = refused_alone(INTACT["tiff"][:100])
    assert b"TIFF of 100 bytes" in done.stdout
    assert done.stderr == b""


def test_threads_that_decode_leave_the_processs_warnings_alone() -> None:
    def decode() -> None:
        for _ in range(1000):
            frame.decode(INTACT["png"])

    before, interval = list(warnings.filters), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            for done in [pool.submit(decode) for _ in range(4)]:
                done.result()
    finally:
        sys.setswitchinterval(interval)
    assert list(warnings.filters) == before


def decoded_or_refused(payload: bytes) -> None:
    """Anything but a sound frame or a frame error of one line fails the test."""
    try:
        pixels = frame.decode(payload).pixels
    except FrameError as error:
        said = str(error)
        assert said.count("\n") == 0
    else:
        assert pixels.dtype == np.uint8
        assert pixels.shape[2] == 3


@settings(max_examples=300, deadline=None)
@given(magic=st.sampled_from(MAGICS), rest=st.binary(max_size=300))
def test_random_bytes_behind_a_magic_are_never_worse_than_a_frame_error(magic: bytes, rest: bytes) -> None:
    decoded_or_refused(magic + rest)


@settings(max_examples=300, deadline=None)
@given(
    payload=st.sampled_from(sorted(INTACT.values())),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    front=st.booleans(),
)
def test_changed_bytes_are_never_worse_than_a_frame_error(
    payload: bytes, changes: list[tuple[float, int]], front: bool
) -> None:
    damaged = bytearray(payload)
    for place, value in changes:
        damaged[int(place * ((200 if front else len(damaged)) - 1))] = value
    decoded_or_refused(bytes(damaged))


def test_opencv_is_silent() -> None:
    """Of a damaged TIFF it would write three lines. What libjpeg and libpng write is not its."""
    damaged = bytearray(with_opencv(PICTURE.astype(np.uint16) * 257, ".tiff"))
    damaged[len(damaged) // 3 : len(damaged) // 2] = bytes(len(damaged) // 2 - len(damaged) // 3)
    done = refused_alone(bytes(damaged))
    assert b"does not decode" in done.stdout
    assert done.stderr == b""


def test_each_refusal_has_a_word_of_its_own() -> None:
    kinds = (FrameEmptyError, FrameFormatError, FrameDamagedError, FrameTooLargeError)
    assert len({kind.reason for kind in kinds}) == 4
    assert {kind.reason for kind in kinds} < set(errors.frame_error_reasons())


def many_scans(scans: int) -> bytes:
    """A progressive JPEG of 8x8 pixels, the last of whose scans is repeated until there are so many."""
    jpeg = with_pillow(RGB.convert("L").resize((8, 8)), "JPEG", progressive=True)
    last, written = jpeg.rindex(b"\xff\xda"), jpeg.count(b"\xff\xda")
    return jpeg[:last] + jpeg[last:-2] * (1 + scans - written) + jpeg[-2:]


def test_a_jpeg_may_have_as_many_scans_as_encoders_make() -> None:
    assert frame.decode(many_scans(32)).size_wh == (8, 8)
    trailer = b"\xff\xda\x00\x02" * 100
    assert frame.decode(INTACT["jpeg progressive"] + trailer).size_wh == (60, 40), "what follows the end is no scan"


@pytest.mark.parametrize("between", [b"", b"\xff\xfe\x00\x04\xff\xd9", b"\xff\xd0", b"\xff\xff"])
def test_a_jpeg_of_scan_after_scan_is_refused_before_it_takes_minutes(between: bytes) -> None:
    jpeg = many_scans(33)
    at = jpeg.index(b"\xff\xda", jpeg.index(b"\xff\xda") + 2)
    with pytest.raises(FrameTooLargeError, match=r"more than 32 scans or .*; nothing was decoded"):
        frame.decode(jpeg[:at] + between + jpeg[at:])


def test_a_jpeg_of_nothing_but_comments_that_look_like_scans_is_refused() -> None:
    comments = [INTACT["jpeg"][:-2] + b"\xff\xfe\x00\x04\xff\xda" * number + b"\xff\xd9" for number in (100, 1000)]
    assert frame.decode(comments[0]).size_wh == (60, 40)
    jpeg = comments[1]
    with pytest.raises(FrameTooLargeError, match="1000 segments between them"):
        frame.decode(jpeg)


@pytest.mark.parametrize("name", ["jpeg", "png"])
def test_pixels_must_begin_soon(name: str) -> None:
    """A header that is read in a time that grows with its square is cut off."""
    intact = INTACT[name]
    if name == "jpeg":
        at, preview = 2, b"\xff\xe1\xff\xffExif\0\0" + bytes(65_527)
    else:
        at, preview = intact.index(b"IDAT") - 4, png_chunk(b"prVw", bytes(65_527))
    assert frame.decode(intact[:at] + preview * 100 + intact[at:]).size_wh == (60, 40)
    with pytest.raises(FrameDamagedError, match="damaged header"):
        frame.decode(intact[:at] + preview * 130 + intact[at:])


def test_a_tiff_that_says_millions_of_numbers_about_itself_is_refused() -> None:
    tiff = INTACT["tiff"]
    (at,) = struct.unpack_from("<I", tiff, 4)
    many = bytearray(tiff + bytes(8 * 1_000_001))
    struct.pack_into("<HHII", many, at + 2, 256, 5, 1_000_001, len(tiff))
    with pytest.raises(FrameTooLargeError, match="more than 1000000 numbers"):
        frame.decode(bytes(many))
    for length in range(4, at + 40):
        with pytest.raises(FrameDamagedError):
            frame.decode(tiff[:length])


def tiff_with(tags: dict[int, list[int]], data: bytes) -> bytes:
    """A grey TIFF of 8x8 pixels but for what the tags say; a tag of -1 leads to the data."""
    tags = {256: [8], 257: [8], 258: [8], 259: [8], 262: [1], 277: [1]} | tags
    at = 8 + 2 + 12 * len(tags) + 4
    directory = struct.pack("<H", len(tags))
    beyond = b""
    for tag, values in sorted(tags.items()):
        packed = struct.pack(f"<{len(values)}I", *(at if value == -1 else value for value in values))
        if len(packed) > 4:
            beyond, packed = beyond + packed, struct.pack("<I", at + len(data) + len(beyond))
        directory += struct.pack("<HHI", tag, 4, len(values)) + packed
    return struct.pack("<4sI", b"II*\0", 8) + directory + bytes(4) + data + beyond


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", [2, 4])
def test_greys_of_few_bits_are_refused_as_a_format_and_not_as_damaged(bits: int, photometric: int) -> None:
    data = zlib.compress(bytes(8 * bits))
    tags = {258: [bits], 262: [photometric], 273: [-1], 278: [8], 279: [len(data)]}
    with pytest.raises(FrameFormatError, match="samples of 2 or 4 bits, expected 8- or 16-bit"):
        frame.decode(tiff_with(tags, data))


def test_numbers_of_sixteen_colours_are_read() -> None:
    data = zlib.compress(bytes([0x01] * 32))
    colours = [0, 65_535] + [0] * 14
    tags = {258: [4], 262: [3], 273: [-1], 278: [8], 279: [len(data)], 320: [*colours, *[0] * 16, *colours]}
    pixels = frame.decode(tiff_with(tags, data)).pixels
    np.testing.assert_array_equal(pixels[0, :2], [(0, 0, 0), (255, 0, 255)])


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("deflated", [False, True])
def test_a_tiff_whose_white_is_zero_becomes_no_negative(byteorder: str, bits: int, deflated: bool) -> None:
    grey = PICTURE[..., 0]
    samples = (255 - grey).astype(np.uint8) if bits == 8 else (65_535 - 257 * grey.astype(int))
    data = samples.astype(f"{byteorder}u{bits // 8}").tobytes()
    data = zlib.compress(data) if deflated else data
    tags = [(256, 60), (257, 40), (258, bits), (259, 8 if deflated else 1), (262, 0), (273, 122), (277, 1), (278, 40)]
    directory = struct.pack(byteorder + "H", 9)
    for tag, value in (*tags, (279, len(data))):
        directory += struct.pack(byteorder + "HHII", tag, 4, 1, value)
    begin = (b"II*\0" if byteorder == "<" else b"MM\0*") + struct.pack(byteorder + "I", 8)
    np.testing.assert_array_equal(frame.decode(begin + directory + bytes(4) + data).pixels[..., 1], grey)


@pytest.mark.parametrize("compression", [1, 5, 8, 32773])
def test_a_tile_that_is_far_larger_than_its_picture_is_refused(compression: int) -> None:
    """It would be unpacked whole, 2 GB of it, for 8x8 pixels."""
    tile = {322: [65536], 323: [32768], 324: [-1], 325: [3], 259: [compression]}
    with pytest.raises(FrameTooLargeError, match=r"tiles for 65536x32768 = 2147 MP, expected .* 8x8"):
        frame.decode(tiff_with(tile, b"abc"))


def test_many_tiles_that_are_each_within_the_limit_are_refused_together() -> None:
    tiles = {256: [16_000], 257: [1], 322: [16], 323: [4_000_000], 324: [-1] * 1000, 325: [3] * 1000}
    with pytest.raises(FrameTooLargeError, match="tiles for 16000x4000000"):
        frame.decode(tiff_with(tiles, b"abc"))


def test_a_tile_may_be_somewhat_larger_than_its_picture() -> None:
    data = zlib.compress(bytes(1024 * 1024))
    tile = {322: [1024], 323: [1024], 324: [-1], 325: [len(data)]}
    assert frame.decode(tiff_with(tile, data), max_pixels=64).size_wh == (8, 8)
    with pytest.raises(FrameDamagedError, match="damaged header"):
        frame.decode(tiff_with(tile | {322: [0]}, data))


def test_a_tiff_of_countless_strips_is_refused() -> None:
    number = 200_001
    strips = {257: [number], 273: [-1] * number, 278: [1], 279: [1] * number}
    with pytest.raises(FrameTooLargeError, match="more than 200000 strips or tiles"):
        frame.decode(tiff_with(strips, b"x"))


def jpeg_strips(scans: int, strips: int, *, over_each_other: bool = False) -> bytes:
    """A TIFF in strips of 8x8 pixels, each a JPEG of so many scans; or as long as all of them."""
    jpeg = many_scans(scans)
    places = {273: [-1] * strips, 279: [len(jpeg) * (strips if over_each_other else 1)] * strips}
    tiff = tiff_with({257: [8 * strips], 259: [7], 278: [8]} | places, jpeg * strips)
    if not over_each_other and strips > 1:
        (at,) = struct.unpack_from("<I", tiff, tiff.index(struct.pack("<HHI", 273, 4, strips)) + 8)
        (begin,) = struct.unpack_from("<I", tiff, at)
        moved = struct.pack(f"<{strips}I", *(begin + len(jpeg) * number for number in range(strips)))
        tiff = tiff[:at] + moved + tiff[at + len(moved) :]
    return tiff


def test_a_jpeg_in_a_tiff_has_no_more_scans_than_one_by_itself() -> None:
    assert frame.decode(jpeg_strips(32, 1)).size_wh == (8, 8)
    assert frame.decode(jpeg_strips(20, 4)).size_wh == (8, 32), "each strip is a JPEG of its own"
    with pytest.raises(FrameTooLargeError, match="more than 32 scans"):
        frame.decode(jpeg_strips(33, 1))
    with pytest.raises(FrameTooLargeError, match="lie over each other"):
        frame.decode(jpeg_strips(10, 4, over_each_other=True))


def png_with(chunks: bytes, *, before: bytes) -> bytes:
    at = INTACT["png"].index(before) - 4
    return INTACT["png"][:at] + chunks + INTACT["png"][at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("name", [b"iCCP", b"zTXt", b"iTXt"])
def test_what_a_png_says_beside_its_pixels_is_not_unpacked(name: bytes, before: bytes) -> None:
    """A thousand times 7 MB in 7 MB: Pillow and libpng would unpack each."""
    begin = b"a\0\1\0\0\0" if name == b"iTXt" else b"a\0\0"
    chunk = png_chunk(name, begin + zlib.compress(bytes(7_000_000), 9))
    payload = png_with(chunk * 1000, before=before)
    np.testing.assert_array_equal(frame.decode(payload).pixels, PICTURE)
    assert header.upright_size_wh(io.BytesIO(payload)) == (60, 40)


def test_a_png_may_carry_some_megabytes_beside_its_pixels() -> None:
    noise = np.random.default_rng(5).bytes(3_000_000)
    profile = png_chunk(b"iCCP", b"a\0\0" + zlib.compress(noise))
    payload = png_with(profile + png_chunk(b"eXIf", exif_of(6) + noise), before=b"IDAT")
    assert frame.decode(payload).size_wh == (40, 60)
    assert header.upright_size_wh(io.BytesIO(payload)) == (40, 60)
    np.testing.assert_array_equal(frame.decode(payload).pixels, np.rot90(PICTURE, -1))


@pytest.mark.parametrize("name", [b"prVw", b"eXIf", b"tRNS"])
def test_a_png_of_countless_chunks_is_refused(name: bytes) -> None:
    with pytest.raises(FrameTooLargeError, match="PNG has more than 100000 chunks"):
        frame.decode(png_with(png_chunk(name, b"") * 100_000, before=b"IEND"))
    with pytest.raises(FrameDamagedError, match="damaged header"):
        frame.decode(png_with(png_chunk(name, b"") * 100_000, before=b"IDAT"))


@pytest.mark.parametrize("name", [b"IDAT", b"IEND", b"fdAT", b"tEXt"])
@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x40000000, 100_000])
def test_a_png_with_a_wrong_length_of_a_chunk_is_refused_before_it_is_decoded(
    name: bytes, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV would take as much memory as the chunk says that it is long, 4 GB for 8 kB."""
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    payload = png_with(struct.pack(">I", length) + name, before=b"IDAT" if name == b"IDAT" else b"IEND")
    with pytest.raises(FrameDamagedError, match=f"PNG of {len(payload)} bytes ends within a chunk"):
        frame.decode(payload)


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 13, 20, 1000])
def test_a_png_without_its_end_is_refused_before_it_is_decoded(cut: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cv2.imdecode", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(FrameDamagedError, match="ends within a chunk"):
        frame.decode(INTACT["png"][:-cut])


def test_what_comes_after_the_end_of_a_png_does_not_count() -> None:
    np.testing.assert_array_equal(frame.decode(INTACT["png"] + b"\xff\xff\xff\xffjunk").pixels, PICTURE)


def test_what_is_clear_in_a_png_of_few_colours_is_dropped_as_ever() -> None:
    indexed = RGB.quantize(16)
    payload = with_pillow(indexed, "PNG", transparency=3, dpi=(300, 300))
    np.testing.assert_array_equal(frame.decode(payload).pixels, np.asarray(indexed.convert("RGB")))
