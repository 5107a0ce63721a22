"""Is there a face at this place, and where exactly? Haar in a small window at near sizes.

What is looked at is a square of the picture at a small, known scale, never the whole frame.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

from fer_edge.shared.haar import load_cascade
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage

_LARGEST_RATIO: Final = 4.0  # shrunk further than this, rows and columns are left out first
_WINDOW: Final = 1.6  # times the face's width
_SMALLEST, _LARGEST = 0.74, 1.4  # times the face's width
_NEAR: Final = 0.45  # of a width that the centre may be off


class Patch(NamedTuple):
    """A part of a picture, shrunk.

    Attributes:
        pixels: uint8, shape (h, w).
        left: Left edge in the picture.
        top: Top edge in the picture.
        across: Pixels of the patch per pixel of the picture, along x.
        down: The same along y.
    """

    pixels: GreyImage
    left: int
    top: int
    across: float
    down: float


def cut_patch(
    grey: GreyImage, x: float, y: float, side: float, scale: float, *, mean: bool = False
) -> Patch | None:
    """Cut a square around a point and scale it; what lies outside the picture is cut off.

    Costs what its result has in pixels, not what the picture has: before it is shrunk by much,
    rows and columns are left out.

    Args:
        grey: uint8, shape (H, W).
        x: Centre, in pixels of `grey`.
        y: The same.
        side: Of the square, in pixels of `grey`.
        scale: Pixels of the result per pixel of `grey`, about.
        mean: Make each pixel the mean of all it stands for instead of the nearest four: dearer,
            but in a dim room single pixels are mostly noise.

    Returns:
        None where less than one pixel is left.
    """
    height, width = grey.shape
    left, top = max(0, int(x - side / 2)), max(0, int(y - side / 2))
    right, bottom = min(width, int(x + side / 2)), min(height, int(y + side / 2))
    if right - left < 1 or bottom - top < 1:
        return None
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    step = max(1, int(1 / (scale * _LARGEST_RATIO)))
    part = grey[top:bottom:step, left:right:step]
    pixels = cv2.resize(
        part, size, interpolation=cv2.INTER_AREA if mean else cv2.INTER_LINEAR_EXACT
    )
    return Patch(
        cast("GreyImage", pixels), left, top, size[0] / (right - left), size[1] / (bottom - top)
    )


class Checked(NamedTuple):
    """A face that a check found, in pixels of the picture."""

    x: float
    y: float
    side: float
    hits: int


class FaceCheck:
    """Searches a window around a supposed face at sizes near its own.

    Args:
        cascade: A name of `haar.CASCADES`.
        face_px: The face is shrunk to this width: smaller is faster and less sure.
        scale_factor: Ratio between two sizes searched.
        min_neighbours: Overlapping hits needed beside the first.

    Raises:
        DependencyError: The OpenCV at hand has no Haar cascades.
    """

    def __init__(
        self, cascade: str, *, face_px: int, scale_factor: float, min_neighbours: int
    ) -> None:
        self._cascade = load_cascade(cascade)
        self._face_px = face_px
        self._scale_factor = scale_factor
        self._min_neighbours = min_neighbours

    def check(self, grey: GreyImage, x: float, y: float, side: float) -> Checked | None:
        """Return the face that is there, or None.

        Args:
            grey: uint8, shape (H, W).
            x: Centre of the supposed face.
            y: The same.
            side: Its width.
        """
        scale = min(1.0, self._face_px / side)
        patch = cut_patch(grey, x, y, side * _WINDOW, scale, mean=True)
        if patch is None:
            return None
        smallest, largest = round(side * scale * _SMALLEST), round(side * scale * _LARGEST)
        boxes, hits = self._cascade.detectMultiScale2(
            patch.pixels, self._scale_factor, self._min_neighbours, 0,
            (smallest, smallest), (largest, largest),
        )  # fmt: skip
        found = [
            Checked(
                patch.left + (box[0] + box[2] / 2) / patch.across,
                patch.top + (box[1] + box[3] / 2) / patch.down,
                float(box[2] / patch.across),
                int(count),
            )
            for box, count in zip(boxes, hits, strict=True)
        ]
        near = [one for one in found if max(abs(one.x - x), abs(one.y - y)) < _NEAR * side]
        return max(near, key=lambda one: one.hits, default=None)


def first_found(
    checks: Sequence[FaceCheck], grey: GreyImage, x: float, y: float, side: float
) -> Checked | None:
    """Return what the first of several checks finds that finds anything."""
    found = (one.check(grey, x, y, side) for one in checks)
    return next((each for each in found if each is not None), None)
