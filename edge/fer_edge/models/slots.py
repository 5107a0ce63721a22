"""Two places for models beside the shipped one, and which of the three serves.

Below the daemon's state folder:

    models/a/model.tflite
    models/b/model.tflite
    models/serving         {"serving": "a", "before": "shipped"}

What serves is never written over: a new model goes into the idle slot under another name, and is
given its own name only when it has passed. Every file is synchronised before it is renamed, so
that whenever the power goes, each name stands for a whole file, the old one or the new one.
"""

import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from fer_edge.shared.errors import ModelError, OutputError
from fer_edge.shared.named_files import read_named
from fer_edge.shared.strict_json import parse_json
from fer_edge.shared.whole_files import explained, remove_rests, replace_file, synchronise

SLOT: Final = "slot"
"""Asked for instead of a model's name: whatever serves."""
Slot: TypeAlias = Literal["a", "b"]
Place: TypeAlias = Literal["a", "b", "shipped"]
SLOTS: Final[tuple[Slot, ...]] = get_args(Slot)

_MODEL: Final = "model.tflite"
_NEW: Final = ".new"
_POINTER: Final = "serving"
_MOST_POINTER_BYTES: Final = 1024
_FIX: Final = "run it with sudo, make room, or remove what is no folder; no model was changed"
_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


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
        self.folder = (state or state_folder()) / "models"

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

    def pointer(self) -> Pointer:
        """Return what serves; the shipped model where nothing was ever installed.

        Raises:
            ModelError: What says so is damaged or cannot be read.
        """
        path = self.folder / _POINTER
        try:
            return _parse_pointer(read_named(path, most_bytes=_MOST_POINTER_BYTES))
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

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Make the folders, and keep everybody else from changing them.

        Raises:
            OutputError: They cannot be made or are in use.
        """
        with explained(self.folder, fix=_FIX):
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            _make_folder(self.folder)
            for slot in SLOTS:
                _make_folder(self.folder / slot)
            handle = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _lock(handle, self.folder)
            with explained(self.folder, fix=_FIX):
                remove_rests(self.folder)
            yield
        finally:
            os.close(handle)

    def stage(self, data: bytes) -> Slot:
        """Write a model into the idle slot under another name; return the slot.

        Raises:
            OutputError: It cannot be written; nothing has changed then.
        """
        slot = self._idle()
        path = self.staged_path(slot)
        try:
            with explained(path, fix=_FIX):
                _write(path, data)
        except OutputError:
            self.discard(slot)
            raise
        return slot

    def discard(self, slot: Slot) -> None:
        """Remove what was staged."""
        with suppress(OSError):
            self.staged_path(slot).unlink(missing_ok=True)

    def keep(self, slot: Slot) -> None:
        """Make what was staged the slot's model.

        Raises:
            OutputError: The disk does not obey.
        """
        path = self.path(slot)
        with explained(path, fix=_FIX):
            self.staged_path(slot).replace(path)
            synchronise(path.parent)

    def point(self, pointer: Pointer) -> None:
        """Say what serves from now on.

        Raises:
            OutputError: It cannot be written; what served still does.
        """
        path = self.folder / _POINTER
        text = json.dumps({"serving": pointer.serving, "before": pointer.before}) + "\n"
        with explained(path, fix=_FIX):
            replace_file(path, text, fix=_FIX, mode=0o644)
            synchronise(self.folder)

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


def _make_folder(path: Path) -> None:
    """Make a folder that the daemon's user can read, whatever the umask says."""
    try:
        path.mkdir()
        path.chmod(0o755)
    except FileExistsError:
        # Whoever may write beside it could lead us elsewhere.
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotADirectoryError(20, "is no folder but a link or a file", str(path)) from None


def _lock(handle: int, folder: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise OutputError(
            f"{folder} is being changed by another `fer-edge model`",
            expected="one at a time",
            fix="wait for it to end",
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk; the next read comes from there."""
    handle = os.open(path, _WRITE, 0o644)
    try:
        os.fchmod(handle, 0o644)
        with os.fdopen(handle, "wb", closefd=False) as file:
            file.write(data)
        os.fsync(handle)
        os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)
