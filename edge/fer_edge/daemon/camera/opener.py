"""Opening and closing a source without waiting for it."""

import gc
import logging
import threading
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from fer_edge.pipeline.protocols import Source
from fer_edge.shared.errors import FerError

Opening: TypeAlias = Callable[[], Source]
"""Opens a source; may take as long as it may."""

_CLOSE_SECONDS: Final = 0.4

_log = logging.getLogger(__name__)


class Opener:
    """Opens and closes on a thread of its own, one after the other.

    A device can be held only once, so what is to be closed is closed before the next attempt.
    What is opened after nobody wants it any more is closed at once.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._opening: Opening | None = None
        self._due = 0.0
        self._under_way: Opening | None = None
        self._opened: Source | None = None
        self._error: Exception | None = None
        self._unwanted: list[Source] = []
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="camera opener", daemon=True)
        self._thread.start()

    @property
    def attempting(self) -> bool:
        """Whether a source is being opened right now."""
        return self._under_way is not None

    def open(self, opening: Opening, *, after_seconds: float = 0.0) -> None:
        """Open a source, after a pause; `take` gives it."""
        with self._changed:
            self._forget()
            self._opening = opening
            self._due = time.monotonic() + after_seconds
            self._changed.notify_all()

    def take(self, timeout_seconds: float) -> Source | None:
        """Return the source that was opened; None where that has not happened in this time.

        Raises:
            Exception: It cannot be opened.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._opened or self._error, timeout_seconds)
            error, self._error = self._error, None
            source, self._opened = self._opened, None
            if error is not None:
                raise error
            return source

    def close(self, source: Source | None = None) -> None:
        """Open nothing more, until asked again, and close a source."""
        with self._changed:
            self._forget()
            if source is not None:
                self._unwanted.append(source)
            self._changed.notify_all()

    def end(self) -> None:
        """End the thread; may be called twice.

        Returns soon: an attempt under way is left behind, and so is a driver that is stuck.
        """
        with self._changed:
            attempting = self.attempting
            self._forget()
            self._ended = True
            self._changed.notify_all()
        if not attempting:
            self._thread.join(_CLOSE_SECONDS)

    def _forget(self) -> None:
        """Drop what is open, under way or has failed; the lock is held."""
        self._opening = self._under_way = self._error = None
        if self._opened is not None:
            self._unwanted.append(self._opened)
            self._opened = None

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._has_work():
                    self._changed.wait(self._pause())
                unwanted, self._unwanted = self._unwanted, []
                opening = None if unwanted or not self._is_due() else self._opening
                self._under_way = opening
                if self._ended and not unwanted:
                    return
            if unwanted:
                _close_all(unwanted)
            if opening is not None:
                self._attempt(opening)

    def _has_work(self) -> bool:
        return bool(self._ended or self._unwanted or self._is_due())

    def _is_due(self) -> bool:
        return self._opening is not None and time.monotonic() >= self._due

    def _pause(self) -> float | None:
        """Return the seconds until something is to be done of itself; the lock is held."""
        return None if self._opening is None else max(0.0, self._due - time.monotonic())

    def _attempt(self, opening: Opening) -> None:
        source: Source | None = None
        error: Exception | None = None
        try:
            source = opening()
        except Exception as caught:  # noqa: BLE001 - raised again where it is waited for
            error = caught
        with self._changed:
            wanted = self._under_way is opening
            if wanted:
                self._opening = self._under_way = None
                self._opened, self._error = source, error
                self._changed.notify_all()
            elif source is not None:
                self._unwanted.append(source)


def _close_all(sources: list[Source]) -> None:
    """Close sources and let go of them."""
    while sources:
        _close(sources.pop())
    # What they leave in cycles would wait for thousands of reopenings, and look like a leak.
    gc.collect()


def _close(source: Source) -> None:
    try:
        source.close()
    except (FerError, OSError) as error:
        _log.warning("the camera was not closed cleanly (%s)", error)
