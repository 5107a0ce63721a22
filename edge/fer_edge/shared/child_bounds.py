"""Bounds that a child process sets itself before it reads what nobody vouches for."""

import contextlib
import resource
from typing import Final

_DATA_PAGES: Final = 5
"""Where Linux's `statm` tells them (proc_pid_statm(5))."""


def bound_memory(most_bytes: int) -> None:
    """Bound what is allocated from here on; a system that does not allow that has its own."""
    with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - no file
        data_pages = int(stream.read().split()[_DATA_PAGES])
    _set(resource.RLIMIT_DATA, data_pages * resource.getpagesize() + most_bytes)


def bound_child(*, most_bytes: int, seconds: int) -> None:
    """Bound memory from here on and CPU time of this process; it writes no file and leaves no core.

    Args:
        most_bytes: What may be allocated besides what is.
        seconds: Of CPU time, from the process's start on.
    """
    bound_memory(most_bytes)
    _set(resource.RLIMIT_CPU, seconds)
    _set(resource.RLIMIT_FSIZE, 0)
    _set(resource.RLIMIT_CORE, 0)


def _set(kind: int, bound: int) -> None:
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (bound, bound))
