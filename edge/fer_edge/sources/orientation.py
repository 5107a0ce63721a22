"""Turning and mirroring the pictures of a source."""

import dataclasses
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.pipeline.protocols import Source
from fer_edge.shared.closing import Closing
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame

_ROTATE: Final = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """How to turn a picture upright.

    Attributes:
        rotation: Degrees clockwise: 0, 90, 180 or 270.
        mirror: Whether to swap left and right, after the rotation.
    """

    rotation: int = 0
    mirror: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to do."""
        return not self.rotation and not self.mirror

    def turn(self, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the picture turned, then mirrored: the same array where nothing is to do.

        Args:
            picture: uint8, shape (H, W), or (H, W, 3) in colour; (W, H) comes back for 90 and 270
                degrees.
        """
        if self.rotation == 180 and self.mirror:
            return cv2.flip(picture, 0).astype(np.uint8, copy=False)  # one pass instead of two
        if self.rotation:
            picture = cv2.rotate(picture, _ROTATE[self.rotation]).astype(np.uint8, copy=False)
        return cv2.flip(picture, 1).astype(np.uint8, copy=False) if self.mirror else picture


class TurnedSource(Closing):
    """Another source, its pictures turned as they are read, so that dropped ones cost nothing.

    Args:
        source: Closed with this one.
        orientation: How to turn.
    """

    def __init__(self, source: Source, orientation: Orientation) -> None:
        self._source = source
        self._orientation = orientation

    @property
    def live(self) -> bool:
        """As the source says."""
        return self._source.live

    @property
    def dropped(self) -> int:
        """Number of frames that the source dropped."""
        return int(getattr(self._source, "dropped", 0))

    @property
    def period_seconds(self) -> float:
        """From one picture to the next, where the source is that slow."""
        return float(getattr(self._source, "period_seconds", 0.0))

    @property
    def duration_seconds(self) -> float:
        """Of a clip, as the source says."""
        return float(getattr(self._source, "duration_seconds", 0.0))

    @property
    def frames_per_second(self) -> float:
        """Of a clip, as the source says."""
        return float(getattr(self._source, "frames_per_second", 0.0))

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the source's next frame, turned.

        Raises:
            SourceUnavailableError: As the source says.
        """
        frame = self._source.read(timeout_seconds)
        if frame is None:
            return None
        turn = self._orientation.turn
        colour = None if frame.colour is None else frame.colour.then(turn)
        return dataclasses.replace(frame, grey=turn(frame.grey), colour=colour)

    def close(self) -> None:
        """Close the source; may be called twice."""
        self._source.close()


def turned(source: Source, orientation: Orientation) -> Source:
    """Return a source whose pictures are turned; the source itself where nothing is to do."""
    return source if orientation.is_plain else TurnedSource(source, orientation)
