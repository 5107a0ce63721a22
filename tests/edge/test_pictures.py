"""Picture files become upright grey arrays, or a clear error."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from builders import a_picture, encoded

from fer_edge.shared.data.pictures import (
    MAX_PICTURE_BYTES,
    PICTURE_SUFFIXES,
    decode_colour,
    decode_grey,
    read_grey,
)
from fer_edge.shared.errors import EXIT_FAILED, PictureError
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS

SHARED = Path(__file__).parents[3] / "shared" / "data" / "hostile" / "orientation_ok"

AS_STORED = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.T,
    6: lambda upright: upright.T[::-1],
    7: lambda upright: upright.T[::-1, ::-1],
    8: lambda upright: upright.T[:, ::-1],
}
"""By EXIF orientation: how an upright picture lies in the file."""


def exif(orientation: int, order: str = "<") -> bytes:
    """Return a TIFF header with the one tag."""
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    entry = struct.pack(f"{order}HHIHH", 0x0112, 3, 1, orientation, 0)
    return mark + struct.pack(f"{order}IH", 8, 1) + entry + bytes(4)


def in_jpeg(jpeg: bytes, tags: bytes) -> bytes:
    payload = b"Exif\0\0" + tags
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


def in_png(png: bytes, tags: bytes) -> bytes:
    chunk = b"eXIf" + tags
    after_header = 8 + 25
    crc = struct.pack(">I", zlib.crc32(chunk))
    return png[:after_header] + struct.pack(">I", len(tags)) + chunk + crc + png[after_header:]


def in_webp(webp: bytes, tags: bytes, *, size: tuple[int, int]) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

    width, height = (struct.pack("<I", length - 1)[:3] for length in size)
    extended = chunk(b"VP8X", bytes([8, 0, 0, 0]) + width + height)
    body = b"WEBP" + extended + webp[12:] + chunk(b"EXIF", tags)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def oriented(kind: str, upright: np.ndarray, orientation: int, order: str = "<") -> bytes:
    stored = np.ascontiguousarray(AS_STORED[orientation](upright))
    data, tags = encoded(stored, kind), exif(orientation, order)
    if kind == ".jpg":
        return in_jpeg(data, tags)
    if kind == ".png":
        return in_png(data, tags)
    return in_webp(data, tags, size=stored.shape[::-1])


def difference(a, b) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("suffix", sorted(PICTURE_SUFFIXES))
def test_every_kind_is_read(tmp_path, suffix):
    picture = a_picture(50, 34)
    path = tmp_path / f"picture{suffix}"
    stored = picture if suffix == ".pgm" else np.dstack([picture] * 3)
    path.write_bytes(encoded(stored, ".jpg" if suffix == ".jfif" else suffix))
    grey = read_grey(path)
    assert grey.dtype == np.uint8
    assert difference(grey, picture) < 12  # a GIF's palette is coarse


@pytest.mark.parametrize("order", ["<", ">"], ids=["little endian", "big endian"])
@pytest.mark.parametrize("orientation", AS_STORED)
@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp"])
def test_pictures_are_turned_upright(kind, orientation, order):
    upright = a_picture(64, 40)
    grey = decode_grey(oriented(kind, upright, orientation, order), where="x")
    assert difference(grey, upright) < 4
    assert grey.flags.c_contiguous


@pytest.mark.parametrize("kind", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("reduction", [2, 8])
def test_pictures_are_shrunk_while_they_are_decoded(kind, orientation, reduction):
    upright = a_picture(64, 48)
    data = oriented(kind, upright, orientation)
    whole = decode_colour(data, where="x").astype(int)
    small = decode_colour(data, where="x", reduction=reduction).astype(int)
    assert small.shape == (48 // reduction, 64 // reduction, 3)
    blocks = whole.reshape(small.shape[0], reduction, small.shape[1], reduction, 3)
    assert np.abs(small - blocks.mean(axis=(1, 3))).mean() < 25


@pytest.mark.parametrize(
    "tags", [b"", b"II", b"II*\0", exif(1)[:12], exif(9), exif(0), b"\xff" * 60]
)
def test_an_orientation_that_makes_no_sense_is_not_heeded(tags):
    upright = a_picture(64, 40)
    webp = in_webp(encoded(upright, ".webp"), tags, size=(64, 40))
    assert difference(decode_grey(webp, where="x"), upright) < 4


@pytest.mark.skipif(not SHARED.is_dir(), reason="the hostile files are not here (shared/data)")
@pytest.mark.parametrize("name", ["hopper", "g4"])
def test_real_pictures_of_every_orientation_are_alike(name):
    first, *others = [read_grey(path) for path in sorted(SHARED.glob(f"{name}_orientation_*"))]
    assert len(others) >= 6
    assert all(difference(first, other) < 6 for other in others)


def test_a_colour_picture_becomes_grey():
    green = np.zeros((20, 30, 3), np.uint8)
    green[:, :, 1] = 200
    grey = decode_grey(encoded(green), where="x")
    assert grey.shape == (20, 30)
    assert grey[0, 0] == pytest.approx(0.587 * 200, abs=1)


def test_16_bits_become_8():
    deep = np.full((10, 10), 0x8000, np.uint16)
    assert (decode_grey(encoded(deep), where="x") == 0x80).all()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "x.jpg is empty"),
        (b"this is text", "cannot be decoded .12 bytes, starting 'this is '"),
        (bytes(1000), "x.jpg cannot be decoded"),
        (encoded(a_picture())[:60], "x.jpg cannot be decoded"),
        (encoded(a_picture(), ".jpg")[:100], "x.jpg cannot be decoded"),
    ],
)
def test_what_is_no_picture(data, found):
    with pytest.raises(PictureError, match=found) as caught:
        decode_grey(data, where="x.jpg")
    assert caught.value.exit_code == EXIT_FAILED


def test_a_bomb_is_not_decoded():
    side = int(MAX_PICTURE_PIXELS**0.5) + 1
    png = bytearray(encoded(a_picture()))
    png[16:24] = struct.pack(">II", side, side)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    with pytest.raises(
        PictureError, match=r"claims \d+x\d+ pixels.*expected at most 64 megapixels"
    ):
        decode_grey(bytes(png), where="x.png")


def test_missing(tmp_path):
    with pytest.raises(PictureError, match=r"no\.jpg does not exist"):
        read_grey(tmp_path / "no.jpg")


def test_a_folder(tmp_path):
    with pytest.raises(PictureError, match=r"is a folder.*fer-edge run --source"):
        read_grey(tmp_path)


def test_too_many_bytes(tmp_path):
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(MAX_PICTURE_BYTES + 1)  # sparse
    with pytest.raises(PictureError, match="larger than any picture"):
        read_grey(path)


def test_a_device_that_never_ends(tmp_path):
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(PictureError, match="larger than any picture"):
        read_grey(tmp_path / "zero.png")


def test_no_permission(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(encoded(a_picture()))
    path.chmod(0)
    try:
        path.open("rb").close()
    except PermissionError:
        pass
    else:
        pytest.skip("this user may read everything")
    with pytest.raises(PictureError, match=r"cannot be read \(Permission denied"):
        read_grey(path)
