"""What the sources share: a decoded picture, its clocks, and reading one from OpenCV."""

import time
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple

import numpy as np

from fer_edge.shared.data.jpeg import read_header
from fer_edge.shared.data.jpeg_decoding import decode_ended
from fer_edge.shared.errors import PictureError
from fer_edge.shared.opencv import MAX_PICTURE_PIXELS, cv2
from fer_edge.shared.records import Colour, ColourImage, Frame, GreyImage

MAX_DAMAGED_IN_A_ROW: Final = 10
LEAST_LIVE_PIXELS: Final = 4096 * 2304
"""4K, as the largest of the usual cameras has it: read whatever was asked for."""
_NO_MEMORY: Final = -4  # cv2.Error.StsNoMem
_MOST_LIVE_WORK: Final = 2**28
"""Pixels of one picture times passes over them; about a second of a desktop core."""
_PLAUSIBLE_AGE_NS: Final = 10 * 10**9
_REDUCED_GREY: Final = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
_REDUCED_COLOUR: Final = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Picture(NamedTuple):
    """A picture as a capture delivers it, before it is numbered.

    Attributes:
        grey: uint8, shape (H, W).
        monotonic_ns: Monotonic clock at its capture.
        colour: The same in colour, where somebody asked the capture to keep it.
    """

    grey: GreyImage
    monotonic_ns: int
    colour: Colour | None = None


def picture_now(grey: GreyImage, colour: Colour | None = None) -> Picture:
    """Return a picture that was captured just now."""
    return Picture(grey, time.monotonic_ns(), colour)


class SensorClock:
    """Turns the time stamps of a driver into the monotonic clock, where they can be believed.

    Drivers stamp with the monotonic clock as a rule; libcamera's documentation names the clock
    that also runs while the machine sleeps; some stamp with another clock, always the same
    number, or not at all. A stamp is believed when it is later than the one before and less
    than ten seconds old on one of the two clocks.

    Attributes:
        believed: Whether the last stamp was.
    """

    def __init__(self) -> None:
        self.believed = False
        self._last_stamp_ns = 0
        self._last_ns = 0

    def monotonic_ns(self, stamp_ns: int) -> int:
        """Return when a frame that has just come was captured, or now; never goes back.

        Args:
            stamp_ns: Nanoseconds, as the driver says; 0 where it says nothing.
        """
        now = time.monotonic_ns()
        fresh, self._last_stamp_ns = stamp_ns > self._last_stamp_ns, stamp_ns
        age_ns = _plausible_age(stamp_ns, now) if fresh else None
        self.believed = age_ns is not None
        self._last_ns = max(self._last_ns, now - (age_ns or 0))
        return self._last_ns


def _plausible_age(stamp_ns: int, now_ns: int) -> int | None:
    for clock_ns in (now_ns, time.clock_gettime_ns(_BOOT_CLOCK)):
        if 0 <= clock_ns - stamp_ns < _PLAUSIBLE_AGE_NS:
            return clock_ns - stamp_ns
    return None


def to_frame(
    picture: Picture, *, index: int, name: str = "", clip_seconds: float | None = None
) -> Frame:
    """Number a picture and add the wall clock of its capture."""
    age_seconds = (time.monotonic_ns() - picture.monotonic_ns) / 1e9
    captured_at = time.time() - age_seconds
    grey, captured_ns, colour = picture
    return Frame(index, captured_at, captured_ns, grey, name, clip_seconds, colour)


def read_picture(
    capture: cv2.VideoCapture,
    *,
    decode: Callable[[cv2.typing.MatLike], GreyImage | None] | None = None,
    colour: Callable[[cv2.typing.MatLike], ColourImage] | None = None,
    patience_seconds: float = float("inf"),
    sensor_clock: SensorClock | None = None,
    into: ColourImage | None = None,
) -> Picture | None:
    """Read the next picture that decodes, in grey.

    OpenCV answers a damaged frame, the end and a failure all alike, with False. After a damaged
    frame the next read goes on; after an end or a failure every read fails. So a few failures
    in a row are forgiven before it is called the end.

    Args:
        capture: Opened; need not really deliver.
        decode: Turns what the capture retrieves into grey, or into None where it is damaged;
            `to_grey` if not given.
        colour: Turns the same into colour; given where the colours are to be kept.
        patience_seconds: No further attempt after this time; a stalled network stream makes
            each one take its whole read time-out.
        sensor_clock: Take the driver's time stamp where this believes it; else the time now.
        into: What the capture retrieves is written here where it has this shape.

    Returns:
        The picture, or None: the end.

    Raises:
        PictureError: What comes claims more than is decoded.
        MemoryError: It takes more memory than there is.
    """
    give_up = time.monotonic() + patience_seconds
    refused: PictureError | None = None
    for _ in range(MAX_DAMAGED_IN_A_ROW):
        try:
            grabbed = capture.grab()
            captured_ns = _capture_clock(capture, sensor_clock)
            retrieved = capture.retrieve(into)[1] if grabbed else None
            if retrieved is not None and retrieved.size:
                grey = (decode or to_grey)(retrieved)
                if grey is not None:
                    kept = None if colour is None else Colour(partial(colour, retrieved))
                    return Picture(grey, captured_ns, kept)
        except cv2.error as error:
            # A size beyond OpenCV's limits is raised, not returned: damaged as well.
            if error.code == _NO_MEMORY:
                raise MemoryError from error
        except PictureError as error:
            refused = error
        if time.monotonic() >= give_up:
            break
    if refused is not None:
        raise refused
    return None


