"""The demo's clip: a photograph and a drawn face, of which one comes and goes and one changes."""

import itertools
import math
import time
from collections.abc import Generator
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.pictures import decode_colour
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Colour, ColourImage, Frame
from fer_edge.sources.capture import Picture, picture_now, to_frame, to_grey
from fer_edge.sources.drawn_face import LOOKS, draw_face
from fer_edge.sources.newest import NewestFrameReader

WIDTH: Final = 640
HEIGHT: Final = 480
FRAMES_PER_SECOND: Final = 30
SHOWN: Final = (
    (0.0, "neutral"), (2.2, "happy"), (4.4, "surprise"), (6.4, "angry"), (8.2, "neutral"),
)  # fmt: skip
"""From which second on the drawn face has which look."""
SECONDS: Final = 10.0
FRAMES: Final = round(SECONDS * FRAMES_PER_SECOND)
ABSENT_SECONDS: Final = (4.0, 5.2)
"""When the portrait is out of sight: to the right of the picture."""

_TURN_SECONDS: Final = 0.3
_SLIDE_SECONDS: Final = 0.7
_FACE_LEFT: Final = 25
_PORTRAIT: Final = "assets/portrait.jpg"
_CUT: Final = np.s_[:380, 70:370]  # head and shoulders
_PORTRAIT_SIZE: Final = (348, 441)
_PORTRAIT_LEFT: Final = 285
_SOFT_EDGE: Final = 40  # pixels over which the portrait fades into the wall
_WALL: Final = 150


class DemoClip(Closing):
    """Ten seconds at 30 frames a second, in colour, made as they are read.

    On the left a drawn face changes its look. On the right the portrait (NASA, public domain)
    leaves, and comes back.
    """

    def __init__(self) -> None:
        data = files("fer_edge").joinpath(_PORTRAIT).read_bytes()
        portrait = decode_colour(data, where=_PORTRAIT)[_CUT]
        self._portrait = cv2.resize(portrait, _PORTRAIT_SIZE, interpolation=cv2.INTER_AREA)
        self._opacity = _opacity()
        self._next = 0

    @property
    def live(self) -> bool:
        """Always false: frames are made when asked for."""
        return False

    def read(self, timeout_seconds: float) -> Frame | None:  # noqa: ARG002 - never stalls
        """Return the next frame; None after the last."""
        if self._next >= FRAMES:
            return None
        index, self._next = self._next, self._next + 1
        at = index / FRAMES_PER_SECOND
        return to_frame(self.picture(at), index=index, clip_seconds=at)

    def picture(self, at: float) -> Picture:
        """Return what is seen at a time of the clip, in seconds."""
        drawn = self._draw(at)
        return picture_now(to_grey(drawn), Colour(lambda: drawn))

    def close(self) -> None:
        """End the clip; may be called twice."""
        self._next = FRAMES

    def _draw(self, at: float) -> ColourImage:
        canvas = np.full((HEIGHT, WIDTH, 3), _WALL, np.uint8)
        face = _face(at)
        height, width = face.shape[:2]
        left = _FACE_LEFT + round(8 * math.sin(1.7 * at))
        top = HEIGHT - height + round(4 + 4 * math.sin(2.9 * at))
        canvas[top:, left : left + width] = face[: HEIGHT - top]
        self._add_portrait(canvas, at)
        return canvas

    def _add_portrait(self, canvas: ColourImage, at: float) -> None:
        width, height = _PORTRAIT_SIZE
        left = _PORTRAIT_LEFT + round(_away(at) * (WIDTH - _PORTRAIT_LEFT) + 6 * math.sin(2.1 * at))
        top = HEIGHT - height + round(5 + 5 * math.sin(2.3 * at))
        last = min(WIDTH, left + width)
        if left >= WIDTH:
            return
        cut = np.s_[: HEIGHT - top, : last - left]
        behind = canvas[top:, left:last]
        mixed = self._opacity[cut][..., None] * (self._portrait[cut] - behind.astype(np.float32))
        canvas[top:, left:last] = behind + mixed


class DemoCamera(NewestFrameReader):
    """The clip over and over, at its own pace: a camera for whoever has none at hand."""

    def __init__(self) -> None:
        super().__init__(_endless, name="the demo's clip", open_timeout_seconds=8.0)


def _endless() -> Generator[Picture, None, None]:
    clip, begun = DemoClip(), time.monotonic()
    for number in itertools.count():
        late = time.monotonic() - begun - number / FRAMES_PER_SECOND
        if late > 1 / FRAMES_PER_SECOND:
            continue
        time.sleep(max(0.0, -late))
        yield clip.picture(number % FRAMES / FRAMES_PER_SECOND)


@cache
def _look(name: str) -> ColourImage:
    face = draw_face(LOOKS[name])
    size = (round(1.1 * face.shape[1]), round(1.1 * face.shape[0]))
    return cv2.resize(face, size, interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)


def _face(at: float) -> ColourImage:
    """Return the drawn face, half one look and half the next while it changes."""
    place = max(i for i, (begin, _) in enumerate(SHOWN) if begin <= at)
    begin, name = SHOWN[place]
    share = (at - begin) / _TURN_SECONDS
    if place == 0 or share >= 1:
        return _look(name)
    before = _look(SHOWN[place - 1][1])
    mixed = cv2.addWeighted(_look(name), share, before, 1 - share, 0)
    return mixed.astype(np.uint8, copy=False)


def _away(at: float) -> float:
    """Return how far the portrait is out of the picture, 0 to 1."""
    begin, end = ABSENT_SECONDS
    outside = max(begin - at, at - end, 0.0)
    return max(0.0, 1 - outside / _SLIDE_SECONDS)


def _opacity() -> NDArray[np.float32]:
    """Return the portrait's opacity, 0 at its left, right and upper edge to 1 inside."""
    width, height = _PORTRAIT_SIZE
    across = np.clip(np.arange(width) / _SOFT_EDGE, 0, 1)
    down = np.clip(np.arange(height) / _SOFT_EDGE, 0, 1)
    return np.outer(down, np.minimum(across, across[::-1])).astype(np.float32)
