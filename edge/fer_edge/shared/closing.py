"""Things that are closed: one context manager for all of them, and threads that cannot be."""

import threading
import weakref
from types import TracebackType
from typing import Final, Self

_NATIVE: Final[weakref.WeakSet[threading.Thread]] = weakref.WeakSet()


def note_native(thread: threading.Thread) -> None:
    """Note that a thread may be inside a driver, which no one can end, when the program ends."""
    _NATIVE.add(thread)


def is_native_left(*, timeout_seconds: float) -> bool:
    """Return whether such a thread still runs after this time.

    The interpreter must not end then: where the driver returns into an interpreter that is being
    taken apart, Python up to 3.13 aborts the process.
    """
    for thread in list(_NATIVE):
        thread.join(timeout_seconds)
    return any(thread.is_alive() for thread in _NATIVE)


class Closing:
    """A context manager that closes itself; `close` may be called twice."""

    def close(self) -> None:
        """Release what is held; may be called twice."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        """Return the object itself; it is open since its construction."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()
