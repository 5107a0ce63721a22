"""Which models have passed their trial, so that the next start need not try them again.

The record is a small file of the user's own. It is believed only where nobody else could have
written it: folder and file belong to the user, and neither group nor others may write there.
"""

import contextlib
import hashlib
import json
import logging
import os
import platform
import stat
import sys
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Final

from fer_edge import __version__
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.strict_json import parse_json

_NAME: Final = "tried-models.json"
_MOST_BYTES: Final = 16 * 1024
_MOST_MODELS: Final = 64
_CPU_INFO: Final = Path("/proc/cpuinfo")
_CPU_FIELDS: Final = ("model name", "flags", "Features", "CPU part", "CPU implementer")
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_log = logging.getLogger(__name__)


def trial_key(model: ModelFile) -> str:
    """Return what a trial was of: the file, and all here that may change how it goes."""
    text = "\n".join((model.sha256, *_surroundings()))
    return hashlib.sha256(text.encode()).hexdigest()


class TriedModels:
    """The record in a folder.

    Args:
        folder: Of the user's own; made where it is missing. None for no record.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def own(cls) -> "TriedModels":
        """Return the record of this user: in systemd's state folder, or the user's cache."""
        given = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
        if given:
            return cls(Path(given))
        cached = os.environ.get("XDG_CACHE_HOME", "")
        try:
            return cls((Path(cached) if cached else Path.home() / ".cache") / "fer-edge")
        except RuntimeError:  # nobody's home
            return cls(None)

    def holds(self, key: str) -> bool:
        """Tell whether a trial was passed."""
        with self._opened() as folder:
            return folder is not None and key in _read(folder)

    def add(self, key: str) -> None:
        """Write down that a trial was passed; where that cannot be, the next start tries again."""
        with self._opened() as folder:
            if folder is None:
                return
            keys = [known for known in _read(folder) if known != key]
            try:
                _replace(folder, json.dumps([*keys[1 - _MOST_MODELS :], key]))
            except OSError as error:
                _log.debug("that a model has passed its trial cannot be written down: %s", error)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Give the folder's descriptor; None where there is none, or others may write there."""
        if self._folder is None:
            yield None
            return
        try:
            with contextlib.suppress(FileExistsError):
                self._folder.mkdir(parents=True, mode=0o700)
            handle = os.open(self._folder, _FOLDER_FLAGS)
        except (OSError, ValueError):
            yield None
            return
        try:
            yield handle if _is_ours(os.fstat(handle)) else None
        finally:
            os.close(handle)


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _read(folder: int) -> list[str]:
    try:
        handle = os.open(_NAME, _READ, dir_fd=folder)
    except OSError:
        return []
    with os.fdopen(handle, "rb") as file:
        found = os.fstat(handle)
        if not (stat.S_ISREG(found.st_mode) and _is_ours(found)):
            return []
        data = file.read(_MOST_BYTES + 1)
    try:
        keys = parse_json(data) if len(data) <= _MOST_BYTES else None
    except ValueError:
        return []
    return [key for key in keys if isinstance(key, str)] if isinstance(keys, list) else []


def _replace(folder: int, text: str) -> None:
    temporary = f".{_NAME}.{os.getpid()}"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary, dir_fd=folder)  # of a killed process with the same number
    handle = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text)
    os.replace(temporary, _NAME, src_dir_fd=folder, dst_dir_fd=folder)


@cache
def _surroundings() -> tuple[str, ...]:
    """Return versions and the processor: a card may move to another board."""
    return (
        __version__,
        sys.version,
        platform.machine(),
        *(f"{name} {_version(name)}" for name in ("ai-edge-litert", "tflite-runtime", "numpy")),
        *_processor(),
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _processor() -> list[str]:
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # hidden by a sandbox, which also switches XNNPACK off
        return []
    return sorted({line for line in lines if line.startswith(_CPU_FIELDS)})
