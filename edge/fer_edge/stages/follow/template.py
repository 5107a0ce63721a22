"""Following a face from frame to frame by correlating a small picture of it."""

from typing import Final, NamedTuple

from fer_edge.shared.opencv import cv2
from fer_edge.shared.patch import cut_patch
from fer_edge.shared.records import GreyImage

_FACE_PX: Final = 24  # a face is shrunk to this: what the correlation costs and how fine it is
_INNER: Final = 0.8  # of the face is in the template; the rest is hair and background
_MIN_PX: Final = 8


class Match(NamedTuple):
    """Where a template was found.

    Attributes:
        x: Centre of the face, in pixels of the picture.
        y: The same.
        score: Normalised correlation, -1 to 1.
    """

    x: float
    y: float
    score: float


class Template:
    """The look of a face at one moment.

    Args:
        grey: uint8, shape (H, W).
        x: Centre of the face in it.
        y: The same.
        side: Of the face, in pixels.
    """

    __slots__ = ("_pixels", "_scale", "_side", "_x", "_y", "usable")

    def __init__(self, grey: GreyImage, x: float, y: float, side: float) -> None:
        self._side = side
        self._scale = _FACE_PX / side
        patch = cut_patch(grey, x, y, side * _INNER, self._scale)
        self.usable = patch is not None and min(patch.pixels.shape) >= _MIN_PX
        if patch is None or not self.usable:
            return
        self._pixels = patch.pixels
        # Where in the template the face's centre is: not its middle at the picture's edge.
        self._x = (x - patch.left) * patch.across
        self._y = (y - patch.top) * patch.down

    def find(self, grey: GreyImage, x: float, y: float, *, reach: float) -> Match | None:
        """Look for the face around a point.

        Args:
            grey: uint8, shape (H, W).
            x: Where it is expected, in pixels of `grey`.
            y: The same.
            reach: How far from there it may be, in widths of the face.

        Returns:
            The best place, finer than a pixel of the template; None at the picture's edge.
        """
        window = cut_patch(grey, x, y, self._side * (_INNER + 2 * reach), self._scale)
        if window is None or not self.usable:
            return None
        pixels, wanted = window.pixels, self._pixels
        if pixels.shape[0] < wanted.shape[0] or pixels.shape[1] < wanted.shape[1]:
            return None
        scores = cv2.matchTemplate(pixels, wanted, cv2.TM_CCOEFF_NORMED)
        _, score, _, (column, row) = cv2.minMaxLoc(scores)
        height, width = scores.shape
        dx = dy = 0.0
        if 0 < column < width - 1:
            dx = _vertex(float(scores[row, column - 1]), score, float(scores[row, column + 1]))
        if 0 < row < height - 1:
            dy = _vertex(float(scores[row - 1, column]), score, float(scores[row + 1, column]))
        return Match(
            window.left + (column + dx + self._x) / window.across,
            window.top + (row + dy + self._y) / window.down,
            score,
        )


def _vertex(before: float, peak: float, after: float) -> float:
    """Return where the parabola through three neighbours peaks, from -0.5 to 0.5."""
    bend = before - 2 * peak + after
    return max(-0.5, min(0.5, 0.5 * (before - after) / bend)) if bend < 0 else 0.0
