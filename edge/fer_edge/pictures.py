"""Picture files and bytes to grey arrays, upright."""

from pathlib import Path
from typing import Final

import numpy as np

from fer_edge.errors import PictureError
from fer_edge.opencv import MAX_PICTURE_PIXELS, cv2
from fer_edge.records import GreyImage

PICTURE_SUFFIXES: Final = frozenset(
    {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
MAX_PICTURE_BYTES: Final = 128 * 2**20
_EXPECTED: Final = "a picture (JPEG, PNG, BMP, WebP, TIFF, GIF or PNM)"


def decode_grey(data: bytes, *, where: str) -> GreyImage:
    """Decode a picture to grey, turned upright as its EXIF orientation says.

    Args:
        data: A whole picture file.
        where: Its name, for messages.

    Returns:
        uint8, shape (H, W).

    Raises:
        PictureError: Empty, no picture, damaged beyond decoding, or too large.
    """
    if not data:
        raise PictureError(f"{where} is empty", expected=_EXPECTED, fix="replace the file")
    try:
        grey = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error as error:  # raised, not returned as None, for sizes beyond OpenCV's limits
        raise PictureError(
            f"{where} claims a size that will not be decoded",
            expected=f"at most {MAX_PICTURE_PIXELS // 10**6} megapixels",
            fix="shrink the picture",
        ) from error
    if grey is None:
        raise PictureError(
            f"{where} cannot be decoded ({len(data):,} bytes, starting {data[:8]!r})",
            expected=_EXPECTED,
            fix="check the file, or convert it to JPEG or PNG",
        )
    return grey.astype(np.uint8, copy=False)


def read_grey(path: Path) -> GreyImage:
    """Read a picture file to grey, upright.

    Returns:
        uint8, shape (H, W).

    Raises:
        PictureError: Missing, a folder, unreadable, or as `decode_grey` says.
    """
    return decode_grey(read_picture_bytes(path), where=str(path))


def read_picture_bytes(path: Path) -> bytes:
    """Read a picture file's bytes.

    Raises:
        PictureError: Missing, a folder, too large, or not to be read.
    """
    if path.is_dir():
        raise PictureError(
            f"{path} is a folder",
            expected="a picture file",
            fix=f"name its files, or use `fer-edge run --source {path}`",
        )
    try:
        size = path.stat().st_size
        if size > MAX_PICTURE_BYTES:
            raise PictureError(
                f"{path} has {size:,} bytes",
                expected=f"at most {MAX_PICTURE_BYTES:,}",
                fix="check that this is a picture",
            )
        return path.read_bytes()
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
