"""Scenes of the portrait's face that moves: what trackers are tested on."""

from collections.abc import Iterable, Iterator

import numpy as np
from builders import PORTRAIT

from fer_edge.shared.data.pictures import read_grey
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, Frame, GreyImage

_HEAD = np.s_[20:220, 120:330]
"""Head and hair in the portrait."""
_FACE = Box(60, 50, 90, 90)
"""About where a search finds the face in that cut."""


def a_head(face_px: int) -> tuple[GreyImage, Box]:
    """Return the portrait's head so large that its face is so wide, and where the face is."""
    head = read_grey(PORTRAIT)[_HEAD]
    factor = face_px / _FACE.width
    large = cv2.resize(head, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    return large.astype(np.uint8), _FACE.scaled(factor)


def a_wall(width: int = 640, height: int = 480) -> GreyImage:
    """Return a plain wall, lighter towards the top."""
    column = np.linspace(165, 120, height).astype(np.uint8)
    return np.repeat(column[:, None], width, axis=1)


def with_face(wall: GreyImage, x: float, y: float, *, face_px: int = 90) -> tuple[GreyImage, Box]:
    """Return a copy of a picture with a face centred at a point, and the face's box."""
    head, face = a_head(face_px)
    picture = wall.copy()
    left = round(x - face.x - face.width / 2)
    top = round(y - face.y - face.height / 2)
    height, width = picture.shape
    x0, y0 = max(0, left), max(0, top)
    x1, y1 = min(width, left + head.shape[1]), min(height, top + head.shape[0])
    if x0 < x1 and y0 < y1:
        picture[y0:y1, x0:x1] = head[y0 - top : y1 - top, x0 - left : x1 - left]
    return picture, Box(left + face.x, top + face.y, face.width, face.height)


def as_frames(pictures: Iterable[GreyImage], *, first: int = 0) -> Iterator[Frame]:
    """Number pictures as the frames of a clip."""
    for index, grey in enumerate(pictures, start=first):
        yield Frame(index, 1_700_000_000 + index / 30, index * 33_333_333, grey)
