"""The buffers of picamera2, lent to frames instead of copied."""

import weakref
from collections import deque
from functools import partial
from typing import Any, Final

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour, ColourImage, GreyImage
from fer_edge.sources.capture import Picture, SensorClock, to_colour

_TO_COLOUR: Final = {
    "YUV420": cv2.COLOR_YUV2BGR_I420,
    "YVU420": cv2.COLOR_YUV2BGR_YV12,
    "NV12": cv2.COLOR_YUV2BGR_NV12,
    "NV21": cv2.COLOR_YUV2BGR_NV21,
}


class BufferLender:
    """Lends the Y planes of a camera's buffers to frames, and returns the buffers after use.

    Frames are dropped by whoever holds them last, on any thread, even inside the garbage
    collector; there a request must not be released, because that takes a lock. So it is only
    noted, and released when the next frame comes.

    Args:
        library: picamera2.
        stream: Name of the stream that holds the grey picture first.
        most: Buffers lent at once; beyond that, pictures are copied.
        colour: Whether pictures keep their colours, for whoever asks for them.
    """

    def __init__(self, library: Any, *, stream: str, most: int, colour: bool = False) -> None:
        self._mapped_array = library.MappedArray
        self._stream = stream
        self._most = most
        self._colour = colour
        self._lent = 0
        self._unused: deque[Any] = deque()
        self._clock = SensorClock()

    def lend(self, request: Any) -> Picture:
        """Return a request's picture, and keep the request for as long as the picture is used."""
        self.take_back()
        captured_ns = self._clock.monotonic_ns(request.get_metadata().get("SensorTimestamp", 0))
        stream = request.config[self._stream]
        (width, height), stride = stream["size"], stream["stride"]
        convert = _TO_COLOUR.get(stream["format"]) if self._colour else None
        rows = height if convert is None else height * 3 // 2  # the colours come after the grey
        with self._mapped_array(request, self._stream, reshape=False, write=False) as mapped:
            # Through a memoryview, or views of views would bypass `memory` for the array below.
            memory = np.frombuffer(memoryview(mapped.array), np.uint8, count=stride * rows)
        memory.flags.writeable = False
        planes: GreyImage = memory.reshape(rows, stride)
        if convert is None:
            planes = planes[:, :width]
        if self._lent >= self._most:
            planes = planes.copy()
            request.release()
        else:
            self._lent += 1
            # Every view of the plane keeps `memory` alive, however it was made.
            weakref.finalize(memory, self._unused.append, request).atexit = False
        if convert is None:
            return Picture(planes, captured_ns)
        colour = Colour(partial(_in_colour, planes, width, convert))
        return Picture(planes[:height, :width], captured_ns, colour)

    def take_back(self) -> None:
        """Release the requests of pictures that nobody uses any more."""
        while self._unused:
            self._unused.popleft().release()
            self._lent -= 1


def _in_colour(planes: GreyImage, width: int, code: int) -> ColourImage:
    """Convert whole rows of the buffer, and cut off what only fills them up."""
    return to_colour(cv2.cvtColor(planes, code)[:, :width])
