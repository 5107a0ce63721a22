"""Files into the output folder: all of them whole, or none under its final name."""

import contextlib
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_edge.shared.errors import OutputError


def check_folder(folder: Path, names: Sequence[str], *, force: bool) -> None:
    """Find out whether files can be written, before minutes are spent on making them.

    Creates nothing that stays.

    Args:
        folder: To write into; created when it is written to.
        names: Of the files.
        force: Whether files of these names may be replaced.

    Raises:
        OutputError: `folder` is a file, must not be written to, or holds such a file.
    """
    try:
        present = [name for name in names if (folder / name).exists()]
        nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise _refused(folder, error) from error
    if present and not force:
        raise OutputError(
            f"{folder} holds {', '.join(present)} already",
            expected="a new folder",
            fix="name another folder with --out, or replace them with --force",
        )


def deliver(files: Mapping[str, bytes], folder: Path) -> None:
    """Write files, each under a temporary name first, then rename them all.

    Args:
        files: Contents by name.
        folder: Created where it does not exist.

    Raises:
        OutputError: Nothing was written, because the folder or the disk refused it.
    """
    written: dict[Path, Path] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            temporary = folder / f".{name}.{os.getpid()}.part"
            written[temporary] = folder / name
            _write(temporary, data)
        for temporary, final in written.items():
            temporary.replace(final)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        for temporary in written:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _refused(folder: Path, error: OSError) -> OutputError:
    return OutputError(
        f"{folder} cannot be written to ({error.strerror or error})",
        expected="a folder that may be written to, on a disk with room",
        fix="name another folder with --out, or change its permissions",
    )
