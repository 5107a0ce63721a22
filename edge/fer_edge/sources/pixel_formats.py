"""The grey in what a camera delivers, by its pixel format."""

import functools
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage
from fer_edge.sources.capture import LEAST_LIVE_PIXELS, decode_jpeg, to_grey

Decoder: TypeAlias = Callable[[cv2.typing.MatLike], GreyImage | None]
"""Returns the grey picture, or None where what it gets is damaged."""

JPEG_FORMATS: Final = frozenset({"MJPG", "JPEG"})
_PACKED_FORMATS: Final = {"YUYV": 0, "YVYU": 0, "UYVY": 1}
"""With the channel that holds the luminance."""
_PLANAR_FORMATS: Final = frozenset({"GREY", "NV12", "NV21", "YU12", "YV12"})


def choose_decoder(
    capture: cv2.VideoCapture,
    pixel_format: str,
    *,
    height: int,
    reduced_by: int,
    most_pixels: int = LEAST_LIVE_PIXELS,
) -> Decoder:
    """Have pictures handed over as they come, and take the grey out of them.

    Where OpenCV cannot decode a JPEG it hands out the picture before it once more, or a black
    one, and says that all is well. Decoding to grey is cheaper than to colour as well, and an
    uncompressed picture of most formats holds a grey one.

    Args:
        capture: Told not to convert; left alone where the format is not known here.
        pixel_format: Four characters, as Video4Linux names it.
        height: Of the pictures, in pixels.
        reduced_by: By how much to shrink JPEGs: 1, 2, 4 or 8.
        most_pixels: A JPEG may have; larger ones are shrunk further.
    """
    decoder: Decoder
    if pixel_format in JPEG_FORMATS:
        decoder = functools.partial(decode_jpeg, reduced_by=reduced_by, most_pixels=most_pixels)
    elif pixel_format in _PACKED_FORMATS:
        decoder = functools.partial(_unpack, channel=_PACKED_FORMATS[pixel_format])
    elif pixel_format in _PLANAR_FORMATS:
        decoder = functools.partial(_first_plane, height=height)
    else:
        return to_grey
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return decoder


def _unpack(picture: cv2.typing.MatLike, *, channel: int) -> GreyImage | None:
    """Return the luminance out of pairs of luminance and colour, shape (H, W, 2)."""
    if picture.ndim != 3:
        return None
    return cv2.extractChannel(picture, channel).astype(np.uint8, copy=False)


def _first_plane(picture: cv2.typing.MatLike, *, height: int) -> GreyImage | None:
    """Return the luminance, which comes before the colours, of shape (1.5 H, W) or (H, W)."""
    if picture.ndim != 2 or len(picture) < height:
        return None
    return picture[:height].astype(np.uint8, copy=False)
