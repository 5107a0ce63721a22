"""Silence for a moment: a library prints nothing, and TFLite does while it loads a model."""

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Final

_TURN: Final = threading.RLock()
"""Standard error is the process's: who silenced what another has silenced would give back that."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Send what native libraries print on standard error to nowhere, while a model is loaded.

    Threads that load at once take turns.
    """
    with _TURN:
        try:
            kept = os.dup(2)
        except OSError:  # there is none
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)
