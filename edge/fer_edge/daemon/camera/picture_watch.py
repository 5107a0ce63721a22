"""Whether pictures come from a sensor that sees: a frozen and a black picture are faults."""

from typing import Final, Literal, TypeAlias

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import GreyImage

Verdict: TypeAlias = Literal["good", "doubtful", "failed"]

_FROZEN: Final = "the picture is frozen"
_BLACK: Final = "the picture is black"
_EACH_ROW: Final = 8  # of so many is looked at: less than the height of a clock's digits
_BRIGHTNESS_SECONDS: Final = 0.5  # between two looks at the brightness
_BLACK_LEVEL: Final = 32  # video's black is 16
_UNIFORM_LEVELS: Final = 3  # between the darkest and the brightest pixel; noise has more
_DARK_LEVEL: Final = 40.0  # of 255, the mean; faces are hardly found below


class PictureWatch:
    """Looks at every eighth row of each picture, which takes microseconds.

    A sensor has noise: no two pictures of it are the same. One that stays the same to the last
    bit for a while is frozen in the camera, and one that is uniformly black for a while is none.
    A dark room is neither: its pictures have noise.

    Args:
        frozen_seconds: How long the same picture may come; 0 never looks for that.
        black_seconds: The same for a black one.
        doubt_seconds: The same for both after either was found: a camera that is opened again
            has to show sooner that it sees.

    Attributes:
        problem: What is wrong with the pictures, in a few words; "" where nothing is.
        dark: Whether they are dark.
    """

    def __init__(
        self, *, frozen_seconds: float, black_seconds: float, doubt_seconds: float = 5.0
    ) -> None:
        self.problem = ""
        self.dark = False
        self._frozen_seconds = frozen_seconds
        self._black_seconds = black_seconds
        self._doubt_seconds = doubt_seconds
        self._rows: GreyImage | None = None
        self._moved_at = self._lit_at = 0.0
        self._brightness_due = 0.0
        self._black = False

    def look(self, grey: GreyImage, now: float) -> Verdict:
        """Take the next picture.

        Args:
            grey: uint8, (H, W); not kept.
            now: Seconds, monotonic.

        Returns:
            "failed" where the camera is to be opened again; "doubtful" where it was, and has
            not yet shown that this helped.
        """
        rows, last = grey[::_EACH_ROW], self._rows
        moved = last is not None and not np.array_equal(rows, last)
        if moved or last is None:
            self._rows = rows.copy()
            self._moved_at = now
        if last is None or now >= self._brightness_due:
            self._see_brightness(rows, now)
        if last is None or not self._black:
            self._lit_at = now
        if found := self._judge(now):
            self.problem = found
            return "failed"
        if (moved or not self._frozen_seconds) and not self._black:
            self.problem = ""
        return "doubtful" if self.problem else "good"

    def start_anew(self) -> None:
        """Take in that the camera was opened again; a problem stays until pictures refute it."""
        self._rows = None

    def _see_brightness(self, rows: GreyImage, now: float) -> None:
        self._brightness_due = now + _BRIGHTNESS_SECONDS
        darkest, brightest, _, _ = cv2.minMaxLoc(rows)
        uniform = brightest - darkest <= _UNIFORM_LEVELS
        self._black = bool(self._black_seconds) and uniform and brightest <= _BLACK_LEVEL
        self.dark = cv2.mean(rows)[0] < _DARK_LEVEL

    def _judge(self, now: float) -> str:
        if self._is_over(now - self._lit_at, self._black_seconds):
            return _BLACK
        if self._is_over(now - self._moved_at, self._frozen_seconds):
            return _BLACK if self._black else _FROZEN
        return ""

    def _is_over(self, seconds: float, limit: float) -> bool:
        if self.problem:
            limit = min(limit, self._doubt_seconds)
        return bool(limit) and seconds >= limit
