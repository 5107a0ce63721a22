"""To be, for a while, what systemd makes of the service: its secrets, its user."""

import os
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import SettingsError

_STORES: Final = ("/etc/credstore", "/run/credstore", "/usr/lib/credstore")
_ENCRYPTED: Final = "/etc/credstore.encrypted"
_UNIT: Final = "fer-edge."
_STATE: Final = "/var/lib/fer-edge"
_DECRYPT_SECONDS: Final = 30.0


@contextmanager
def as_service(user: str) -> Iterator[None]:
    """Offer root, who may read them, the secrets that systemd would hand to the service.

    Args:
        user: Whose rights to give all others up for, for good; "" keeps them.

    Raises:
        SettingsError: There is no such user, only root could become it, or an encrypted secret
            cannot be read.
    """
    with ExitStack() as undo:
        if os.geteuid() == 0 and "CREDENTIALS_DIRECTORY" not in os.environ:
            folder = undo.enter_context(tempfile.TemporaryDirectory(prefix="fer-edge-check-"))
            for name, secret in _stored_secrets():
                (Path(folder) / name).write_bytes(secret)
            if user:
                _give(Path(folder), user)
            os.environ["CREDENTIALS_DIRECTORY"] = folder
            undo.callback(os.environ.pop, "CREDENTIALS_DIRECTORY")
        if user:
            _become(user)
        yield


def _stored_secrets() -> Iterator[tuple[str, bytes]]:
    for path in sorted(Path(_ENCRYPTED).glob(f"{_UNIT}*")):
        name = path.name.removeprefix(_UNIT)
        command = ["systemd-creds", "decrypt", f"--name={name}", str(path), "-"]
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_DECRYPT_SECONDS, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise SettingsError(
                f"the secret {path} cannot be decrypted ({error})",
                expected="a credential that systemd-creds has encrypted on this machine",
                fix="encrypt it anew",
            ) from error
        yield name, done.stdout
    for store in reversed(_STORES):  # systemd takes the first that has it
        for path in sorted(Path(store).glob(f"{_UNIT}*")):
            if path.is_file():
                yield path.name.removeprefix(_UNIT), path.read_bytes()


def _account(user: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise SettingsError(
            f"there is no user {user!r} on this machine",
            expected="the one that the daemon runs as",
            fix="give another one as --user",
        ) from None


def _give(folder: Path, user: str) -> None:
    account = _account(user)
    for path in (folder, *folder.iterdir()):
        os.chown(path, account.pw_uid, account.pw_gid)


def _become(user: str) -> None:
    account = _account(user)
    try:
        os.initgroups(user, account.pw_gid)
        os.setgid(account.pw_gid)
        os.setuid(account.pw_uid)
    except PermissionError as error:
        raise SettingsError(
            f"only root can check as {user}", expected="root", fix="run it with sudo"
        ) from error
    os.environ["HOME"] = account.pw_dir
    os.environ.setdefault("STATE_DIRECTORY", _STATE)
