"""Wishes that switch the device, as seldom as a device may be switched."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from fer_edge.pipeline.backoff import Backoff
from fer_edge.state.controls import Controls

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 30.0
_QUICK: Final = 4
"""Switches that may follow one another at once."""
_CALM_SECONDS: Final = 3.0
"""After which the next switch counts as the first."""
_NEVER: Final = float("inf")

_log = logging.getLogger(__name__)


class Switch:
    """Does what the last command wanted, at once or after a pause that grows with each haste.

    A broker or a page that toggles a hundred times a second would otherwise open and close the
    camera as often, and fill the log. Whoever switches slowly notices nothing.

    Args:
        controls: What is switched.
        by: Who wants it, for the log.
        clock: Monotonic, in seconds.
    """

    def __init__(
        self,
        controls: Controls,
        *,
        by: str = "a message",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._controls = controls
        self._by = by
        self._clock = clock
        self._lock = threading.Lock()
        self._wanted: bool | None = None
        self._pauses = Backoff(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        self._quick = 0
        self._free_at = 0.0
        self._calm_at = 0.0

    def want(self, enabled: bool) -> None:
        """Take a command; the one before it counts no more."""
        self._wanted = enabled
        self.turn()

    def turn(self) -> None:
        """Do what is wanted, if it is time to; to be called every now and then."""
        with self._lock:
            now = self._clock()
            wanted = self._wanted
            if wanted is None or now < self._free_at:
                return
            self._wanted = None
            if wanted != self._controls.enabled:
                self._do(wanted, now)

    def patience(self) -> float:
        """Return for how many seconds `turn` has nothing to do."""
        return _NEVER if self._wanted is None else max(0.0, self._free_at - self._clock())

    def _do(self, wanted: bool, now: float) -> None:
        _log.info("switched %s by %s", "on" if wanted else "off", self._by)
        self._controls.enabled = wanted
        if now >= self._calm_at:
            self._quick = 0
            self._pauses.reset()
        self._quick += 1
        pause = self._pauses.pause() if self._quick >= _QUICK else 0.0
        self._free_at, self._calm_at = now + pause, now + max(3 * pause, _CALM_SECONDS)
