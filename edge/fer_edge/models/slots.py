"""Two places for models beside the shipped one, and which of the three serves.

Below the daemon's state folder:

    models/a/model.tflite
    models/b/model.tflite
    models/serving         {"serving": "a", "before": "shipped"}

What serves is never written over: a new model goes into the idle slot under another name, and is
given its own name only when it has passed. Every file is synchronised before it is renamed, so
that whenever the power goes, each name stands for a whole file, the old one or the new one.

Root changes what lies in a folder of the daemon's user, who may rename anything there at any
moment. So whoever changes holds the folders open, and names nothing by a path from above them.
"""

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from fer_edge.shared.errors import ModelError, OutputError
from fer_edge.shared.model.model_file import MAX_MODEL_BYTES
from fer_edge.shared.named_files import read_named
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.whole_files import WRITING, explained

SLOT: Final = "slot"
"""Asked for instead of a model's name: whatever serves."""
Slot: TypeAlias = Literal["a", "b"]
Place: TypeAlias = Literal["a", "b", "shipped"]
SLOTS: Final[tuple[Slot, ...]] = get_args(Slot)

_MODELS: Final = "models"
_MODEL: Final = "model.tflite"
_NEW: Final = ".new"
_POINTER: Final = "serving"
_MOST_POINTER_BYTES: Final = 1024
_FIX: Final = "run it with sudo, make room, or remove what is no folder; no model was changed"
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Pointer:
    """Which model serves, and which one served before it."""

    serving: Place = "shipped"
    before: Place = "shipped"


class ModelSlots:
    """The slots below a state folder; they need not exist yet.

    Args:
        state: The daemon's state folder; that of systemd's unit where none is given.

    Attributes:
        folder: The slots' own.
    """

    def __init__(self, state: Path | None = None) -> None:
        self.folder = (state or state_folder()) / _MODELS
        self._held: dict[str, int] = {}  # descriptors of the folders, while they are changed

    def path(self, slot: Slot) -> Path:
        """Return where a slot's model is, or would be."""
        return self.folder / slot / _MODEL

    def holds(self, slot: Slot) -> bool:
        """Tell whether a slot has a model, or something that cannot even be looked at."""
        try:
            return self.path(slot).exists()
        except OSError:
            return True

    def staged_path(self, slot: Slot) -> Path:
        """Return where a slot's next model lies while it is tried."""
        return self.path(slot).with_name(_MODEL + _NEW)

    def staged(self, slot: Slot) -> bytes:
        """Read what was staged back from the disk, while `changing`.

        Raises:
            OutputError: It cannot be read.
        """
        with (
            explained(self.staged_path(slot), fix=_FIX),
            os.fdopen(os.open(_MODEL + _NEW, _READ, dir_fd=self._held[slot]), "rb") as file,
        ):
            return file.read(MAX_MODEL_BYTES + 1)

    def pointer(self) -> Pointer:
        """Return what serves; the shipped model where nothing was ever installed.

        Raises:
            ModelError: What says so is damaged or cannot be read.
        """
        path = self.folder / _POINTER
        try:
            return _parse_pointer(self._read_pointer(path))
        except FileNotFoundError:
            return Pointer()
        except PermissionError as error:
            raise ModelError(
                f"{path}, which says which model serves, is not for everybody to read",
                expected="root or the daemon",
                fix="run it with sudo",
            ) from error
        except (OSError, ValueError) as error:
            raise ModelError(
                f"{path}, which says which model serves, cannot be used ({error})",
                expected="what `fer-edge model install` writes there",
                fix="run `sudo fer-edge model install FILE` once more",
            ) from error

    def _read_pointer(self, path: Path) -> bytes:
        if not self._held:
            return read_named(path, most_bytes=_MOST_POINTER_BYTES)
        with os.fdopen(os.open(_POINTER, _READ, dir_fd=self._held[_MODELS]), "rb") as file:
            return file.read(_MOST_POINTER_BYTES)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make the folders, and keep everybody else from changing them.

        Raises:
            OutputError: They cannot be made or are in use.
        """
        with ExitStack() as undo:
            undo.callback(self._held.clear)
            with explained(self.folder, fix=_FIX):
                self.folder.parent.mkdir(parents=True, exist_ok=True)
                above = os.open(self.folder.parent, _FOLDER)
                undo.callback(os.close, above)
                handle = self._held[_MODELS] = _make_folder(_MODELS, above, self.folder)
                undo.callback(os.close, handle)
                for slot in SLOTS:
                    self._held[slot] = _make_folder(slot, handle, self.folder / slot)
                    undo.callback(os.close, self._held[slot])
            _lock(handle, self.folder)
            with explained(self.folder, fix=_FIX):
                _remove_rests(handle)
            yield

    def stage(self, data: bytes) -> Slot:
        """Write a model into the idle slot under another name, while `changing`; return the slot.

        Raises:
            OutputError: It cannot be written; nothing has changed then.
        """
        slot = self._idle()
        try:
            with explained(self.staged_path(slot), fix=_FIX):
                _write(_MODEL + _NEW, self._held[slot], data)
        except OutputError:
            self.discard(slot)
            raise
        return slot

    def discard(self, slot: Slot) -> None:
        """Remove what was staged, while `changing`."""
        with suppress(OSError):
            os.unlink(_MODEL + _NEW, dir_fd=self._held[slot])

    def keep(self, slot: Slot) -> None:
        """Make what was staged the slot's model, while `changing`.

        Raises:
            OutputError: The disk does not obey.
        """
        folder = self._held[slot]
        with explained(self.path(slot), fix=_FIX):
            os.replace(_MODEL + _NEW, _MODEL, src_dir_fd=folder, dst_dir_fd=folder)
            os.fsync(folder)

    def point(self, pointer: Pointer) -> None:
        """Say what serves from now on, while `changing`.

        Raises:
            OutputError: It cannot be written; what served still does.
        """
        folder = self._held[_MODELS]
        text = json.dumps({"serving": pointer.serving, "before": pointer.before}) + "\n"
        temporary = f"{WRITING}{os.getpid()}-{_POINTER}"
        with explained(self.folder / _POINTER, fix=_FIX):
            try:
                _write(temporary, folder, text.encode())
                os.replace(temporary, _POINTER, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)

    def _idle(self) -> Slot:
        """Return the slot that neither serves nor is gone back to, or at least does not serve."""
        try:
            pointer = self.pointer()
        except ModelError:  # a whole model in a slot is worth more than the place of a broken one
            return next((slot for slot in SLOTS if not self.holds(slot)), "b")
        free = [slot for slot in SLOTS if slot != pointer.serving]
        return next((slot for slot in free if slot != pointer.before), free[0])


def state_folder() -> Path:
    """Return the daemon's state folder, as systemd names it or where its unit has it."""
    return Path(os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or "/var/lib/fer-edge")


