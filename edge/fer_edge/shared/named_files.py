"""Files that settings name: whatever stands there, opening one never waits."""

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO, Final

_OPEN: Final = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_KINDS: Final = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
    stat.S_IFBLK: "a disk",
}


def kind_of(mode: int) -> str:
    """Return what stands there where that is no file; "" for files and devices like /dev/null."""
    return _KINDS.get(stat.S_IFMT(mode), "")


def open_named(path: Path) -> BinaryIO:
    """Open a file to read it.

    Raises:
        OSError: It cannot be opened, or is a pipe, a socket, a folder or a disk.
        ValueError: No file can have this name.
    """
    handle = os.open(path, _OPEN)
    what = kind_of(os.fstat(handle).st_mode)
    if what:
        os.close(handle)
        raise OSError(errno.EINVAL, f"it is {what}, not a file", str(path))
    return os.fdopen(handle, "rb")


def read_named(path: Path, *, most_bytes: int) -> bytes:
    """Read a file.

    Raises:
        OSError: As `open_named` says.
        ValueError: No file can have this name, or it holds more than `most_bytes`.
    """
    with open_named(path) as file:
        data = file.read(most_bytes + 1)
    if data is None:  # a terminal at which nobody types
        raise BlockingIOError(errno.EAGAIN, "nothing comes from it", str(path))
    if len(data) > most_bytes:
        raise ValueError(f"it holds more than {most_bytes:,} bytes")
    return data


def require_file(path: Path) -> None:
    """Find out that a file can be read, for what opens it by its name.

    Raises:
        OSError: As `open_named` says.
        ValueError: As `open_named` says.
    """
    open_named(path).close()
