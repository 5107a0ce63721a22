"""Can an expression be read off this face at all? If not, why not.

The thresholds were chosen on training pictures and on faces with masks; docs/log/detection.md has
the figures.
"""

from typing import Final

import numpy as np

from fer_edge.shared.records import Face, GreyImage, Landmarks, Why

_LEAST_SIDE_PX: Final = 14  # of less, less than 7 in 10 are read rightly
_DARK_LEVEL: Final = 60.0  # of 255: where nine in ten pixels are darker
_DARK_SPREAD: Final = 16.0  # levels from the darkest tenth to the brightest: the same 7 in 10
_TURNED: Final = 0.45  # of the eyes' distance that the nose is off the middle between them
_COVERED: Final = 0.7
_SAMPLES: Final = 10  # across and down, from which the light is judged


def why_unreadable(grey: GreyImage, face: Face) -> Why | None:
    """Return why no expression can be read off a face; None where nothing speaks against it.

    Args:
        grey: uint8, shape (H, W).
        face: In it, with what its technique knows of it.
    """
    if max(face.box.width, face.box.height) < _LEAST_SIDE_PX:
        return "too small"
    if face.covered >= _COVERED:
        return "covered"
    if face.landmarks is not None and abs(nose_offset(face.landmarks)) > _TURNED:
        return "turned away"
    return "too dark" if _is_dark(grey, face) else None


def nose_offset(landmarks: Landmarks) -> float:
    """Return how far the nose is off the middle between the eyes, in distances of the eyes.

    0 is a frontal face; at 0.5 and more the nose covers an eye or lies beyond it.
    """
    (x1, y1), (x2, y2) = landmarks.right_eye, landmarks.left_eye
    along_x, along_y = x2 - x1, y2 - y1
    squared = along_x**2 + along_y**2
    if not squared:
        return 1.0
    off_x, off_y = landmarks.nose.x - (x1 + x2) / 2, landmarks.nose.y - (y1 + y2) / 2
    return (off_x * along_x + off_y * along_y) / squared


def _is_dark(grey: GreyImage, face: Face) -> bool:
    box = face.box
    top, left = max(0, box.y), max(0, box.x)
    part = grey[top : box.y + box.height, left : box.x + box.width]
    if not part.size:
        return False
    step = max(1, min(part.shape) // _SAMPLES)
    levels = np.sort(part[::step, ::step], axis=None)
    low, high = float(levels[levels.size // 10]), float(levels[levels.size * 9 // 10])
    return high < _DARK_LEVEL and high - low < _DARK_SPREAD