def _parse_pointer(data: bytes) -> Pointer:
    raw: Any = parse_json(data)
    places = get_args(Place)
    if not isinstance(raw, Mapping) or any(
        raw.get(name) not in places for name in ("serving", "before")
    ):
        raise ValueError(f"it says {data[:80]!r}")
    return Pointer(raw["serving"], raw["before"])


def _make_folder(name: str, above: int, path: Path) -> int:
    """Return a descriptor of a folder; one that is made here can be read by the daemon's user.

    Args:
        name: Of the folder.
        above: Descriptor of the one it is in.
        path: Of it, for messages.
    """
    made = True
    try:
        os.mkdir(name, dir_fd=above)
    except FileExistsError:
        made = False
    try:
        handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=above)
    except NotADirectoryError:
        raise NotADirectoryError(20, "is no folder but a link or a file", str(path)) from None
    if made and os.fstat(handle).st_uid == os.geteuid():
        os.fchmod(handle, 0o755)  # whatever the umask says
    return handle


def _remove_rests(folder: int) -> None:
    """Remove what a killed process was just writing."""
    for name in os.listdir(folder):
        if not name.startswith(WRITING):
            continue
        if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            shutil.rmtree(name, dir_fd=folder)  # as earlier versions left it
        else:
            os.unlink(name, dir_fd=folder)


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            f"{folder} is being changed by another `fer-edge model`",
            expected="one at a time",
            fix="wait for it to end",
        ) from error


def _write(name: str, folder: int, data: bytes) -> None:
    """Write a file and wait until it is on the disk; the next read comes from there."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)
    handle = os.open(name, _WRITE, 0o644, dir_fd=folder)
    try:
        os.fchmod(handle, 0o644)
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
