"""A source that is opened again when it fails."""

import logging
import time
from collections.abc import Callable

from fer_edge.closing import Closing
from fer_edge.protocols import Source
from fer_edge.records import Frame
from fer_edge.state import CameraHealth

_log = logging.getLogger(__name__)


class SteadyCamera(Closing):
    """Reads a source, and knows how it does.

    Args:
        opening: Opens the source; called again after a failure.

    Attributes:
        ended: The source has come to its end; `read` gives None from then on.
    """

    def __init__(self, opening: Callable[[], Source]) -> None:
        self.ended = False
        self._opening = opening
        self._source: Source | None = opening()
        self._last_frame = time.monotonic()

    @property
    def dropped(self) -> int:
        """Frames replaced by newer ones before they were read."""
        return getattr(self._source, "dropped", 0)

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the newest frame, or None where none has come in this time or it has ended.

        Raises:
            SourceUnavailableError: It was given up.
        """
        if self._source is None:
            self._source = self._opening()
        frame = self._source.read(timeout_seconds)
        self.ended = frame is None
        if frame is not None:
            self._last_frame = time.monotonic()
        return frame

    def pause(self) -> None:
        """Release the device until the next `read`."""
        if self._source is not None:
            self._source.close()
            self._source = None

    def health(self) -> CameraHealth:
        """Return how it does."""
        return CameraHealth(
            phase="ended" if self.ended else "delivering" if self._source else "off",
            seconds_since_frame=time.monotonic() - self._last_frame,
        )

    def close(self) -> None:
        """Release the device; may be called twice."""
        self.pause()
