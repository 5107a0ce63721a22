"""Threads of ours that have died of a defect: a state that is told, and not silence."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_MOST: Final = 8

_log = logging.getLogger(__name__)
_died: list[str] = []


def dead_threads() -> tuple[str, ...]:
    """Return the names of threads that have died, each once, since somebody watches."""
    return tuple(_died)


@contextmanager
def watching_threads() -> Iterator[None]:
    """Log and remember each thread that dies of an exception, from here on."""
    before = threading.excepthook

    def note(died: threading.ExceptHookArgs) -> None:
        if died.exc_type is SystemExit:
            return
        name = "unknown" if died.thread is None else died.thread.name
        _log.error(
            "the thread %s has died of %s: %s; this is a defect, and what it did stays undone",
            name, died.exc_type.__name__, died.exc_value, exc_info=died.exc_value,
        )  # fmt: skip
        if name not in _died and len(_died) < _MOST:
            _died.append(name)

    _died.clear()
    threading.excepthook = note
    try:
        yield
    finally:
        threading.excepthook = before
