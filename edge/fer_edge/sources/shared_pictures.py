"""Pictures in memory that two processes share, so that none is copied through a pipe."""

import fcntl
import math
import mmap
import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

SLOTS: Final = 4
"""Pictures at once: one that is decoded, one on its way, two that somebody looks at."""
_LARGEST_PAGE: Final = 2**16  # of the machines that Linux runs on: what an offset is a multiple of


def create(slot_bytes: int) -> int:
    """Return the descriptor of memory for `SLOTS` pictures of at most so many bytes.

    Only what is written to takes memory. Neither process can make it smaller, by which it would
    end the other.
    """
    descriptor = os.memfd_create("pictures", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(descriptor, SLOTS * _stride(slot_bytes))
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class SharedPictures:
    """The slots of such memory, as one of the two processes sees them.

    Args:
        descriptor: Of the memory; may be closed afterwards.
        slot_bytes: As it was made with.

    Raises:
        OSError: There is not enough address space.
    """

    def __init__(self, descriptor: int, slot_bytes: int) -> None:
        self._stride = _stride(slot_bytes)
        # At once: each mapping by itself would hold a descriptor of its own.
        self._mapped: mmap.mmap | None = mmap.mmap(descriptor, SLOTS * self._stride)

    def picture(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Return what a slot holds, as an array of this shape over the memory itself.

        It stays readable after `forget`, which must not have been called yet.

        Raises:
            ValueError: The shape does not fit into a slot.
        """
        size = math.prod(shape)
        if self._mapped is None or not 0 < size <= self._stride:
            raise ValueError(f"{size} bytes do not fit into a slot of {self._stride}")
        return np.ndarray(shape, np.uint8, buffer=self._mapped, offset=slot * self._stride)

    def forget(self) -> None:
        """Keep the memory only as long as somebody looks at a picture in it."""
        self._mapped = None


def _stride(slot_bytes: int) -> int:
    return -(-slot_bytes // _LARGEST_PAGE) * _LARGEST_PAGE
