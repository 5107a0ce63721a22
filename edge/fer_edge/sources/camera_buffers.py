"""The buffers of picamera2, lent to frames instead of copied."""

import weakref
from collections import deque
from typing import Any

import numpy as np

from fer_edge.shared.records import GreyImage
from fer_edge.sources.capture import Picture, SensorClock


class BufferLender:
    """Lends the Y planes of a camera's buffers to frames, and returns the buffers after use.

    Frames are dropped by whoever holds them last, on any thread, even inside the garbage
    collector; there a request must not be released, because that takes a lock. So it is only
    noted, and released when the next frame comes.

    Args:
        library: picamera2.
        stream: Name of the stream that holds the grey picture first.
        most: Buffers lent at once; beyond that, pictures are copied.
    """

    def __init__(self, library: Any, *, stream: str, most: int) -> None:
        self._mapped_array = library.MappedArray
        self._stream = stream
        self._most = most
        self._lent = 0
        self._unused: deque[Any] = deque()
        self._clock = SensorClock()

    def lend(self, request: Any) -> Picture:
        """Return a request's picture, and keep the request for as long as the picture is used."""
        self.take_back()
        captured_ns = self._clock.monotonic_ns(request.get_metadata().get("SensorTimestamp", 0))
        stream = request.config[self._stream]
        (width, height), stride = stream["size"], stream["stride"]
        with self._mapped_array(request, self._stream, reshape=False, write=False) as mapped:
            # Through a memoryview, or views of views would bypass `memory` for the array below.
            memory = np.frombuffer(memoryview(mapped.array), np.uint8, count=stride * height)
        memory.flags.writeable = False
        plane: GreyImage = memory.reshape(height, stride)[:, :width]
        if self._lent >= self._most:
            plane = plane.copy()
            request.release()
        else:
            self._lent += 1
            # Every view of the plane keeps `memory` alive, however it was made.
            weakref.finalize(memory, self._unused.append, request).atexit = False
        return Picture(plane, captured_ns)

    def take_back(self) -> None:
        """Release the requests of pictures that nobody uses any more."""
        while self._unused:
            self._unused.popleft().release()
            self._lent -= 1
