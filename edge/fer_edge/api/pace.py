"""How many frames come a second."""

from collections import deque
from typing import Final

_REMEMBERED: Final = 30


class Pace:
    """Frames a second over the last ones."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=_REMEMBERED)

    def tick(self, now: float) -> float:
        """Take in that a frame is done; return how many come a second, 0 before the second one."""
        if self._times and now < self._times[-1]:
            self._times.clear()
        self._times.append(now)
        passed = now - self._times[0]
        return (len(self._times) - 1) / passed if passed > 0 else 0.0