def to_grey(picture: cv2.typing.MatLike) -> GreyImage:
    """Return a picture of a capture (BGR or already grey) as grey."""
    if picture.ndim == 3 and picture.shape[2] == 3:
        picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return picture.reshape(picture.shape[:2]).astype(np.uint8, copy=False)


def to_colour(picture: cv2.typing.MatLike) -> ColourImage:
    """Return a picture (BGR, or grey that has no colours to keep) as BGR."""
    if picture.ndim == 2 or picture.shape[2] == 1:
        picture = cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR)
    return picture.astype(np.uint8, copy=False)


def reduction(size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """Return by how much to shrink pictures while they are decoded: 1, 2, 4 or 8.

    Args:
        size: Width and height of the pictures that come.
        wanted: Of those asked for; the longer side stays at least as long.
    """
    fitting = [factor for factor in _REDUCED_GREY if max(size) >= factor * max(wanted)]
    return max(fitting, default=1)


def live_pixels(width: int, height: int) -> int:
    """Return how many pixels a camera's picture may have: four times those asked for, or 4K."""
    return max(4 * width * height, LEAST_LIVE_PIXELS)


def decode_jpeg(
    data: bytes | cv2.typing.MatLike, *, reduced_by: int = 1, most_pixels: int = LEAST_LIVE_PIXELS
) -> GreyImage | None:
    """Return a camera's JPEG as grey; None where it is damaged.

    Args:
        data: Its bytes; uint8 where they are an array.
        reduced_by: 2, 4 or 8 make it so much smaller, for less than decoding it whole.
        most_pixels: A larger picture is made smaller until it has no more.

    Raises:
        PictureError: Its header claims more than is decoded of a camera.
    """
    encoded = data if isinstance(data, bytes) else data.tobytes()
    factor = _jpeg_factor(encoded, reduced_by=reduced_by, most_pixels=most_pixels)
    grey = None if factor is None else decode_ended(encoded, _REDUCED_GREY[factor])
    return None if grey is None else grey.astype(np.uint8, copy=False)


def decode_jpeg_colour(
    data: bytes | cv2.typing.MatLike, *, reduced_by: int = 1, most_pixels: int = LEAST_LIVE_PIXELS
) -> ColourImage:
    """Return in colour what `decode_jpeg` returns in grey, and has returned.

    Raises:
        PictureError: It is damaged after all, or as `decode_jpeg` says.
    """
    encoded = data if isinstance(data, bytes) else data.tobytes()
    factor = _jpeg_factor(encoded, reduced_by=reduced_by, most_pixels=most_pixels)
    colour = None if factor is None else decode_ended(encoded, _REDUCED_COLOUR[factor])
    if colour is None:
        raise PictureError(
            "a picture cannot be decoded in colour",
            expected="a whole JPEG",
            fix="take the next one",
        )
    return to_colour(colour)


def _jpeg_factor(encoded: bytes, *, reduced_by: int, most_pixels: int) -> int | None:
    """Return by how much a JPEG is shrunk while it is decoded; None where it is damaged."""
    header = read_header(encoded)
    if header is None:
        return None
    fitting = [
        factor
        for factor in _REDUCED_GREY
        if factor >= reduced_by and header.pixels <= factor**2 * most_pixels
    ]
    whole_is_kept = header.buffered and header.pixels > most_pixels
    outsized = header.pixels > MAX_PICTURE_PIXELS or header.work > _MOST_LIVE_WORK
    if not fitting or whole_is_kept or outsized:
        raise PictureError(
            f"a picture of {header.width}x{header.height} pixels in {header.scans} passes came",
            expected=f"at most {most_pixels / 1e6:.1f} megapixels",
            fix="have the camera send smaller ones",
        )
    return fitting[0]


def _capture_clock(capture: cv2.VideoCapture, sensor_clock: SensorClock | None) -> int:
    if sensor_clock is None:
        return time.monotonic_ns()
    return sensor_clock.monotonic_ns(round(capture.get(cv2.CAP_PROP_POS_MSEC) * 1e6))
