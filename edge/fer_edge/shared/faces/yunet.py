"""Face detection with YuNet, a small network that OpenCV runs and that knows five landmarks.

Source: Wu, Peng, Yu: "YuNet: a tiny millisecond-level face detector", 2023.
"""

from typing import Any, Final, cast

import numpy as np

from fer_edge.shared.errors import DependencyError
from fer_edge.shared.faces.found import Found
from fer_edge.shared.faces.weights import Weights, refuse_foreign
from fer_edge.shared.model.preprocess import face_square
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Face, GreyImage, Landmarks, Point

_OVERLAP: Final = 0.3  # IoU of two finds that are one face
_MOST: Final = 500  # finds considered, before those that overlap are dropped
_PROBE_PX: Final = 64
_NUMBERS: Final = 15  # of a find: box, five points, score
_LEAST_PX: Final = 16  # of a side: of less the network makes numbers without sense
_LARGEST: Final = 2.0  # times the picture's longer side: the same


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
        if (width, height) != self._size:
            self._size = (width, height)
            self._network.setInputSize(self._size)
        _, found = self._network.detect(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
        if found is None:
            return []
        rows = found.reshape(-1, _NUMBERS).astype(float).tolist()
        faces = [_square(row) for row in rows if max(row[2:4]) < _LARGEST * max(grey.shape)]
        return sorted(faces, key=lambda one: (-one.score, one.x, one.y))


def _square(row: list[float]) -> Found:
    points = zip(row[4:14:2], row[5:14:2], strict=True)
    landmarks = Landmarks(*(Point(*point) for point in points))
    x, y, side = face_square(row[0], row[1], row[2], row[3])
    return Found(x, y, side, row[14], landmarks)


def scaled(found: Found, factor_x: float, factor_y: float, left: int, top: int) -> Found:
    """Return a find of a part of a picture, shrunk, in pixels of the whole picture."""
    points = (Point(left + x / factor_x, top + y / factor_y) for x, y in found.landmarks or ())
    return Found(
        left + found.x / factor_x,
        top + found.y / factor_y,
        found.side / factor_x,
        found.score,
        Landmarks(*points),
    )


def shrunk(grey: GreyImage, side_px: int) -> tuple[GreyImage, float, float]:
    """Return a picture whose longer side is at most `side_px`, and its scales across and down."""
    height, width = grey.shape
    factor = min(1.0, side_px / max(height, width))
    if factor == 1.0:
        return grey, 1.0, 1.0
    size = max(1, round(width * factor)), max(1, round(height * factor))
    small = cast("GreyImage", cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
    return small, size[0] / width, size[1] / height


class YunetDetector:
    """Searches a whole picture, shrunk to a bounded size, for faces however they are turned.

    Where a quick look finds nobody, a second one at a larger size follows: far faces are small.

    Args:
        weights: Of the network.
        side_px: Longer side of the picture for the first look.
        second_side_px: The same for the second; 0 for none.
        least_score: From which a find is a face.

    Raises:
        ModelError: OpenCV cannot run these weights as a YuNet.
        DependencyError: The OpenCV at hand has no such class.
    """

    def __init__(
        self, weights: Weights, *, side_px: int = 320, second_side_px: int = 640,
        least_score: float = 0.6,
    ) -> None:  # fmt: skip
        self._network = YunetNetwork(weights, least_score=least_score)
        self._sides = [side_px] + [second_side_px] * (second_side_px > side_px)

    def detect(self, grey: GreyImage) -> list[Face]:
        """Return the faces of a picture, surest first.

        Args:
            grey: uint8, shape (H, W).

        Returns:
            Faces with boxes in pixels of `grey`, the square that expression networks know, and
            landmarks; the score is the network's, 0 to 1.
        """
        for side_px in self._sides:
            small, across, down = shrunk(grey, side_px)
            found = self._network.find(small)
            if found or small is grey:
                break
        whole = (scaled(one, across, down, 0, 0) for one in found)
        return [Face(one.box, one.score, landmarks=one.landmarks) for one in whole]
