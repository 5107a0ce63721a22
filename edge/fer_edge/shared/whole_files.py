"""Files that are written whole or not at all: under another name first, then renamed."""

import contextlib
import itertools
import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from fer_edge.shared.errors import OutputError
from fer_edge.shared.named_files import kind_of

WRITING: Final = ".writing-"
"""Begins the name of a file while it is written."""
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
_MOST_LINKS: Final = 40
_FIX: Final = "make room, change its permissions, or name another place"

_numbers = itertools.count()

Content: TypeAlias = bytes | str | Callable[[str], Any]
"""Of a file; or what writes it to the path it is given, which has the file's own ending."""


def replace_file(
    path: Path,
    content: Content,
    *,
    fix: str = _FIX,
    mode: int | None = None,
    synchronised: bool = True,
) -> None:
    """Write one file; as `replace_files`."""
    replace_files({path: content}, fix=fix, mode=mode, synchronised=synchronised)


def replace_files(
    files: Mapping[Path, Content],
    *,
    fix: str = _FIX,
    mode: int | None = None,
    synchronised: bool = True,
) -> None:
    """Write files, each synchronised under another name before the first gets its own.

    A symbolic link of one's own, or of root, stays one: what it leads to is replaced.

    Args:
        files: By path; their folders exist.
        fix: What to do where they cannot be written.
        mode: Of the files, whatever the umask says.
        synchronised: Whether to wait until they are on the disk, so that they are whole after a
            power cut, too.

    Raises:
        OutputError: The disk is full, a folder has gone, a device or the like has the name of a
            file; the old files are whole.
    """
    targets = {path: _target(path, fix=fix) for path in files}
    written: dict[Path, Path] = {}
    try:
        for path, content in files.items():
            target = targets[path]
            # Short, for a name may be as long as names can be; with the ending that it is to have.
            temporary = target.with_name(f"{WRITING}{os.getpid()}-{next(_numbers)}{path.suffix}")
            written[temporary] = target
            with explained(path, fix=fix):
                _write(temporary, content, mode, synchronised=synchronised)
        for temporary, path in written.items():
            with explained(path, fix=fix):
                temporary.replace(path)
    finally:
        for temporary in written:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def remove_rests(folder: Path) -> None:
    """Remove what a killed process was just writing into a folder."""
    for rest in folder.glob(f"{WRITING}*"):
        if rest.is_dir() and not rest.is_symlink():  # as earlier versions left it
            shutil.rmtree(rest)
        else:
            rest.unlink(missing_ok=True)


def synchronise(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, too."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(folder: Path, *, fix: str = _FIX) -> None:
    """Make a folder, and those above it, where they do not exist.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be made ({error.strerror or error})",
            expected="a folder that may be written to",
            fix=fix,
        ) from error


def check_free(paths: Sequence[Path], *, force: bool) -> None:
    """Find out whether files of one folder can be written, before minutes are spent on them.

    Leaves nothing behind; the folder need not exist yet.

    Args:
        paths: Of the files.
        force: Whether they may be replaced.

    Raises:
        OutputError: The folder is none, must not be written to, or holds such a file; or what has
            the name of one is no file.
    """
    folder = paths[0].parent
    with explained(folder):
        present = [path.name for path in paths if path.exists() or path.is_symlink()]
    for written_to in {_target(path).parent for path in paths}:
        with explained(folder):
            nearest = next(path for path in (written_to, *written_to.parents) if path.exists())
            with tempfile.TemporaryFile(dir=nearest):
                pass
    if present and not force:
        raise OutputError(
            f"{folder} holds {', '.join(present)} already",
            expected="another place",
            fix="name one with --out, or replace what is there with --force",
        )


@contextlib.contextmanager
def explained(path: Path, *, fix: str = _FIX) -> Iterator[None]:
    """Turn what the system says of writing a file or folder into an `OutputError`."""
    try:
        yield
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written to ({error.strerror or error})",
            expected="a folder that may be written to, on a disk with room",
            fix=fix,
        ) from error


def _target(path: Path, *, fix: str = _FIX) -> Path:
    """Return what a name leads to, through links; it is a file, or not there yet.

    Raises:
        OutputError: It is something else, which a file must not take the place of.
    """
    with explained(path, fix=fix):
        _require_own_links(path)
        target = Path(os.path.realpath(path))
        try:
            mode = target.stat().st_mode
        except FileNotFoundError:
            return target
    if not stat.S_ISREG(mode):
        raise OutputError(
            f"{path} is {kind_of(mode) or 'a device'}",
            expected="a file, or the name of one that is to be made",
            fix="name another one",
        )
    return target


def _require_own_links(path: Path) -> None:
    """Refuse a link that somebody else has made, who would choose what is written over."""
    for _ in range(_MOST_LINKS):
        if not path.is_symlink():
            return
        if path.lstat().st_uid not in {0, os.geteuid()}:
            raise OutputError(
                f"{path} is a link of another user's",
                expected="a file, a link of your own or of root, or the name of a new file",
                fix="name another one",
            )
        path = path.parent / path.readlink()


def _write(path: Path, content: Content, mode: int | None, *, synchronised: bool) -> None:
    if callable(content):
        content(str(path))
    else:
        # Whoever may write beside it could lead us elsewhere.
        with os.fdopen(os.open(path, _NEW, 0o666), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
    with path.open("rb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        if synchronised:
            os.fsync(file.fileno())
