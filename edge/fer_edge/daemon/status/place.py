"""Where running daemons can be asked how they do: Unix sockets in private folders."""

import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fer_edge.settings.names import check_run_name
from fer_edge.shared.errors import OutputError

PROGRAM: Final = "fer-edge"
_SYSTEM: Final = Path("/run")


def own_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for the socket of a daemon started here; it is made if need be.

    systemd's runtime directory, else the user's, else one below the folder for temporary files
    that nobody but the user may enter.

    Raises:
        OutputError: It cannot be made, or somebody else can enter it.
    """
    if given := environment.get("RUNTIME_DIRECTORY", "").partition(":")[0]:
        return Path(given)
    folder = _users_folder(environment)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made ({error.strerror})",
            expected="a folder for the status socket",
            fix="set XDG_RUNTIME_DIR to one that may be written",
        ) from error
    private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    if not private or found.st_uid != os.geteuid():
        raise OutputError(
            f"{folder} belongs to somebody else, or others may enter it",
            expected="a folder of your own with mode 0700",
            fix="remove it",
        )
    return folder


def socket_name(name: str) -> str:
    """Return the socket's file name for the name of a run; "" is the only run.

    Raises:
        SettingsError: The name holds other than letters, digits, dashes and underscores.
    """
    check_run_name(name)
    return f"status-{name}.sock" if name else "status.sock"


def run_name(socket: Path) -> str:
    """Return the name of the run that a socket belongs to."""
    return socket.stem.removeprefix("status").removeprefix("-")


def sockets(environment: Mapping[str, str] = os.environ, *, system: Path = _SYSTEM) -> list[Path]:
    """Return every socket that a daemon may be asked through: the user's own, then the system's.

    Args:
        environment: The process's.
        system: Where systemd makes runtime directories.
    """
    folders = [Path(part) for part in environment.get("RUNTIME_DIRECTORY", "").split(":") if part]
    folders += [_users_folder(environment), *sorted(system.glob(f"{PROGRAM}*"))]
    found = [path for folder in folders for path in sorted(folder.glob("status*.sock"))]
    return list(dict.fromkeys(found))


def _users_folder(environment: Mapping[str, str]) -> Path:
    if home := environment.get("XDG_RUNTIME_DIR", ""):
        return Path(home) / PROGRAM
    return Path(tempfile.gettempdir()) / f"{PROGRAM}-{os.geteuid()}"
