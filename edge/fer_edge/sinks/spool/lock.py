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
            raise _unmakable(path, error.strerror) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.close()
            raise OutputError(
                f"the spool {path} is used by another process",
                expected="one fer-edge for each spool",
                fix="give this one a name of its own as --name, set events.spool, or stop the "
                "other one (`systemctl stop fer-edge`)",
            ) from error

    def close(self) -> None:
        """Let others have it; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def try_spool(path: Path) -> None:
    """Find out whether a spool could be had; nothing is made that is not there.

    Raises:
        OutputError: As `SpoolLock` says.
    """
    try:
        os.lstat(f"{path}.lock")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unmakable(path, error.strerror) from error
    else:
        SpoolLock(path).close()
        return
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not nearest.is_dir():
        raise _unmakable(path, os.strerror(errno.ENOTDIR))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unmakable(path, os.strerror(errno.EACCES))


def _unmakable(path: Path, why: str | None) -> OutputError:
    return OutputError(
        f"the spool {path} cannot be made ({why})",
        expected="a folder that this user may write",
        fix="name another file as events.spool, or make its folder writable",
    )
