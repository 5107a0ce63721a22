"""Is there a face at this place, and where exactly? Haar in a small window at near sizes.

What is looked at is a square of the picture at a small, known scale, never the whole frame.
"""

from collections.abc import Sequence
from typing import Final

from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.haar import load_cascade
from fer_edge.shared.patch import cut_patch
from fer_edge.shared.records import GreyImage

_WINDOW: Final = 1.6  # times the face's width
_SMALLEST, _LARGEST = 0.74, 1.4  # times the face's width
_NEAR: Final = 0.45  # of a width that the centre may be off


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

    def check(self, grey: GreyImage, x: float, y: float, side: float) -> Found | None:
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
            Found(
                patch.left + (box[0] + box[2] / 2) / patch.across,
                patch.top + (box[1] + box[3] / 2) / patch.down,
                float(box[2] / patch.across),
                float(count),
            )
            for box, count in zip(boxes, hits, strict=True)
        ]
        near = [one for one in found if max(abs(one.x - x), abs(one.y - y)) < _NEAR * side]
        return max(near, key=lambda one: one.score, default=None)


def first_found(
    checks: Sequence[FaceCheck], grey: GreyImage, x: float, y: float, side: float
) -> Found | None:
    """Return what the first of several checks finds that finds anything."""
    found = (one.check(grey, x, y, side) for one in checks)
    return next((each for each in found if each is not None), None)
