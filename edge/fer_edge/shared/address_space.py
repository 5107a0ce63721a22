"""The address space that a process may take (`ulimit -v`), and what to say where it is too little.

Native libraries map far more than they use, and crash where they may not: told before they load.
"""

import re
import resource
import sys
from typing import Final

from fer_edge.shared.errors import FerError, MemoryLimitError

EDGE_MB: Final = 640
"""What OpenCV and the TFLite runtime map, measured as 530 MB on x86-64; a tenth of it is used."""
TENSORFLOW_MB: Final = 3000
"""Of these 2,100 MB are mapped by importing it."""
_EXHAUSTED: Final = re.compile(
    r"failed to map|bad_alloc|out ?of ?memory|failed to allocate|cannot allocate|new thread", re.I
)


def require_address_space(megabytes: int, *, of: str) -> None:
    """Refuse to load libraries that would crash for want of address space.

    Args:
        megabytes: What they map, on a 64-bit system; others map less.
        of: Who they are.

    Raises:
        MemoryLimitError: This process may take less.
    """
    limit = _limit_mb()
    if limit is not None and limit < megabytes and sys.maxsize > 1 << 32:
        raise MemoryLimitError(
            f"this process may take {limit} MB of address space (ulimit -v)",
            expected=f"at least {megabytes} MB, which {of} map without using them",
            fix="raise it, or bound what is used instead, as MemoryMax= of systemd does",
        )


def exhausted(error: Exception) -> FerError | None:
    """Return what to say of an error whose cause is the limit; None where there is another one."""
    limit = _limit_mb()
    if limit is None:
        return None
    try:
        require_address_space(EDGE_MB, of="OpenCV and the TFLite runtime")
    except MemoryLimitError as too_little:
        if isinstance(error, ImportError | MemoryError | SystemError):
            return too_little
    if isinstance(error, MemoryError) or _EXHAUSTED.search(str(error)):
        return FerError(
            f"the {limit} MB of address space that this process may take (ulimit -v) are used up",
            expected="more, for what it was asked to do",
            fix="raise the limit, or ask for less",
        )
    return None


def _limit_mb() -> int | None:
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit >> 20
