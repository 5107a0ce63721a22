"""Cameras that give one picture for each question: asked again and again."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from fer_edge.shared.data.jpeg import START
from fer_edge.shared.data.pictures import decode_colour, decode_grey
from fer_edge.shared.errors import PictureError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour, ColourImage, GreyImage
from fer_edge.sources.capture import MAX_DAMAGED_IN_A_ROW, Picture, decode_jpeg, to_colour

_NAME: Final = "the picture that came"


def still_pictures(
    ask: Callable[[], bytes],
    *,
    pause: Callable[[float], bool],
    interval_seconds: float,
    most_pixels: int,
    colour: bool = False,
) -> Iterator[Picture]:
    """Yield the pictures that a camera gives, until nobody wants more.

    Args:
        ask: Returns one, encoded.
        pause: Waits for so many seconds; says whether anybody still wants pictures.
        interval_seconds: From one question to the next.
        most_pixels: Larger pictures are made smaller, as `decode_jpeg` says.
        colour: Whether the colours are kept.

    Raises:
        PictureError: What comes is no picture, ten times in a row, or is too large.
    """
    damaged, due = 0, time.monotonic()
    while True:
        data, asked_ns = ask(), time.monotonic_ns()
        try:
            grey = decode_still(data, most_pixels=most_pixels)
            kept = Colour(partial(_in_colour, data, grey.shape)) if colour else None
            yield Picture(grey, asked_ns, kept)
            damaged = 0
        except PictureError:
            damaged += 1
            if damaged == MAX_DAMAGED_IN_A_ROW:
                raise
        due = max(due + interval_seconds, time.monotonic())
        if not pause(due - time.monotonic()):
            return


def decode_still(data: bytes, *, most_pixels: int) -> GreyImage:
    """Decode what a camera answers, of any kind.

    Raises:
        PictureError: It is no picture, damaged, or too large.
    """
    if data.startswith(START):
        grey = decode_jpeg(data, most_pixels=most_pixels)
        if grey is not None:
            return grey
    return decode_grey(data, where=_NAME)


def _in_colour(data: bytes, shape: tuple[int, ...]) -> ColourImage:
    """Decode a picture that is one, at the size of its grey version."""
    colour = decode_colour(data, where=_NAME)
    if colour.shape[:2] == shape:
        return colour
    return to_colour(cv2.resize(colour, shape[::-1], interpolation=cv2.INTER_AREA))
