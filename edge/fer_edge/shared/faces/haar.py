"""Face detection with OpenCV's Haar cascades."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Final, cast

from fer_edge.shared.errors import DependencyError, SettingsError
from fer_edge.shared.faces.cues import FaceCues
from fer_edge.shared.faces.found import Found
from fer_edge.shared.installing import pip_install
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Face, GreyImage

CASCADES: Final = {
    "alt2": "haarcascade_frontalface_alt2.xml",
    "alt": "haarcascade_frontalface_alt.xml",
    "default": "haarcascade_frontalface_default.xml",
}
_NESTED: Final = 0.5
_OPENCV: Final = "'opencv-python-headless>=4.10,<5'"
_SURE_HITS: Final = 10
_CONFIRM_NEIGHBOURS: Final = {"alt": 3, "alt2": 3, "default": 8}  # the last is easily pleased
_CONFIRM_SIDE_PX: Final = 80  # faces are shrunk to it: quicker, and enough to confirm


class HaarDetector:
    """Searches a whole picture, shrunk to a bounded size, for frontal faces.

    A face on which few hits overlap is confirmed by another cascade in a window around it,
    because their errors differ: benchmarks/detection.py has the figures. A small network tells
    whether a face is covered.

    Args:
        cascade: A name of `CASCADES`.
        confirm: Other names of `CASCADES`, joined by "+": one of them must find a weak face
            again; "" for none.
        scale_factor: Ratio between two sizes searched; above 1. Larger is faster and coarser.
        min_neighbours: Overlapping hits needed beside the first; larger is stricter.
        min_face_px: Smallest face searched for, in pixels of the shrunk picture.
        max_side_px: A picture whose longer side is above this is shrunk to it.

    Raises:
        DependencyError: The OpenCV at hand has no Haar cascades, or there is no TFLite runtime.
        ModelError: The small network's file is damaged.
        SettingsError: There is no cascade of that name.
    """

    def __init__(
        self,
        *,
        cascade: str = "alt2",
        confirm: str = "alt+default",
        scale_factor: float = 1.1,
        min_neighbours: int = 1,
        min_face_px: int = 40,
        max_side_px: int = 640,
    ) -> None:
        self._cascade = load_cascade(cascade)
        self._confirm = [
            (load_cascade(name), _CONFIRM_NEIGHBOURS[name])
            for name in confirm.split("+")
            if confirm
        ]
        self._cues = FaceCues()
        self._scale_factor = scale_factor
        self._min_neighbours = min_neighbours
        self._min_face = (min_face_px, min_face_px)
        self._max_side_px = max_side_px

    def detect(self, grey: GreyImage) -> list[Face]:
        """Return the faces of a picture, surest first.

        Args:
            grey: uint8, shape (H, W).

        Returns:
            Faces with boxes in pixels of `grey`; the score is the number of overlapping hits.
        """
        factor = min(1.0, self._max_side_px / max(grey.shape))
        small = _shrink(grey, factor)
        boxes, hits = self._cascade.detectMultiScale2(
            small, self._scale_factor, self._min_neighbours, 0, self._min_face
        )
        found = [
            Face(Box(*(int(v) for v in box)), float(count))
            for box, count in zip(boxes, hits, strict=True)
        ]
        distinct = without_nested(sorted(found, key=lambda face: (-face.score, -face.box.area)))
        return [
            self._with_cues(grey, Face(face.box.scaled(1 / factor), face.score))
            for face in distinct
            if face.score >= _SURE_HITS or self._is_confirmed(small, face.box)
        ]

    def _with_cues(self, grey: GreyImage, face: Face) -> Face:
        box = face.box
        at = Found(box.x + box.width / 2, box.y + box.height / 2, float(box.width), face.score)
        return replace(face, covered=self._cues.read(grey, at).covered)

    def _is_confirmed(self, grey: GreyImage, box: Box) -> bool:
        """Search a window half as large again with the other cascades, near the box's size."""
        if not self._confirm:
            return True
        margin = round(0.3 * box.width)
        left, top = max(0, box.x - margin), max(0, box.y - margin)
        window = grey[top : box.y + box.height + margin, left : box.x + box.width + margin]
        factor = min(1.0, _CONFIRM_SIDE_PX / box.width)
        smallest, largest = (round(share * box.width * factor) for share in (0.6, 1.5))
        shrunk = _shrink(window, factor)
        inside = Box(box.x - left, box.y - top, box.width, box.height).scaled(factor)
        for cascade, neighbours in self._confirm:
            found = cascade.detectMultiScale(
                shrunk, 1.05, neighbours, 0, (smallest, smallest), (largest, largest)
            )
            if any(Box(*(int(v) for v in other)).iou(inside) > 0.3 for other in found):
                return True
        return False


def _shrink(grey: GreyImage, factor: float) -> GreyImage:
    if factor == 1.0:
        return grey
    height, width = grey.shape
    size = max(1, round(width * factor)), max(1, round(height * factor))
    return cast("GreyImage", cv2.resize(grey, size, interpolation=cv2.INTER_AREA))


def without_nested(faces: list[Face]) -> list[Face]:
    """Drop every face that lies mostly inside a surer one: a mouth, or the same face again.

    Args:
        faces: Surest first.
    """
    kept: list[Face] = []
    for face in faces:
        if all(_shared(face.box, other.box) <= _NESTED for other in kept):
            kept.append(face)
    return kept


def _shared(a: Box, b: Box) -> float:
    """Return the part of the smaller box that lies in the other one."""
    return a.overlap(b) / max(1, min(a.area, b.area))


def load_cascade(name: str) -> Any:
    """Load a cascade of `CASCADES` that came with OpenCV.

    Raises:
        DependencyError: The OpenCV at hand has no Haar cascades.
        SettingsError: There is no cascade of that name.
    """
    if name not in CASCADES:
        raise SettingsError(
            f"unknown cascade {name!r}",
            expected="one of " + ", ".join(CASCADES),
            fix="choose one of these as detector.cascade",
        )
    classifier = getattr(cv2, "CascadeClassifier", None)
    folder = getattr(getattr(cv2, "data", None), "haarcascades", "")
    path = Path(folder) / CASCADES[name]
    if classifier is None or not path.is_file():
        missing = "class CascadeClassifier" if classifier is None else f"file {path.name}"
        raise DependencyError(
            f"OpenCV {cv2.__version__} has no Haar cascades ({missing} is missing)",
            expected="opencv-python-headless 4.10 or newer, below 5",
            fix=f"run `{pip_install(_OPENCV)}` and uninstall other opencv packages",
        )
    try:
        cascade = classifier(str(path))
    except (cv2.error, SystemError):  # the second is how a failing constructor arrives
        cascade = None
    if cascade is None or cascade.empty():
        raise DependencyError(
            f"OpenCV's {path.name} cannot be loaded",
            expected="a whole cascade file",
            fix=f"run `{pip_install(f'--force-reinstall {_OPENCV}')}`",
        )
    return cascade
