"""Pictures that have nothing to do with one another: every one is searched wholly."""

from fer_edge.pipeline.protocols import Detector
from fer_edge.shared.records import Face, Frame


class EachPicture:
    """Takes every frame on its own; a tracker without memory, whose faces have no number.

    Args:
        detector: Finds the faces of one picture.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector

    @property
    def left_out(self) -> int:
        """Always 0: there is no limit."""
        return 0

    def update(self, frame: Frame) -> list[Face]:
        """Return the faces of a frame."""
        return self._detector.detect(frame.grey)

    def close(self) -> None:
        """Nothing to end."""
