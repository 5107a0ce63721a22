"""What may be asked of a running daemon, from signals and from other threads."""

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType


class Controls:
    """Wishes that the loop looks at between two frames; safe from any thread and signal handler."""

    def __init__(self) -> None:
        self._stopping = self._reload = False
        self._enabled = True
        # An event's lock may be held by the very loop that a signal handler interrupts.
        self._wishes: queue.SimpleQueue[None] = queue.SimpleQueue()

    @property
    def stopping(self) -> bool:
        """Whether the run is to end."""
        return self._stopping

    @property
    def enabled(self) -> bool:
        """Whether anything is to be looked at; the camera is released while it is not."""
        return self._enabled

    @enabled.setter
    def enabled(self, value: bool) -> None:
        self._enabled = value
        self._wake()

    def stop(self) -> None:
        """End after the current frame."""
        self._stopping = True
        self._wake()

    def reload(self) -> None:
        """Read the settings anew before the next frame."""
        self._reload = True
        self._wake()

    def take_reload(self) -> bool:
        """Return whether settings are to be read anew, once for each wish."""
        wished, self._reload = self._reload, False
        return wished

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond a new wish, nor where the end is near."""
        if not self._stopping:
            with suppress(queue.Empty):
                self._wishes.get(timeout=seconds)

    def _wake(self) -> None:
        if self._wishes.empty():
            self._wishes.put(None)


@contextmanager
def obey_signals(controls: Controls) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop, and SIGHUP reload.

    A second SIGINT or SIGTERM acts as if nobody had caught the first.
    """
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.getsignal(number) for number in numbers}

    def obey(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            controls.reload()
            return
        controls.stop()
        signal.signal(number, previous[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, obey)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
