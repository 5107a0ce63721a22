"""Where a face is, finer than a pixel: what every technique gives."""

from typing import NamedTuple

from fer_edge.shared.records import Box, Landmarks


class Found(NamedTuple):
    """A face that a technique found.

    Attributes:
        x: Centre, in pixels of the picture.
        y: The same.
        side: Of the square that expression networks know.
        score: On the technique's own scale; larger is surer.
        landmarks: In pixels of the picture; None where the technique knows none.
    """

    x: float
    y: float
    side: float
    score: float
    landmarks: Landmarks | None = None

    @property
    def box(self) -> Box:
        """The square in whole pixels."""
        side = round(self.side)
        return Box(round(self.x - self.side / 2), round(self.y - self.side / 2), side, side)
