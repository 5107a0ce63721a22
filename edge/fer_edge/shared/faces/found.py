"""Where a face is, finer than a pixel: what every technique gives."""

from typing import NamedTuple

from fer_edge.shared.records import Box, Face, Landmarks


class Found(NamedTuple):
    """A face that a technique found.

    Attributes:
        x: Centre, in pixels of the picture.
        y: The same.
        side: Of the square that expression networks know.
        score: On the technique's own scale; larger is surer.
        landmarks: In pixels of the picture; None where the technique knows none.
        roll: Degrees by which it leans, clockwise in the picture; 0 where that is not known.
        covered: Probability that nose and mouth are hidden; 0 where that is not known.
    """

    x: float
    y: float
    side: float
    score: float
    landmarks: Landmarks | None = None
    roll: float = 0.0
    covered: float = 0.0

    @property
    def box(self) -> Box:
        """The square in whole pixels."""
        side = round(self.side)
        return Box(round(self.x - self.side / 2), round(self.y - self.side / 2), side, side)

    def as_face(self, track_id: int | None = None) -> Face:
        """Return it in whole pixels."""
        roll = None if self.landmarks is None else self.roll
        return Face(self.box, self.score, track_id, self.landmarks, roll, self.covered)
