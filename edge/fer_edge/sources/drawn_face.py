"""A face drawn by this code, with a look that it is told: nobody's, and no photograph.

How the looks are drawn was adjusted until the models that ship read them by their names. So they
show what a change of expression looks like, and nothing of how well real ones are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import ColourImage

_Colour: TypeAlias = tuple[int, int, int]
_Points: TypeAlias = Sequence[tuple[float, float]]

WIDTH: Final = 240
HEIGHT: Final = 300
_FINER: Final = 2
"""Drawn so much larger, and shrunk then."""
_FRACTION_BITS: Final = 4

_WALL: Final = (150, 150, 150)
_SKIN: Final = (150, 180, 222)
_HAIR: Final = (28, 38, 58)
_BROW: Final = (30, 42, 62)
_FURROW: Final = (70, 92, 135)
_LID: Final = (35, 45, 60)
_IRIS: Final = (60, 80, 90)
_EYE: Final = (232, 236, 240)
_LIP: Final = (85, 90, 165)
_MOUTH: Final = (35, 30, 70)
_TEETH: Final = (240, 242, 244)
_NECK: Final = (120, 150, 195)
_CLOTHES: Final = (120, 90, 60)
_MIDDLE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Look:
    """What a face shows; zeros and ones are a face at rest.

    Attributes:
        smile: How far the corners of the mouth are up; below 0 they hang.
        open: How far the mouth is open.
        width: Of the mouth.
        brow: How far the brows are up.
        frown: How far their inner ends are down; below 0 they are up.
        eyes: How wide they are open.
    """

    smile: float = 0.0
    open: float = 0.0
    width: float = 1.0
    brow: float = 0.0
    frown: float = 0.0
    eyes: float = 1.0


LOOKS: Final = {
    "neutral": Look(smile=-0.16, width=0.8, brow=-0.55, frown=-0.1, eyes=0.4),
    "happy": Look(smile=1.3, open=0.55, width=1.25, brow=0.1, eyes=0.55),
    "surprise": Look(open=1.15, width=0.62, brow=1.3, eyes=1.5),
    "angry": Look(smile=-0.7, width=0.9, brow=-0.5, frown=1.1, eyes=0.6),
    "sad": Look(smile=-1.3, width=1.2, brow=0.2, frown=-0.9, eyes=0.3),
}


def draw_face(look: Look) -> ColourImage:
    """Draw head and shoulders in front of a grey wall.

    Returns:
        uint8, shape (300, 240, 3), BGR.
    """
    canvas = _Canvas()
    _draw_head(canvas)
    canvas.shade(_shadows(look))
    canvas.fill(_FRINGE, _HAIR)
    for side in (-1, 1):
        _draw_eye(canvas, side, look)
        _draw_brow(canvas, side, look)
    _draw_mouth(canvas, look)
    return canvas.shrunk()


class _Canvas:
    """Shapes in points of the finished picture, with soft edges."""

    def __init__(self) -> None:
        self._pixels = np.full((HEIGHT * _FINER, WIDTH * _FINER, 3), _WALL, np.uint8)

    def ellipse(self, x: float, y: float, across: float, down: float, colour: _Colour) -> None:
        centre, axes = self._exact((x, y)), self._exact((across, down))
        cv2.ellipse(self._pixels, centre, axes, 0, 0, 360, colour, -1, cv2.LINE_AA, _FRACTION_BITS)

    def fill(self, points: _Points, colour: _Colour) -> None:
        exact = np.array([self._exact(point) for point in points], np.int32)
        cv2.fillPoly(self._pixels, [exact], colour, cv2.LINE_AA, _FRACTION_BITS)

    def stroke(self, points: _Points, colour: _Colour, width: float) -> None:
        exact = np.array([self._exact(point) for point in points], np.int32)
        thickness = max(1, round(width * _FINER))
        cv2.polylines(self._pixels, [exact], False, colour, thickness, cv2.LINE_AA, _FRACTION_BITS)

    def shade(self, factor: NDArray[np.float32]) -> None:
        """Multiply by a factor for each point of the finished picture, shape (H, W)."""
        size = (WIDTH * _FINER, HEIGHT * _FINER)
        finer = cv2.resize(factor, size, interpolation=cv2.INTER_LINEAR)
        self._pixels = np.clip(self._pixels * finer[..., None], 0, 255).astype(np.uint8)

    def shrunk(self) -> ColourImage:
        shrunk = cv2.resize(self._pixels, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(shrunk, (3, 3), 0.7).astype(np.uint8, copy=False)

    def _exact(self, point: tuple[float, float]) -> tuple[int, int]:
        scale = _FINER * 2**_FRACTION_BITS
        return round(point[0] * scale), round(point[1] * scale)


_FRINGE: Final = (
    (56.0, 128.0), (60.0, 84.0), (100.0, 66.0), (140.0, 66.0), (180.0, 84.0), (184.0, 128.0),
    (172.0, 104.0), (150.0, 92.0), (110.0, 94.0), (76.0, 102.0),
)  # fmt: skip


def _draw_head(canvas: _Canvas) -> None:
    canvas.ellipse(_MIDDLE, 128, 82, 100, _HAIR)
    canvas.fill(((40, 120), (200, 120), (206, 230), (34, 230)), _HAIR)
    canvas.ellipse(_MIDDLE, 330, 110, 95, _CLOTHES)
    canvas.fill(((96, 200), (144, 200), (150, 262), (90, 262)), _NECK)
    canvas.ellipse(_MIDDLE, 150, 64, 82, _SKIN)


def _shadows(look: Look) -> NDArray[np.float32]:
    """Return how light each point is: a round head, eye sockets, nose, cheeks and chin."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    round_head = ((x - _MIDDLE) / 64) ** 2 + ((y - 150) / 82) ** 2
    light = np.where(round_head < 1, np.clip(1.06 - 0.3 * round_head, 0.6, 1.1), 1.0)
    spots: list[tuple[float, int, int, int, float]] = [
        (0, 150, 6, 26, 0.15), (0, 178, 14, 4, -0.22), (0, 110, 34, 12, 0.08),
        (0, 216, 16, 7, -0.1),
    ]  # fmt: skip
    fold = max(0.0, look.smile)
    for side in (-1, 1):
        spots += [
            (side * 27, 132, 19, 11, -0.42),
            (side * 32, 172, 16, 13, 0.14),
            (side * 9, 176, 5, 4, -0.25),
            (side * (34 + 4 * fold), 184, 5, 16, -0.16 * fold),
        ]
    for place, middle, across, down, strength in spots:
        near = np.exp(-(((x - _MIDDLE - place) / across) ** 2 + ((y - middle) / down) ** 2))
        light *= 1 + strength * near
    return light.astype(np.float32)


