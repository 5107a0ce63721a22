"""Where the picture changed: a face cannot enter where nothing does."""

from collections.abc import Sequence
from typing import Final, NamedTuple, cast

import numpy as np

from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import Box, GreyImage

_SIDE_PX: Final = 80  # the picture is sampled to this longer side
_CHANGED: Final = 12  # grey levels; above what is left of noise in the mean of nine samples
_SPECK: Final = np.ones((2, 2), np.uint8)  # changes that do not hold this are noise
_CUT_LEVELS: Final = 18.0  # mean change of the whole picture that makes it another scene
_CUT_SHARE: Final = 0.45  # and the share of the picture that changed


class Motion(NamedTuple):
    """How a frame differs from the one before it.

    Attributes:
        cut: It shows something else altogether.
        share: Part of the picture that changed, 0 to 1.
    """

    cut: bool
    share: float


class MotionMap:
    """Compares each frame with the last, and remembers what changed for each who asks.

    It samples single pixels, so it costs the same for every size of frame.

    Args:
        askers: How many ask for changed regions, each on its own.
    """

    def __init__(self, askers: int) -> None:
        self._last: GreyImage | None = None
        self._changed: list[GreyImage] = []
        self._askers = askers
        self._shape = (1, 1)

    def update(self, grey: GreyImage) -> Motion:
        """Take the next frame (uint8, (H, W)); the first one counts as a cut."""
        height, width = grey.shape
        factor = min(1.0, _SIDE_PX / max(height, width))
        size = max(1, round(width * factor)), max(1, round(height * factor))
        samples = cv2.resize(grey, size, interpolation=cv2.INTER_NEAREST)
        sampled = cast("GreyImage", cv2.blur(samples, (3, 3)))
        last, self._last = self._last, sampled
        if last is None or self._shape != grey.shape:
            self._shape = grey.shape
            self._changed = [np.full_like(sampled, 255) for _ in range(self._askers)]
            return Motion(True, 1.0)
        difference = cv2.absdiff(sampled, last)
        _, changed = cv2.threshold(difference, _CHANGED, 255, cv2.THRESH_BINARY)
        share = cv2.countNonZero(changed) / changed.size
        cut = share > _CUT_SHARE and cv2.mean(difference)[0] > _CUT_LEVELS
        for seen in self._changed:
            if cut:
                seen[:] = 255
            else:
                cv2.bitwise_or(seen, changed, dst=seen)
        return Motion(cut, share)

    def changed_region(self, asker: int, *, except_in: Sequence[Box] = ()) -> Box | None:
        """Return a rectangle around all that changed since this asker's last call.

        Args:
            asker: Who asks, counted from 0.
            except_in: Parts of the frame in which changes do not count.

        Returns:
            In pixels of the frame, the whole of it after a cut; None where nothing changed.
        """
        seen = self._changed[asker]
        rows, columns = seen.shape
        across, down = self._shape[1] / columns, self._shape[0] / rows
        for box in except_in:
            left, top = max(0, int(box.x / across)), max(0, int(box.y / down))
            right, bottom = (box.x + box.width) / across, (box.y + box.height) / down
            seen[top : max(0, int(bottom) + 1), left : max(0, int(right) + 1)] = 0
        x, y, width, height = cv2.boundingRect(cv2.erode(seen, _SPECK))
        seen[:] = 0
        if not width:
            return None
        return Box(round(x * across), round(y * down), round(width * across), round(height * down))
