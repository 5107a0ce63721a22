"""The grey in what a camera delivers, by its pixel format."""

import functools
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import ColourImage, GreyImage
from fer_edge.sources.capture import (
    LEAST_LIVE_PIXELS,
    decode_jpeg,
    decode_jpeg_colour,
    to_colour,
    to_grey,
)

Decoder: TypeAlias = Callable[[cv2.typing.MatLike], GreyImage | None]
"""Returns the grey picture, or None where what it gets is damaged."""
Colourist: TypeAlias = Callable[[cv2.typing.MatLike], ColourImage]
"""Returns the picture in colour; is called for pictures only of which the grey one was good."""

JPEG_FORMATS: Final = frozenset({"MJPG", "JPEG"})
_PACKED_FORMATS: Final = {"YUYV": 0, "YVYU": 0, "UYVY": 1}
"""With the channel that holds the luminance."""
_PLANAR_FORMATS: Final = frozenset({"GREY", "NV12", "NV21", "YU12", "YV12"})
_TO_COLOUR: Final = {
    "YUYV": cv2.COLOR_YUV2BGR_YUYV,
    "YVYU": cv2.COLOR_YUV2BGR_YVYU,
    "UYVY": cv2.COLOR_YUV2BGR_UYVY,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
    "NV21": cv2.COLOR_YUV2BGR_NV21,
    "YU12": cv2.COLOR_YUV2BGR_I420,
    "YV12": cv2.COLOR_YUV2BGR_YV12,
}


class Decoding(NamedTuple):
    """How pictures of one format are read.

    Attributes:
        grey: Of each picture.
        colour: Of those that somebody asks for in colour.
    """

    grey: Decoder
    colour: Colourist


def choose_decoder(
    capture: cv2.VideoCapture,
    pixel_format: str,
    *,
    height: int,
    reduced_by: int,
    most_pixels: int = LEAST_LIVE_PIXELS,
) -> Decoding:
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
    colour: Colourist = functools.partial(_convert, code=_TO_COLOUR.get(pixel_format))
    if pixel_format in JPEG_FORMATS:
        decoding = Decoding(
            functools.partial(decode_jpeg, reduced_by=reduced_by, most_pixels=most_pixels),
            functools.partial(decode_jpeg_colour, reduced_by=reduced_by, most_pixels=most_pixels),
        )
    elif pixel_format in _PACKED_FORMATS:
        channel = _PACKED_FORMATS[pixel_format]
        decoding = Decoding(functools.partial(_unpack, channel=channel), colour)
    elif pixel_format in _PLANAR_FORMATS:
        decoding = Decoding(functools.partial(_first_plane, height=height), colour)
    else:
        return Decoding(to_grey, to_colour)
    capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
    return decoding


def _convert(picture: cv2.typing.MatLike, *, code: int | None) -> ColourImage:
    return to_colour(picture if code is None else cv2.cvtColor(picture, code))


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
