"""A budget of bytes written: flash memory wears out by them."""

import time
from collections.abc import Callable
from typing import Final

_DAY_SECONDS: Final = 86_400.0
_SAVED_SHARE: Final = 0.25
"""Of a day's bytes what may be saved up; the rest comes evenly, so no 24 hours exceed the day's."""


class WriteBudget:
    """Bytes that may be written, which come back over time.

    Args:
        bytes_per_day: In any 24 hours at most.
        clock: Monotonic, in seconds.

    Attributes:
        written: Bytes since the start.
    """

    def __init__(
        self, bytes_per_day: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.written = 0
        self._most = _SAVED_SHARE * bytes_per_day
        self._rate = (1 - _SAVED_SHARE) * bytes_per_day / _DAY_SECONDS
        self._clock = clock
        self._left = self._most
        self._at = clock()
        self._foreseen = 0

    @property
    def left(self) -> int:
        """Bytes that may be written now; negative after more than foreseen."""
        now = self._clock()
        self._left = min(self._left + self._rate * (now - self._at), self._most)
        self._at = now
        return int(self._left) - self._foreseen

    @left.setter
    def left(self, value: int) -> None:
        self._left = min(float(value), self._most)
        self._at = self._clock()

    def foresee(self, count: int) -> None:
        """Set bytes apart that will be written."""
        self._foreseen += count

    def spend(self, count: int) -> None:
        """Book bytes that were written, in the place of all that were foreseen."""
        self._foreseen = 0
        self.written += count
        self._left = self.left - count
