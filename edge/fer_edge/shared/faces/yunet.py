"""Face detection with YuNet, a small network that OpenCV runs and that knows five landmarks.

Source: Wu, Peng, Yu: "YuNet: a tiny millisecond-level face detector", 2023.
"""

from collections.abc import Iterator
from typing import Any, Final, cast

import numpy as np

from fer_edge.shared.errors import DependencyError
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.weights import Weights, refuse_foreign
from fer_edge.shared.model.preprocess import LEVEL_WITHIN, face_square
from fer_edge.shared.opencv import cv2
from fer_edge.shared.patch import TurnedPatch, cut_patch, turned_patch
from fer_edge.shared.records import GreyImage, Landmarks, Point

_OVERLAP: Final = 0.3  # IoU of two finds that are one face
_MOST: Final = 500  # finds considered, before those that overlap are dropped
_PROBE_PX: Final = 64
_NUMBERS: Final = 15  # of a find: box, five points, score
_LEAST_PX: Final = 16  # of a side: in less no face is found
_GROUND_PX: Final = 64  # of a side: smaller ones OpenCV 4.14 now and then fills from other memory
_LARGEST: Final = 2.0  # times the picture's longer side: no face is larger
_WINDOW: Final = 2.2  # times a face's side: the network wants to see what is around
_ENLARGED: Final = 3.0  # times, at most: a far face is seen better when it is enlarged
_NEAR_BY: Final = 0.6  # of a side that the centre may be off
_SIZES: Final = (0.6, 1.7)  # ratio of sizes within which it can be the same face


class YunetNetwork:
    """The network itself; not to be used by two threads at once.

    Args:
        weights: Read and known to be a file; whether it is a YuNet is tried here.
        least_score: Finds below it are dropped.

    Raises:
        ModelError: OpenCV cannot run these weights as a YuNet.
        DependencyError: The OpenCV at hand has no such class.
    """

    def __init__(self, weights: Weights, *, least_score: float) -> None:
        if not hasattr(cv2, "FaceDetectorYN"):
            raise DependencyError(
                f"OpenCV {cv2.__version__} cannot run YuNet (class FaceDetectorYN is missing)",
                expected="opencv-python-headless 4.8 or newer",
                fix="update it, or set detector.kind = 'haar'",
            )
        self._size = (_PROBE_PX, _PROBE_PX)
        blank = np.zeros((_PROBE_PX, _PROBE_PX), np.uint8)
        try:
            self._network: Any = cv2.FaceDetectorYN.create(
                str(weights.path), "", self._size, least_score, _OVERLAP, _MOST
            )
            self.find(blank)
        except (cv2.error, SystemError) as error:  # the second is how a failing constructor arrives
            reason = getattr(error, "err", "") or str(error)
            raise refuse_foreign(weights, " ".join(reason.split())[:120]) from error

    def find(self, grey: GreyImage) -> list[Found]:
        """Return the faces of a picture at its own size, surest first.

        Args:
            grey: uint8, shape (H, W); faces of 20 to some 300 pixels are found.
        """
        height, width = grey.shape
        if min(width, height) < _LEAST_PX:
            return []
        below, beside = max(0, _GROUND_PX - height), max(0, _GROUND_PX - width)
        ground = (
            cv2.copyMakeBorder(grey, 0, below, 0, beside, cv2.BORDER_REPLICATE)
            if below or beside
            else grey
        )
        if (width + beside, height + below) != self._size:
            self._size = (width + beside, height + below)
            self._network.setInputSize(self._size)
        _, found = self._network.detect(cv2.cvtColor(ground, cv2.COLOR_GRAY2BGR))
        if found is None:
            return []
        rows = found.reshape(-1, _NUMBERS).astype(float).tolist()
        faces = [_square(row) for row in rows if _may_be(row, width, height)]
        return sorted(faces, key=lambda one: (-one.score, one.x, one.y))


def _may_be(row: list[float], width: int, height: int) -> bool:
    """Return whether numbers are of a face that lies in the picture."""
    x, y = row[0] + row[2] / 2, row[1] + row[3] / 2
    inside = 0 <= x < width and 0 <= y < height
    return inside and max(row[2:4]) < _LARGEST * max(width, height)


def _square(row: list[float]) -> Found:
    points = zip(row[4:14:2], row[5:14:2], strict=True)
    landmarks = Landmarks(*(Point(*point) for point in points))
    x, y, side = face_square(row[0], row[1], row[2], row[3])
    return Found(x, y, side, row[14], landmarks)


def scaled(found: Found, across: float, down: float, left: int, top: int) -> Found:
    """Return a find of a part of a picture, shrunk, in pixels of the whole picture."""
    points = (Point(left + x / across, top + y / down) for x, y in found.landmarks or ())
    return Found(
        left + found.x / across,
        top + found.y / down,
        found.side / across,
        found.score,
        Landmarks(*points),
    )


def look_at(network: YunetNetwork, grey: GreyImage, near: Found, *, window_px: int) -> Found | None:
    """Look in a window for the face that is about where and as large as a supposed one.

    The network knows upright faces best and its landmarks stand upright whatever the face does,
    so a window that leans as the face does shows more.

    Args:
        network: To look with.
        grey: uint8, shape (H, W).
        near: The supposed face, with the degrees by which it leans.
        window_px: Side of the window that the network is shown, in its pixels.

    Returns:
        The surest such face, with the same roll; None where there is none.
    """
    low, high = _SIZES
    for found in _finds_around(network, grey, near, window_px):
        off = max(abs(found.x - near.x), abs(found.y - near.y))
        if off < _NEAR_BY * near.side and low < found.side / near.side < high:
            return found
    return None


def _finds_around(
    network: YunetNetwork, grey: GreyImage, near: Found, window_px: int
) -> Iterator[Found]:
    window = _WINDOW * near.side
    if abs(near.roll) < LEVEL_WITHIN:
        scale = min(_ENLARGED, window_px / window)
        patch = cut_patch(grey, near.x, near.y, window, scale, mean=True)
        if patch is not None:
            for one in network.find(patch.pixels):
                found = scaled(one, patch.across, patch.down, patch.left, patch.top)
                yield found._replace(roll=near.roll)
        return
    turned = turned_patch(grey, near.x, near.y, window, roll=near.roll, size_px=window_px)
    if turned is not None:
        for one in network.find(turned.pixels):
            yield from_turned(one, turned, near.roll)


def from_turned(found: Found, turned: TurnedPatch, roll: float) -> Found:
    """Return a find of a patch that leans by `roll` degrees in pixels of the picture."""
    centre = turned.in_picture(found.x, found.y)
    points = (turned.in_picture(x, y) for x, y in found.landmarks or ())
    side = found.side * turned.scale
    return Found(centre.x, centre.y, side, found.score, Landmarks(*points), roll)


def resized(grey: GreyImage, side_px: int) -> tuple[GreyImage, float, float]:
    """Return a picture whose longer side is `side_px`, and its scales across and down."""
    height, width = grey.shape
    factor = side_px / max(height, width)
    if factor == 1.0:
        return grey, 1.0, 1.0
    size = max(1, round(width * factor)), max(1, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
    small = cast("GreyImage", cv2.resize(grey, size, interpolation=method))
    return small, size[0] / width, size[1] / height
