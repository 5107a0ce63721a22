"""What may be asked of a running daemon, from signals and from other threads."""

import logging
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

_LOOK_SECONDS: Final = 0.05

_log = logging.getLogger(__name__)


class CalibrationNote(NamedTuple):
    """How a calibration goes that was asked for.

    Attributes:
        phase: "running", "done", "refused"; "" where none was asked for.
        text: What to do, how steady it was, or why it was refused.
    """

    phase: str = ""
    text: str = ""


class Controls:
    """Wishes that the loop looks at between two frames; safe from any thread and signal handler.

    Args:
        off_file: Is there while the device is switched off, so that it stays off when the service
            starts anew; None where nothing is to be remembered.
        heeded: Whether it counts; where nobody could switch the device on it goes instead.

    Attributes:
        stopping: Whether the run is to end.
        interrupted: Whether that is because of Ctrl-C.
        calibration: How the last calibration goes; another object at each step.
    """

    def __init__(self, off_file: Path | None = None, *, heeded: bool = True) -> None:
        self._off_file = off_file
        # Flags and no event: a signal handler interrupts the very loop that may hold its lock.
        self.stopping = self.interrupted = self._reload = False
        self._enabled = True
        if off_file is not None and off_file.exists():
            self.enabled = not heeded
            if heeded:
                _log.info("switched off before this start: %s is there", off_file)
        self.calibration = CalibrationNote()
        self._calibrate: float | str | None = None

    @property
    def enabled(self) -> bool:
        """Whether anything is to be looked at; the camera is released while it is not.

        What is set is remembered in the file, where there is one.
        """
        return self._enabled

    @enabled.setter
    def enabled(self, on: bool) -> None:
        self._enabled = on
        if self._off_file is None:
            return
        try:
            if on:
                self._off_file.unlink(missing_ok=True)
            else:
                self._off_file.touch()
        except OSError as error:
            _log.warning(
                "%s cannot be %s (%s): after a restart the device is as it was before",
                self._off_file, "removed" if on else "written", error.strerror,
            )  # fmt: skip

    def stop(self) -> None:
        """End after the current frame."""
        self.stopping = True

    def interrupt(self) -> None:
        """End after the current frame, because somebody at the prompt wants it."""
        self.interrupted = self.stopping = True

    def reload(self) -> None:
        """Read the settings anew before the next frame."""
        self._reload = True

    def calibrate(self, seconds: float) -> None:
        """Look at the face before the camera for so long, and take that for its rest."""
        self._calibrate = seconds

    def take_participant(self, name: str) -> None:
        """Take all faces for this participant's from now on."""
        self._calibrate = name

    def take_calibration(self) -> float | str | None:
        """Return seconds or a participant's name, once for each wish; None where there is none."""
        wish, self._calibrate = self._calibrate, None
        return wish

    def take_reload(self) -> bool:
        """Return whether settings are to be read anew, once for each wish."""
        if not self._reload:
            return False
        self._reload = False  # in two steps: a wish in between is fulfilled with this one
        return True

    def wait(self, seconds: float) -> None:
        """Sleep, but not beyond a new wish."""
        deadline = time.monotonic() + seconds
        enabled = self.enabled
        while not (self.stopping or self._reload or self.enabled is not enabled):
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, _LOOK_SECONDS))


@contextmanager
def obey_signals(
    *,
    stop: Callable[[], None],
    interrupt: Callable[[], None] | None = None,
    reload: Callable[[], None] | None = None,
) -> Iterator[None]:
    """Let SIGINT and SIGTERM stop, and SIGHUP reload where that is wanted.

    A second SIGINT or SIGTERM acts as if nobody had caught the first.

    Args:
        stop: Called once, between any two steps of the program.
        interrupt: Called for SIGINT instead of `stop`.
        reload: Likewise, at each SIGHUP; if not given, SIGHUP is not caught.
    """
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if reload else [])]
    previous = {number: signal.getsignal(number) for number in numbers}

    def obey(number: int, _frame: FrameType | None) -> None:
        if reload and number == signal.SIGHUP:
            reload()
            return
        if number == signal.SIGINT and interrupt is not None:
            interrupt()
        else:
            stop()
        signal.signal(number, previous[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, obey)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
