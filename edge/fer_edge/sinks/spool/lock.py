"""One process for each spool."""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError

_PASSING: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO})
"""Errors of a disk that is full or fails: no reason not to start."""


class SpoolLock(Closing):
    """Keeps other processes from the same spool.

    Args:
        path: Of the spool; the lock is a file beside it.

    Raises:
        OutputError: Another process has it, or the folder cannot be written by this user.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(f"{path}.lock", flags, 0o600)
        except OSError as error:
            if error.errno in _PASSING:
                return
            raise OutputError(
                f"the spool {path} cannot be made ({error.strerror})",
                expected="a folder that this user may write",
                fix="name another file as events.spool, or make its folder writable",
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise OutputError(
                f"the spool {path} is used by another process",
                expected="one fer-edge for each spool",
                fix="stop the other one (`systemctl stop fer-edge`), or set events.spool",
            ) from error

    def close(self) -> None:
        """Let others have it; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
