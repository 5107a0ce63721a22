"""A part of a picture, at a small and known scale."""

from typing import Final, NamedTuple, cast

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage

_LARGEST_RATIO: Final = 4.0  # shrunk further than this, rows and columns are left out first


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
