"""JPEGs to pixels, also those that lack their last two bytes: cameras send such."""

from typing import Final

import numpy as np

from fer_edge.shared.data.jpeg import END, START, read_header
from fer_edge.shared.opencv import cv2

_SPARE: Final = bytes(16)
"""What libjpeg wants to see behind the last pixel; so few bytes pass for no missing ones."""


def decode_ended(data: bytes, flags: int) -> cv2.typing.MatLike | None:
    """Decode a picture; a JPEG without its end marker as if it had one.

    OpenCV gives up on such a JPEG, be only the marker missing or half of the picture. With a few
    bytes behind it, it is decoded where all its pixels are there; else it is damaged as before.
    One that comes in several passes needs the marker itself, and a cut one is coarser for it.

    Args:
        data: A whole picture file, of any kind.
        flags: As `cv2.imdecode` takes them.

    Returns:
        The picture, or None: damaged.

    Raises:
        cv2.error: A size beyond OpenCV's limits.
    """
    picture = _decode(data, flags)
    if picture is not None or not data.startswith(START) or data.endswith(END):
        return picture
    header = read_header(data)
    if header is None:
        return None
    return _decode(data + (END if header.buffered else _SPARE), flags)


def _decode(data: bytes, flags: int) -> cv2.typing.MatLike | None:
    return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
