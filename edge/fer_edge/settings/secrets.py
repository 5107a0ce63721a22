"""Secrets: from a file, the environment or a systemd credential, never from a flag."""

import os
import stat
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.named_files import read_named

_MOST_BYTES: Final = 64 * 1024
_OF_SERVICES: Final = "/run/credentials/"


def read_secret(name: str, *, file: str = "") -> str:
    """Return a secret, or "" where there is none.

    Looked for in `file`, in the environment as FER_EDGE_SECRET_NAME, and in the folder of
    systemd's credentials under `name`, in this order.

    Args:
        name: Such as "mqtt-password".
        file: Named by the settings; must be readable where it is given.

    Raises:
        SettingsError: A file that is named cannot be read, or is no text.
    """
    if file:
        return _read(Path(credential_path(file)), name)
    variable = "FER_EDGE_SECRET_" + name.upper().replace("-", "_")
    if variable in os.environ:
        return os.environ[variable]
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and (path := Path(folder) / name).exists():
        return _read(path, name)
    return ""


def credential_path(path: str) -> str:
    """Return where a file lies that settings name as one of the running service's credentials.

    /run/credentials/fer-edge.service/NAME is there only while the service runs; whoever checks its
    settings has the same in a folder of their own.
    """
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and path.startswith(_OF_SERVICES) and not os.path.lexists(path):
        return str(Path(folder) / Path(path).name)
    return path


def is_open_to_others(path: Path) -> bool:
    """Return whether everybody on this machine may read or change a file."""
    try:
        lies_in = path.resolve(strict=True).parents
        return bool(path.stat().st_mode & 0o006) and all(
            folder.stat().st_mode & stat.S_IXOTH for folder in lies_in
        )
    except OSError:  # who reads it says what is wrong
        return False


def _read(path: Path, name: str) -> str:
    try:
        return read_named(path, most_bytes=_MOST_BYTES).decode("utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(
            f"the secret {name} cannot be read from {path} ({why})",
            expected="a readable text file",
            fix="check its path and who may read it",
        ) from error
