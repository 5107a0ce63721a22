"""One process at a time in a folder that is written over hours."""

import contextlib
import errno
import fcntl
import getpass
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import OutputError

LOCK: Final = ".in-use"
"""The file that is locked. It says by whom, and is removed at the end; a killed process leaves it
unlocked."""
_OPEN: Final = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MOST_BYTES: Final = 200


@contextlib.contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Keep a folder from other processes, on this machine and on those that share its disk.

    The folder is made where it is not there, and removed again where nothing came into it. Where
    nothing can be written, or the disk knows no locks, it is not kept: what follows will say so.

    Raises:
        OutputError: Another process has it; its number, user, machine and start are named.
    """
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
    descriptor = _lock(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                (folder / LOCK).unlink()
            os.close(descriptor)
        with contextlib.suppress(OSError):
            for path in new:
                path.rmdir()


def is_lock(path: Path) -> bool:
    """Return whether this is the file of a lock, which tells nothing of a run."""
    return path.name == LOCK


def _lock(folder: Path) -> int | None:
    path = folder / LOCK
    while True:
        descriptor = _open(path)
        if descriptor is None:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = path.stat().st_ino == os.fstat(descriptor).st_ino
        except BlockingIOError as error:
            who = _owner(descriptor)
            os.close(descriptor)
            raise OutputError(
                f"{folder} is in use by {who}",
                expected="one process at a time in it",
                fix="wait until it has ended, or choose another --out",
            ) from error
        except OSError as error:
            os.close(descriptor)
            if error.errno == errno.ENOENT:
                continue  # the one before has just removed it
            return None
        if is_ours:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, _myself().encode()[:_MOST_BYTES], 0)
            return descriptor
        os.close(descriptor)


def _open(path: Path) -> int | None:
    for flags in (os.O_RDWR | os.O_CREAT, os.O_RDONLY):  # it may be of another user
        with contextlib.suppress(OSError):
            return os.open(path, flags | _OPEN, 0o644)
    return None


def _myself() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        user = str(os.getuid())
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    return f"process {os.getpid()} of {user} on {socket.gethostname()} since {since}"


def _owner(descriptor: int) -> str:
    told = os.pread(descriptor, _MOST_BYTES, 0).decode(errors="replace")
    shown = "".join(letter for letter in told if letter.isprintable())
    return shown or "another process"
