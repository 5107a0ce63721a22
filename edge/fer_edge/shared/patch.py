"""A part of a picture, at a small and known scale."""

import math
from typing import Final, NamedTuple, cast

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Image, Point

_LARGEST_RATIO: Final = 4.0  # shrunk further than this, rows and columns are left out first


class Patch(NamedTuple):
    """A part of a picture, shrunk.

    Attributes:
        pixels: uint8, shape (h, w) or (h, w, 3).
        left: Left edge in the picture.
        top: Top edge in the picture.
        across: Pixels of the patch per pixel of the picture, along x.
        down: The same along y.
    """

    pixels: Image
    left: int
    top: int
    across: float
    down: float


def cut_patch(
    picture: Image, x: float, y: float, side: float, scale: float, *, mean: bool = False
) -> Patch | None:
    """Cut a square around a point and scale it; what lies outside the picture is cut off.

    Costs what its result has in pixels, not what the picture has: before it is shrunk by much,
    rows and columns are left out.

    Args:
        picture: uint8, shape (H, W) or (H, W, 3).
        x: Centre, in pixels of `picture`.
        y: The same.
        side: Of the square, in pixels of `picture`.
        scale: Pixels of the result per pixel of `picture`, about.
        mean: Make each pixel the mean of all it stands for instead of the nearest four: dearer,
            but in a dim room single pixels are mostly noise.

    Returns:
        None where less than one pixel is left.
    """
    height, width = picture.shape[:2]
    left, top = max(0, int(x - side / 2)), max(0, int(y - side / 2))
    right, bottom = min(width, int(x + side / 2)), min(height, int(y + side / 2))
    if right - left < 1 or bottom - top < 1:
        return None
    size = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))
    step = max(1, int(1 / (scale * _LARGEST_RATIO)))
    part = picture[top:bottom:step, left:right:step]
    pixels = cv2.resize(
        part, size, interpolation=cv2.INTER_AREA if mean else cv2.INTER_LINEAR_EXACT
    )
    return Patch(
        cast("Image", pixels), left, top, size[0] / (right - left), size[1] / (bottom - top)
    )


class TurnedPatch(NamedTuple):
    """A square of a picture, shrunk, and turned so that what leans in the picture stands upright.

    Attributes:
        pixels: uint8, shape (size, size) or (size, size, 3).
        rows: Of the matrix (2, 3) that leads from its pixels to those of the picture.
    """

    pixels: Image
    rows: tuple[tuple[float, float, float], tuple[float, float, float]]

    def in_picture(self, x: float, y: float) -> Point:
        """Return where a place of the patch is in the picture."""
        (a, b, c), (d, e, f) = self.rows
        return Point(a * x + b * y + c, d * x + e * y + f)

    @property
    def scale(self) -> float:
        """Pixels of the picture per pixel of the patch."""
        (a, _, _), (d, _, _) = self.rows
        return math.hypot(a, d)


def turned_patch(
    picture: Image,
    x: float,
    y: float,
    side: float,
    *,
    roll: float,
    size_px: int,
    mean: bool = True,
) -> TurnedPatch | None:
    """Cut a square that leans by `roll` degrees; what lies outside the picture repeats its border.

    Args:
        picture: uint8, shape (H, W) or (H, W, 3).
        x: Centre, in pixels of `picture`.
        y: The same.
        side: Of the square, in pixels of `picture`.
        roll: Degrees, clockwise in the picture.
        size_px: Side of the result.
        mean: Shrink first, so that each pixel is the mean of all it stands for. The warp alone
            takes the nearest four, which are mostly noise.

    Returns:
        None where less than one pixel of the picture is in it.
    """
    sine, cosine = math.sin(math.radians(roll)), math.cos(math.radians(roll))
    scale = min(1.0, size_px / side) if mean else 1.0
    around = cut_patch(picture, x, y, side * (abs(sine) + abs(cosine)), scale, mean=mean)
    if around is None:
        return None
    step_x, step_y = side * around.across / size_px, side * around.down / size_px
    matrix = np.array([[step_x * cosine, -step_y * sine, 0], [step_x * sine, step_y * cosine, 0]])
    middle = np.full(2, (size_px - 1) / 2)
    centre = np.array([(x - around.left) * around.across, (y - around.top) * around.down]) - 0.5
    matrix[:, 2] = centre - matrix[:, :2] @ middle
    pixels = cv2.warpAffine(
        around.pixels,
        matrix,
        (size_px, size_px),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    matrix[:, 2] += 0.5 - matrix[:, :2].sum(axis=1) / 2  # places count from a pixel's corner
    (a, b, c), (d, e, f) = matrix.tolist()
    across, down = around.across, around.down
    return TurnedPatch(
        cast("Image", pixels),
        (
            (a / across, b / across, around.left + c / across),
            (d / down, e / down, around.top + f / down),
        ),
    )
