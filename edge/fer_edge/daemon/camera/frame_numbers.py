"""Frame numbers and clocks that never go back, whatever is opened again."""

import dataclasses

from fer_edge.shared.records import Frame


class FrameNumbers:
    """Counts the frames of sources that follow one another as if they were one's."""

    def __init__(self) -> None:
        self._first = self._next = 0
        self._last_ns = 0

    def begin_source(self) -> None:
        """Take in that the frames to come are another source's, which counts from 0."""
        self._first = self._next

    def number(self, frame: Frame) -> Frame:
        """Return the frame with its number among all; the frame itself where that is the same."""
        index = self._first + frame.index
        captured_ns = max(self._last_ns, frame.monotonic_ns)
        self._next, self._last_ns = index + 1, captured_ns
        if (index, captured_ns) == (frame.index, frame.monotonic_ns):
            return frame
        return dataclasses.replace(frame, index=index, monotonic_ns=captured_ns)