def _draw_eye(canvas: _Canvas, side: int, look: Look) -> None:
    x, y, height = _MIDDLE + side * 27, 134.0, max(1.2, 7.0 * look.eyes)
    canvas.ellipse(x, y, 12.5, height, _EYE)
    canvas.ellipse(x, y - 0.3, 6.0, min(0.98 * height, 6.3), _IRIS)
    canvas.ellipse(x, y - 0.3, 3.0, min(height, 3.2), (15, 15, 18))
    canvas.ellipse(x - 1.6, y - 2, 1.1, 1.1, (250, 250, 250))
    lid = [(x - 14 + 28 * t, y - height * np.sin(np.pi * t) - 0.8) for t in np.linspace(0, 1, 15)]
    canvas.stroke(lid, _LID, 2.2)


def _draw_brow(canvas: _Canvas, side: int, look: Look) -> None:
    outwards = np.linspace(0, 1, 12)
    heights = 117 - 9 * look.brow - 4.5 * np.sin(np.pi * outwards)
    heights += 10 * look.frown * (1 - outwards)
    across = _MIDDLE + side * (13 + 31 * outwards)
    canvas.stroke(list(zip(across.tolist(), heights.tolist(), strict=True)), _BROW, 5.0)
    if look.frown > 0.4:
        inside = _MIDDLE + side * 4
        canvas.stroke(((inside, 112), (inside + side, 124)), _FURROW, 1.5)


def _draw_mouth(canvas: _Canvas, look: Look) -> None:
    if look.open < 0.05:
        canvas.stroke(_lip(look, 0.0), (70, 70, 130), 4.2)
        return
    upper, lower = _lip(look, -5 * look.open), _lip(look, 19 * look.open)
    canvas.fill([*upper, *reversed(lower)], _MOUTH)
    if look.smile > 0.3:
        edges = _lip(look, -4 * look.open, share=0.86), _lip(look, 7 * look.open, share=0.86)
        canvas.fill([*edges[0], *reversed(edges[1])], _TEETH)
    for line in (upper, lower):
        canvas.stroke(line, _LIP, 4.0)


def _lip(look: Look, drop: float, *, share: float = 1.0) -> list[tuple[float, float]]:
    """Return a line from corner to corner that hangs through by `drop` in its middle."""
    return [
        (
            _MIDDLE + 24 * look.width * share * t,
            199 + look.smile * (4 - 11 * (share * t) ** 2) + drop * (1 - t * t),
        )
        for t in np.linspace(-1, 1, 25)
    ]
