"""Picture files and bytes to grey arrays, upright."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.jpeg_decoding import decode_ended
from fer_edge.shared.data.picture_bounds import why_outsized
from fer_edge.shared.data.signatures import HEAD_BYTES, is_video
from fer_edge.shared.errors import PictureError
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS, cv2
from fer_edge.shared.records import ColourImage, GreyImage, Image

PICTURE_SUFFIXES: Final = frozenset(
    {
        ".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm",
        ".tif", ".tiff", ".webp",
    }
)  # fmt: skip
"""Endings that are believed; what has another one is told by its first bytes."""
MAX_PICTURE_BYTES: Final = 128 * 2**20
Reduction: TypeAlias = Literal[1, 2, 4, 8]
_IN_COLOUR: Final[Mapping[Reduction, int]] = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_EXPECTED: Final = "a picture (JPEG, PNG, BMP, WebP, AVIF, JPEG 2000, TIFF, GIF or PNM)"


def decode_grey(data: bytes, *, where: str) -> GreyImage:
    """Decode a picture to grey, turned upright as its EXIF orientation says.

    Args:
        data: A whole picture file.
        where: Its name, for messages.

    Returns:
        uint8, shape (H, W); contiguous.

    Raises:
        PictureError: Empty, no picture, damaged beyond decoding, or too large.
    """
    return _decode(data, cv2.IMREAD_GRAYSCALE, where=where)


def decode_colour(data: bytes, *, where: str, reduction: Reduction = 1) -> ColourImage:
    """Decode a picture in its colours, upright like the grey one.

    Args:
        data: A whole picture file.
        where: Its name, for messages.
        reduction: By how much each side is shrunk; of a JPEG while it is decoded, which spares
            the memory for the rest.

    Returns:
        uint8, shape (H, W, 3), BGR; contiguous.

    Raises:
        PictureError: As `decode_grey` says.
    """
    return _decode(data, _IN_COLOUR[reduction], where=where)


def decode_picture(data: bytes, *, where: str, colour: bool) -> Image:
    """Decode a picture in its colours or in grey, as `decode_colour` and `decode_grey` do."""
    return decode_colour(data, where=where) if colour else decode_grey(data, where=where)


def _decode(data: bytes, flags: int, *, where: str) -> NDArray[np.uint8]:
    if not data:
        raise PictureError(f"{where} is empty", expected=_EXPECTED, fix="replace the file")
    if reason := why_outsized(data):
        raise PictureError(
            f"{where} claims {reason}",
            expected=f"at most {MAX_PICTURE_PIXELS // 10**6} megapixels, fewer of some kinds",
            fix="shrink the picture",
        )
    webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    # OpenCV 4.14 heeds the orientation in every kind of file but this one.
    turned = cv2.IMREAD_IGNORE_ORIENTATION if webp else 0
    try:
        picture = decode_ended(data, flags | turned)
    except cv2.error as error:  # raised, not returned as None, for sizes beyond OpenCV's limits
        raise PictureError(
            f"{where} claims a size that will not be decoded",
            expected=f"at most {MAX_PICTURE_PIXELS // 10**6} megapixels",
            fix="shrink the picture",
        ) from error
    # A colour PFM stays in colour where grey is asked for, and in other units.
    if picture is None or picture.ndim != (2 if flags == cv2.IMREAD_GRAYSCALE else 3):
        if is_video(data[:HEAD_BYTES]):
            raise PictureError(
                f"{where} is a video",
                expected=_EXPECTED,
                fix=f"use `fer-edge run --source {where}`, or fer_edge.watch in Python",
            )
        raise PictureError(
            f"{where} cannot be decoded ({len(data):,} bytes, starting {_legible(data[:8])})",
            expected=_EXPECTED,
            fix="check the file, or convert it to JPEG or PNG",
        )
    upright: NDArray[np.uint8] = picture.astype(np.uint8, copy=False)
    return turned_upright(upright, _webp_orientation(data)) if webp else upright


def _legible(data: bytes) -> str:
    """Return bytes as text where all are letters and signs, else in hexadecimal."""
    text = data.decode("latin-1")
    return f"'{text}'" if text.isascii() and text.isprintable() else data.hex(" ")


def pixel_digest(picture: Image) -> bytes:
    """Return a hash of a picture's size and pixels; equal exactly where these are."""
    digest = hashlib.sha256(repr(picture.shape).encode())
    digest.update(np.ascontiguousarray(picture).data)  # no copy, as a rule
    return digest.digest()


def read_grey(path: Path) -> GreyImage:
    """Read a picture file to grey, upright.

    Returns:
        uint8, shape (H, W).

    Raises:
        PictureError: Missing, a folder, unreadable, or as `decode_grey` says.
    """
    return decode_grey(read_picture_bytes(path), where=str(path))


def refuse_address(name: str) -> None:
    """Refuse the address of a picture, before it is taken for a file's name.

    Raises:
        PictureError: It is one.
    """
    if _ADDRESS.match(name):
        raise PictureError(
            f"{name.partition('://')[0]}://... is an address",
            expected="a picture file",
            fix="download the picture first; a stream is read by `fer-edge run --source ADDRESS`, "
            "or fer_edge.watch in Python",
        )


def read_picture_bytes(path: Path) -> bytes:
    """Read a picture file's bytes.

    Raises:
        PictureError: Missing, a folder, too large, or not to be read.
    """
    try:
        if path.is_dir():
            raise PictureError(
                f"{path} is a folder",
                expected="a picture file",
                fix=f"name its files, or use `fer-edge run --source {path}`",
            )
        with path.open("rb") as file:
            data = file.read(MAX_PICTURE_BYTES + 1)  # the size that a device states is 0
    except FileNotFoundError:
        raise PictureError(
            f"{path} does not exist", expected="a picture file", fix="check the path"
        ) from None
    except OSError as error:
        raise PictureError(
            f"{path} cannot be read ({error.strerror})",
            expected="a picture file",
            fix="check the file and its permissions",
        ) from error
    if len(data) > MAX_PICTURE_BYTES:
        raise PictureError(
            f"{path} is larger than any picture",
            expected=f"at most {MAX_PICTURE_BYTES:,} bytes",
            fix="check that this is a picture",
        )
    return data


def turned_upright(picture: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Turn a picture upright from an EXIF orientation, 1 to 8.

    Args:
        picture: uint8, shape (H, W) or (H, W, channels).
        orientation: Of EXIF.
    """
    if orientation >= 5:
        picture = picture.swapaxes(0, 1)
    down = -1 if orientation in {3, 4, 7, 8} else 1
    across = -1 if orientation in {2, 3, 6, 7} else 1
    return np.ascontiguousarray(picture[::down, ::across])


def _webp_orientation(data: bytes) -> int:
    """Return the EXIF orientation of a WebP, 1 to 8; 1 where it has none.

    Source: RFC 9649, section 2.7 (chunks) and Exif 2.3, section 4.6 (tag 0x0112).
    """
    at = 12
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        if data[at : at + 4] == b"EXIF":
            return _exif_orientation(data[at + 8 : at + 8 + size].removeprefix(b"Exif\0\0"))
        at += 8 + size + size % 2
    return 1


def _exif_orientation(exif: bytes) -> int:
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(exif[at : at + size], order)

    start = number(4, 4)
    for at in range(start + 2, min(len(exif), start + 2 + 12 * number(start, 2)), 12):
        if number(at, 2) == 0x0112:
            orientation = number(at + 8, 2)
            return orientation if orientation in range(1, 9) else 1
    return 1
