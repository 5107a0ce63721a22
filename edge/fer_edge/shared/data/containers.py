"""Files by name, whatever holds them: a folder, an archive, or a file that stands alone.

What is found there and cannot be a file of the data is not passed over: it is `skipped`, by name
and with the reason.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.pictures import read_picture_bytes
from fer_edge.shared.data.signatures import HEAD_BYTES
from fer_edge.shared.errors import DataError, PictureError

MAX_ENTRIES: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that is not read.

    Attributes:
        name: Path inside the data set, with "/"; a folder's ends in it.
        reason: Why, in a few words.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a container, to be opened as a path is."""

    container: "Container"
    name: str

    def open_binary(self) -> BinaryIO:
        """Open it for reading bytes.

        Raises:
            OSError: Or what else the standard library says of a damaged archive.
        """
        return self.container.open(self.name)

    def __str__(self) -> str:
        """Return where it lies, for messages."""
        return self.container.where(self.name)


class Container(Closing):
    """Files by name.

    Attributes:
        path: What holds them.
        names: Of the files, with "/", in no order that matters.
        skipped: What is there and is no file that could be read.
    """

    path: Path
    names: list[str]
    skipped: list[Skipped]

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading bytes.

        Raises:
            OSError: Or what else the standard library says of a damaged archive.
        """
        raise NotImplementedError

    def read(self, name: str) -> bytes:
        """Return a picture's bytes.

        Raises:
            DataError: It cannot be read, or is far larger than a picture should be.
        """
        raise NotImplementedError

    def head(self, name: str) -> bytes:
        """Return the first bytes of a file.

        Raises:
            OSError: Or what else the standard library says of a damaged archive.
        """
        with self.open(name) as file:
            return file.read(HEAD_BYTES)

    def check_sizes(self, names: list[str], *, limit: int) -> None:
        """Refuse files that would unpack to more than `limit` bytes; on disk nothing unpacks.

        Raises:
            DataError: One would.
        """

    def where(self, name: str) -> str:
        """Return a path that names a file, for messages."""
        return str(self.path / name) if name else str(self.path)

    def advise(self, name: str) -> str:
        """Return how to have only one of its folders or files read."""
        return f"name it alone: {self.where(name)}"

    def close(self) -> None:
        """Release what is held; may be called twice."""


class Folder(Container):
    """A folder and all folders in it; links are followed, and each folder is read once.

    Raises:
        DataError: It, or a folder in it, cannot be listed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = []
        self.skipped = []
        # What lies above is never read through a link: it holds more than was named.
        real = path.resolve()
        above = [_identity(folder.stat()) for folder in real.parents]
        self._seen = {_identity(real.stat()): "the data set itself"}
        self._seen |= dict.fromkeys(above, "a folder above it")
        links = list(self._walk("", follow=False))
        # Folders that lie here come before links to them, whatever they are called.
        while links:
            links = [name for link in links for name in self._follow(link)]

    def open(self, name: str) -> BinaryIO:
        """Open a file."""
        return (self.path / name).open("rb")

    def read(self, name: str) -> bytes:
        """Read a picture's bytes."""
        try:
            return read_picture_bytes(self.path / name)
        except PictureError as error:
            raise DataError(error.found, expected=error.expected, fix=error.fix) from error

    def _walk(self, folder: str, *, follow: bool) -> Iterator[str]:
        """Take in a folder's files and those below it; yield the links to folders."""
        for entry in self._scan(folder):
            name = folder + entry.name
            if entry.is_file(follow_symlinks=False):
                self.names.append(name)  # as nearly all are; asking for more takes time
                continue
            try:
                mode = entry.stat().st_mode
            except OSError:  # a link to nowhere or to itself, or a file that has just gone
                self.skipped.append(Skipped(name, "a link that leads nowhere"))
                continue
            if not stat.S_ISDIR(mode):
                self._take(name, mode)
            elif entry.is_symlink():
                yield name
            elif self._is_new(name, entry.stat()):
                yield from self._walk(name + "/", follow=follow)

    def _take(self, name: str, mode: int) -> None:
        if stat.S_ISREG(mode):
            self.names.append(name)
        else:
            self.skipped.append(Skipped(name, "no file but a pipe, socket or device"))

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(self.path / folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise DataError(
                f"{self.path / folder} cannot be listed ({error.strerror})",
                expected="a folder that may be read and stays as it is meanwhile",
                fix="check its permissions, and that nothing is writing in it",
            ) from error
        if folder and not entries:
            self.skipped.append(Skipped(folder, "an empty folder"))
        return entries

    def _follow(self, link: str) -> list[str]:
        if not self._is_new(link, (self.path / link).stat()):
            return []
        return list(self._walk(link + "/", follow=True))

    def _is_new(self, name: str, status: os.stat_result) -> bool:
        known = self._seen.setdefault(_identity(status), name)
        if known == name:
            return True
        self.skipped.append(Skipped(name + "/", f"links to {known}, which is not read again"))
        return False


class SingleFile(Container):
    """A file that stands alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.names = [path.name]
        self.skipped = []

    def open(self, name: str) -> BinaryIO:  # noqa: ARG002 - there is but one
        """Open the file."""
        return self.path.open("rb")

    def where(self, name: str) -> str:  # noqa: ARG002 - there is but one
        """Return the file's path."""
        return str(self.path)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
