"""Secrets: from a file, the environment or a systemd credential, never from a flag."""

import os
from pathlib import Path

from fer_edge.shared.errors import SettingsError

_MOST_BYTES = 64 * 1024


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
        return _read(Path(file), name)
    variable = "FER_EDGE_SECRET_" + name.upper().replace("-", "_")
    if variable in os.environ:
        return os.environ[variable]
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder and (path := Path(folder) / name).exists():
        return _read(path, name)
    return ""


def _read(path: Path, name: str) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES} bytes")  # noqa: TRY301 - joins the others
        return data.decode("utf-8").strip("\r\n")
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"the secret {name} cannot be read from {path} ({error})",
            expected="a readable text file",
            fix="check its path and who may read it",
        ) from error
