"""ZIP and tar archives as containers: members are read where they lie, none is unpacked to disk.

An archive that reaches outside itself, holds links, is encrypted or explodes is refused before any
picture is read.
"""

import stat
import tarfile
import zipfile
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Final, cast

from fer_edge.shared.data.containers import MAX_ENTRIES, Container, Skipped
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES
from fer_edge.shared.errors import DataError
from fer_edge.shared.model.model_file import ZIP_ERRORS

ARCHIVE_ERRORS: Final = (*ZIP_ERRORS, tarfile.TarError)
"""What the standard library raises over a damaged archive."""

MAX_ARCHIVE_BYTES: Final = 16 * 2**30
MAX_RATIO: Final = 200  # deflate reaches 1032; real pictures hardly shrink at all
SMALL_BYTES: Final = 2**20  # which explodes nothing, however well it was packed
_TWICE: Final = "again in the archive; the last of this name is read"


class Archive(Container):
    """What ZIP and tar have in common."""

    path: Path

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = []
        self.skipped = []

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
            explodes = entry.file_size > max(SMALL_BYTES, MAX_RATIO * entry.compress_size)
            if explodes or total > MAX_ARCHIVE_BYTES:
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
        # The library takes a damaged header for the end, and so would leave out all behind it.
        self._file.seek(self._archive.offset)
        if self._file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("damaged, or without its end")
        self.names = _once(names, self.skipped)
        self._note_empty(folders)


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
