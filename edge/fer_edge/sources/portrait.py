"""A clip made of the portrait that ships: a face that moves, leaves and returns."""

import math
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.pictures import decode_grey
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Frame, GreyImage
from fer_edge.sources.capture import picture_now, to_frame

FRAMES: Final = 120
WIDTH: Final = 640
HEIGHT: Final = 480
_CUT: Final = np.s_[:380, 70:370]  # head and shoulders
_PORTRAIT_WIDTH: Final = 360
_PORTRAIT_HEIGHT: Final = 456
_SOFT_EDGE: Final = 60  # pixels over which the portrait fades into the wall
_ASSET: Final = "assets/portrait.jpg"


class PortraitClip(Closing):
    """Four seconds at 30 frames a second, made as they are read.

    The portrait (NASA, public domain) sways in front of a plain wall, slides out to the right,
    stays away for half a second and comes back.

    Args:
        frames: Length of the clip.
    """

    def __init__(self, *, frames: int = FRAMES) -> None:
        data = files("fer_edge").joinpath(_ASSET).read_bytes()
        portrait = decode_grey(data, where=_ASSET)[_CUT]
        size = (_PORTRAIT_WIDTH, _PORTRAIT_HEIGHT)
        # The EXACT variant gives the same bytes on every processor.
        self._portrait = cv2.resize(portrait, size, interpolation=cv2.INTER_LINEAR_EXACT)
        self._opacity = _opacity()
        self._wall = _wall()
        self._frames = frames
        self._next = 0

    @property
    def live(self) -> bool:
        """Always false: frames are made when asked for."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:  # noqa: ARG002 - never stalls
        """Return the next frame; None after the last."""
        if self._next >= self._frames:
            return None
        index, self._next = self._next, self._next + 1
        grey = self._draw(index / self._frames)
        return to_frame(picture_now(grey), index=index)

    def close(self) -> None:
        """End the clip; may be called twice."""
        self._next = self._frames

    def _draw(self, phase: float) -> GreyImage:
        """Draw the picture at a phase of the clip from 0 to 1."""
        canvas = self._wall.copy()
        left = round((WIDTH - _PORTRAIT_WIDTH) / 2 + _offset(phase))
        top = round(HEIGHT - _PORTRAIT_HEIGHT + 10 + 10 * math.sin(4 * math.tau * phase))
        first, last = max(0, left), min(WIDTH, left + _PORTRAIT_WIDTH)
        if first < last:
            cut = np.s_[: HEIGHT - top, first - left : last - left]
            behind = canvas[top:, first:last]
            mixed = self._opacity[cut] * (self._portrait[cut] - behind.astype(np.float32))
            canvas[top:, first:last] = behind + mixed
        return canvas


def _offset(phase: float) -> float:
    """Return how far right of the middle the portrait is, in pixels."""
    away = WIDTH / 2 + _PORTRAIT_WIDTH / 2
    if phase < 0.4:
        return 60 * math.sin(math.tau * phase / 0.4)
    if phase < 0.6:
        return away * (phase - 0.4) / 0.2
    if phase < 0.72:
        return away
    return away * max(0.0, 1 - (phase - 0.72) / 0.16)


def _opacity() -> NDArray[np.float32]:
    """Return the portrait's opacity, 0 at its left, right and upper edge to 1 inside."""
    down, across = (
        np.clip(np.arange(length) / _SOFT_EDGE, 0, 1)
        for length in (_PORTRAIT_HEIGHT, _PORTRAIT_WIDTH)
    )
    return np.outer(down, np.minimum(across, across[::-1])).astype(np.float32)


def _wall() -> GreyImage:
    """Return a plain wall, lighter towards the top."""
    column = np.linspace(165, 120, HEIGHT).astype(np.uint8)
    return np.repeat(column[:, None], WIDTH, axis=1)
