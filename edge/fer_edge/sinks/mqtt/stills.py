"""A still of the camera every some seconds, where somebody has asked for pictures to be sent."""

import contextlib
import time
from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import FerError
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame

MOST_STILL_BYTES: Final = 16_000
"""Within what a broker under the shipped configuration takes: too large a message is lost."""
_SIDES_AND_QUALITIES: Final = ((640, 70), (640, 50), (480, 50), (320, 50), (320, 30), (160, 30))
"""Pixels of the longer side, and JPEG's quality: tried in turn until one is small enough."""
_NEVER: Final = float("inf")


class Stills:
    """Makes a JPEG of bounded size of a frame now and then.

    The pipeline's thread hands over a reference, and only where one is waited for; the picture is
    made in the thread that sends it.

    Args:
        pause_seconds: Between two stills.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self, *, pause_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._due_at = 0.0
        self._wanted = False
        self._frame: Frame | None = None

    def show(self, frame: Frame) -> bool:
        """Take a frame if one is waited for, and return whether it was; from any thread."""
        if not self._wanted:
            return False
        self._wanted = False
        self._frame = frame
        return True

    def patience(self) -> float:
        """Return for how many seconds there is nothing to do, unless a frame is taken."""
        if self._frame is not None:
            return 0.0
        return _NEVER if self._wanted else max(0.0, self._due_at - self._clock())

    def take(self) -> bytes | None:
        """Return a still where it is time for one and a frame has come; else None.

        While the camera is off none comes, so nothing is sent twice.
        """
        now = self._clock()
        if now < self._due_at:
            return None
        frame, self._frame = self._frame, None
        if frame is None or time.monotonic_ns() - frame.monotonic_ns > self._pause_seconds * 1e9:
            self._wanted = True
            return None
        self._due_at = now + self._pause_seconds
        return encode(frame)


def encode(frame: Frame) -> bytes | None:
    """Return a frame as a JPEG of at most `MOST_STILL_BYTES`; None where that cannot be."""
    picture: NDArray[np.uint8] = frame.grey
    with contextlib.suppress(FerError, cv2.error):  # of colours that are damaged after all
        picture = frame.image
    height, width = picture.shape[:2]
    for side, quality in _SIDES_AND_QUALITIES:
        factor = min(1.0, side / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if factor < 1 else picture
        _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= MOST_STILL_BYTES:
            return data.tobytes()
    return None
