"""ZIP and tar archives as containers: read where they lie, nothing is unpacked to a name.

An archive that reaches outside itself, holds links, is encrypted or explodes is refused before any
picture is read. A compressed tar is unpacked as a whole into a file without a name, which ends with
the program.
"""

import bz2
import gzip
import io
import lzma
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from fer_edge.shared.data.containers import MAX_ENTRIES, Container, Folder, SingleFile, Skipped
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES
from fer_edge.shared.data.signatures import HEAD_BYTES, is_tar, kind_of
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.model_file import ZIP_ERRORS

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

ARCHIVE_ERRORS: Final = (*ZIP_ERRORS, tarfile.TarError)
"""What the standard library raises over a damaged archive."""

_KINDS: Final = "a folder, .zip or .tar.gz"
_MAX_ARCHIVE_BYTES: Final = 16 * 2**30
_MAX_RATIO: Final = 200  # deflate reaches 1032; real pictures hardly shrink at all
_SMALL: Final = 2**20  # which explodes nothing, however well it was packed
_CHUNK: Final = 2**20
_TWICE: Final = "again in the archive; the last of this name is read"

_OPENERS: Final[dict[bytes, Callable[[Path], io.BufferedIOBase]]] = {
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
        with path.open("rb") as file:
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
        raise DataError(
            f"{path} is no readable {'ZIP' if path.suffix.lower() == '.zip' else 'archive'} "
            f"({error})",
            expected=f"{_KINDS} of labelled face crops",
            fix="copy the archive again, or name the unpacked folder",
        ) from error


def _open_file(path: Path, head: bytes) -> Container:
    if head.startswith(tuple(_OPENERS)):
        return _unpack(path)
    if is_tar(head):
        return TarArchive(path, path.open("rb"))
    if kind_of(head) == "archive" and not head.startswith(b"PK"):
        raise DataError(
            f"{path} is an archive of a kind that is not read",
            expected=f"{_KINDS} of labelled face crops",
            fix="unpack it and name the folder",
        )
    called_zip = path.suffix.lower() == ".zip" and kind_of(head) == "other"
    return ZipArchive(path) if head.startswith(b"PK") or called_zip else SingleFile(path)


class Archive(Container):
    """What ZIP and tar have in common."""

    path: Path

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = []
        self.skipped = []
        self._sizes: dict[str, int] = {}

    def check_sizes(self, names: list[str], *, limit: int) -> None:
        """Refuse files that would unpack to more than `limit` bytes."""
        for name in names:
            if (size := self._size(name)) > limit:
                self._refuse_size(name, size)

    def advise(self, name: str) -> str:
        """Return how to have only one of its folders or files read."""
        return f"unpack it and name {name} alone"

    def _size(self, name: str) -> int:
        raise NotImplementedError

    def _unreadable(self, name: str, error: BaseException) -> DataError:
        return DataError(
            f"{self.path}: {name} cannot be read ({error})",
            expected="a whole picture",
            fix="copy the data set again",
        )

    def _refuse_size(self, name: str, size: int, *, packed: int | None = None) -> None:
        of = "" if packed is None else f"from {packed:,} "
        raise DataError(
            f"{self.path}: {name} would unpack {of}to {size:,} bytes",
            expected="pictures of an ordinary size",
            fix="do not use this archive",
        )

    def _refuse_many(self, count: int) -> None:
        if count > MAX_ENTRIES:
            raise DataError(
                f"{self.path}: {count:,} files", expected=f"at most {MAX_ENTRIES:,}", fix="split it"
            )

    def _refuse_unsafe(self, name: str, *, link: bool) -> None:
        path = name.replace("\\", "/")
        outside = path.startswith("/") or ":" in path.partition("/")[0] or ".." in path.split("/")
        if outside or link:
            raise DataError(
                f"{self.path}: unsafe name {name!r} in the archive",
                expected="relative names that stay inside it, and no links",
                fix="do not use this archive; pack the pictures again",
            )

    def _note_empty(self, folders: list[str]) -> None:
        """Note folders that hold nothing; a folder that holds only folders is not empty."""
        within = {name.rpartition("/")[0] for name in (*self.names, *folders)}
        self.skipped += [
            Skipped(name + "/", "an empty folder") for name in folders if name not in within
        ]


class ZipArchive(Archive):
    """A ZIP; names that Windows wrote with backslashes are read as unzip reads them.

    Raises:
        DataError: It is hostile.
        zipfile.BadZipFile: Or what else the standard library says of a damaged one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._archive = zipfile.ZipFile(path)
        try:
            self._take_in(self._archive.infolist())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._archive.close()

    def open(self, name: str) -> BinaryIO:
        """Open a member."""
        return cast("BinaryIO", self._archive.open(self._stored.get(name, name)))

    def read(self, name: str) -> bytes:
        """Read a picture's bytes."""
        try:
            return self._archive.read(self._stored.get(name, name))
        except ZIP_ERRORS as error:
            raise self._unreadable(name, error) from error

    def _size(self, name: str) -> int:
        return self._archive.getinfo(self._stored.get(name, name)).file_size

    def _take_in(self, entries: list[zipfile.ZipInfo]) -> None:
        self._stored: dict[str, str] = {}
        self._check(entries)
        folders = []
        for entry in entries:
            name = entry.filename
            if "\\" in name or name.startswith("./"):
                name = _clean(name)
                self._stored[name] = entry.filename
            if name.endswith("/"):
                folders.append(name.rstrip("/"))
            else:
                self.names.append(name)
        if len(self.names) + len(folders) > len(self._archive.NameToInfo) or self._stored:
            self.names = _once(self.names, self.skipped)
        self._note_empty(folders)

    def _check(self, entries: list[zipfile.ZipInfo]) -> None:
        """Refuse an archive that reaches outside itself or explodes, before anything is read."""
        total = 0
        for entry in entries:
            self._refuse_unsafe(entry.filename, link=stat.S_ISLNK(entry.external_attr >> 16))
            if entry.flag_bits & 1:
                raise DataError(
                    f"{self.path}: {entry.filename} is encrypted",
                    expected="a plain archive",
                    fix="unpack it and name the folder",
                )
            total += entry.file_size
            bomb = entry.file_size > _SMALL and entry.file_size > _MAX_RATIO * entry.compress_size
            if bomb or total > _MAX_ARCHIVE_BYTES:
                self._refuse_size(entry.filename, entry.file_size, packed=entry.compress_size)
        self._refuse_many(len(entries))


class TarArchive(Archive):
    """A tar.

    Args:
        path: Of the archive, for messages.
        file: What it holds, unpacked; closed with this.

    Raises:
        DataError: It is hostile.
        tarfile.TarError: It is damaged.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        super().__init__(path)
        self._file = file
        self._members: dict[str, tarfile.TarInfo] = {}
        try:
            self._archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 - closed in close
            self._take_in()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._archive.close()
        self._file.close()

    def open(self, name: str) -> BinaryIO:
        """Open a member."""
        file = self._archive.extractfile(self._members[name])
        if file is None:
            raise tarfile.ReadError("no file")
        return cast("BinaryIO", file)

    def read(self, name: str) -> bytes:
        """Read a picture's bytes."""
        try:
            with self.open(name) as file:
                return file.read(MAX_PICTURE_BYTES)
        except ARCHIVE_ERRORS as error:
            raise self._unreadable(name, error) from error

    def _size(self, name: str) -> int:
        return self._members[name].size

    def _take_in(self) -> None:
        names, folders = [], []
        for entry in self._archive:
            special = not (entry.isreg() or entry.isdir()) or entry.issparse()
            self._refuse_unsafe(entry.name, link=special)
            name = _clean(entry.name)
            if entry.isdir():
                folders += [name] if name else []
                continue
            names.append(name)
            self._members[name] = entry
            self._refuse_many(len(names))
        self.names = _once(names, self.skipped)
        self._note_empty(folders)


class PackedFile(SingleFile):
    """A single file that was packed without an archive around it, such as fer2013.csv.gz."""

    def open(self, name: str) -> BinaryIO:  # noqa: ARG002 - there is but one
        """Open what it holds."""
        return io.BufferedReader(_Unpacking(self.path), _CHUNK)


class _Unpacking(io.RawIOBase):
    """What a compressed file holds, as far as it does not explode."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            packed = file.seek(0, io.SEEK_END)
        self._path = path
        self._file = next(opener for start, opener in _OPENERS.items() if head.startswith(start))(
            path
        )
        self._left = min(_MAX_ARCHIVE_BYTES, max(_SMALL, _MAX_RATIO * packed))

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


def _unpack(path: Path) -> Container:
    """Open a compressed file: a tar as such, anything else as a file that stands alone."""
    packed = PackedFile(path)
    with packed.open("") as file:
        if not is_tar(file.read(HEAD_BYTES)):
            return packed
    # A tar can only be read in any order once it is unpacked.
    whole = tempfile.TemporaryFile()  # noqa: SIM115 - the archive closes it
    try:
        with packed.open("") as file:
            shutil.copyfileobj(file, whole, _CHUNK)
        whole.seek(0)
        return TarArchive(path, cast("BinaryIO", whole))
    except BaseException:
        whole.close()
        raise


def _clean(name: str) -> str:
    """Return a stored name with "/" between its parts, as it is below the data set's folder."""
    slashed = name.replace("\\", "/")
    tail = "/" if slashed.endswith("/") else ""
    return "/".join(part for part in slashed.split("/") if part not in {"", "."}) + tail


def _once(names: list[str], skipped: list[Skipped]) -> list[str]:
    """Return each name once; note those that came before the last of their name."""
    found = Counter(names)
    skipped += [Skipped(name, _TWICE) for name, count in found.items() for _ in range(count - 1)]
    return list(found)
