"""Open whatever holds a data set, told by what it is and not by its name.

A compressed tar is unpacked as a whole, into a file without a name that ends with the program: only
so its members can be read in any order. Any other compressed file is unpacked as it is read.
"""

import bz2
import gzip
import io
import lzma
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, TypeAlias, cast

from fer_edge.shared.data.archives import (
    ARCHIVE_ERRORS,
    MAX_ARCHIVE_BYTES,
    MAX_RATIO,
    SMALL_BYTES,
    TarArchive,
    ZipArchive,
)
from fer_edge.shared.data.containers import Container, Folder, SingleFile
from fer_edge.shared.data.signatures import HEAD_BYTES, is_tar, kind_of
from fer_edge.shared.errors import DataError
from fer_edge.shared.named_files import open_named

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_KINDS: Final = "a folder, .zip or .tar.gz"
_CHUNK: Final = 2**20
_Opener: TypeAlias = Callable[[Path], io.BufferedIOBase]
_OPENERS: Final[dict[bytes, _Opener]] = {
    b"\x1f\x8b": gzip.GzipFile,
    b"BZh": bz2.BZ2File,
    b"\xfd7zXZ\0": lzma.LZMAFile,
}
"""How files are unpacked that begin so."""


def open_container(path: Path) -> Container:
    """Open whatever holds a data set, told by what it is and not by its name.

    Raises:
        DataError: It does not exist, cannot be read, or is an archive that is damaged or hostile.
    """
    try:
        if path.is_dir():
            return Folder(path)
        with open_named(path) as file:
            head = file.read(HEAD_BYTES)
        return _open_file(path, head)
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist",
            expected=f"{_KINDS} of labelled face crops",
            fix="check the path",
        ) from None
    except ARCHIVE_ERRORS as error:
        if isinstance(error, DataError):
            raise
        what = "is no readable ZIP" if _is_called_zip(path) else "cannot be read"
        raise DataError(
            f"{path} {what} ({error})",
            expected=f"{_KINDS} of labelled face crops",
            fix="copy the archive again, or name the unpacked folder",
        ) from error


def _open_file(path: Path, head: bytes) -> Container:
    opener = next((opener for start, opener in _OPENERS.items() if head.startswith(start)), None)
    if opener is not None:
        return _unpack(PackedFile(path, opener))
    if is_tar(head):
        return TarArchive(path, open_named(path))
    if kind_of(head) == "archive" and not head.startswith(b"PK"):
        raise DataError(
            f"{path} is an archive of a kind that is not read",
            expected=f"{_KINDS} of labelled face crops",
            fix="unpack it and name the folder",
        )
    meant_as_zip = _is_called_zip(path) and kind_of(head) == "other"
    return ZipArchive(path) if head.startswith(b"PK") or meant_as_zip else SingleFile(path)


def _is_called_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


class PackedFile(SingleFile):
    """A single file that was packed without an archive around it, such as fer2013.csv.gz.

    Args:
        path: Of the file.
        opener: Of the format's own file class.
    """

    def __init__(self, path: Path, opener: _Opener) -> None:
        super().__init__(path)
        self._opener = opener

    def open(self, name: str) -> BinaryIO:  # noqa: ARG002 - there is but one
        """Open what it holds."""
        return io.BufferedReader(_Unpacking(self.path, self._opener), _CHUNK)


class _Unpacking(io.RawIOBase):
    """What a compressed file holds, as far as it does not explode."""

    def __init__(self, path: Path, opener: _Opener) -> None:
        self._path = path
        self._file = opener(path)
        self._left = min(MAX_ARCHIVE_BYTES, max(SMALL_BYTES, MAX_RATIO * path.stat().st_size))

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Read into a buffer."""
        view = memoryview(buffer).cast("B")
        data = self._file.read(len(view))
        self._left -= len(data)
        if self._left < 0:
            raise DataError(
                f"{self._path} would unpack to far more than it is",
                expected="pictures of an ordinary size",
                fix="do not use this archive",
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._file.close()
        super().close()


def _unpack(packed: PackedFile) -> Container:
    """Take a compressed tar as such, anything else as the file that stands alone."""
    with packed.open("") as file:
        if not is_tar(file.read(HEAD_BYTES)):
            return packed
    # A tar can only be read in any order once it is unpacked.
    whole = tempfile.TemporaryFile()  # noqa: SIM115 - the archive closes it
    try:
        with packed.open("") as file:
            shutil.copyfileobj(file, whole, _CHUNK)
        whole.seek(0)
        return TarArchive(packed.path, cast("BinaryIO", whole))
    except BaseException:
        whole.close()
        raise
