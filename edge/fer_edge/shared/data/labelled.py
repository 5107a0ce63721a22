"""Labelled face crops: class folders, split folders, or a ZIP of either.

A picture's label is the name of the folder it lies in, by alias; the folder above that may name
a split (train, val, test). A ZIP is read where it lies and never unpacked to disk.
"""

import stat
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from fer_edge.shared.closing import Closing
from fer_edge.shared.data.pictures import MAX_PICTURE_BYTES, PICTURE_SUFFIXES, read_picture_bytes
from fer_edge.shared.errors import DataError, LabelError, PictureError
from fer_edge.shared.labels import canonical_label
from fer_edge.shared.model.model_file import ZIP_ERRORS

Split = Literal["train", "val", "test"]

SPLITS: Final[dict[str, Split]] = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val",
    "test": "test", "testing": "test",
}  # fmt: skip
"""What folders and files are called that hold a split."""

_LAYOUT: Final = "CLASS/picture.png or SPLIT/CLASS/picture.png (SPLIT: train, val or test)"
_MAX_ENTRIES: Final = 2_000_000
_MAX_ARCHIVE_BYTES: Final = 16 * 2**30
_MAX_RATIO: Final = 200  # deflate reaches 1032; real pictures hardly shrink at all


@dataclass(frozen=True, slots=True)
class LabelledPicture:
    """One picture of a data set.

    Attributes:
        name: Path inside the data set, with "/".
        label: Canonical expression name.
        split: The split its folder names; None where the data set has no split folders.
    """

    name: str
    label: str
    split: Split | None


class LabelledPictures(Closing):
    """A data set of face crops, listed when opened, read picture by picture.

    Attributes:
        pictures: All of them, sorted by name.

    Raises:
        DataError: No such data, no pictures, an unknown layout, or an archive that is damaged
            or tries to reach outside itself or to explode.
        LabelError: A class folder's name is unknown.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive: zipfile.ZipFile | None = None
        names = list(self._names())
        wanted = [name for name in names if _is_picture(name)]
        self.ignored = len(names) - len(wanted)
        try:
            self.pictures = sorted(self.classify(wanted), key=lambda picture: picture.name)
        except BaseException:
            self.close()
            raise

    def classify(self, names: list[str]) -> Iterable[LabelledPicture]:
        """Say what each picture shows, by where it lies.

        Raises:
            DataError: There are none, or an unknown layout.
            LabelError: A class folder's name is unknown.
        """
        return _classify(names, self._path)

    def close(self) -> None:
        """Close the archive, if there is one; may be called twice."""
        if self._archive is not None:
            self._archive.close()

    def of(self, split: Split) -> list[LabelledPicture]:
        """Return the pictures of one split."""
        return [picture for picture in self.pictures if picture.split == split]

    def for_evaluation(self) -> list[LabelledPicture]:
        """Return the test split where there are splits, else everything.

        Raises:
            DataError: There are splits, but no test pictures.
        """
        if all(picture.split is None for picture in self.pictures):
            return self.pictures
        test = self.of("test")
        if not test:
            splits = dict(Counter(str(picture.split) for picture in self.pictures))
            raise DataError(
                f"{self._path} has no test pictures (only {splits})",
                expected="a folder named test, or class folders alone",
                fix=f"name the folder to evaluate on itself, for instance {self._path / 'val'}",
            )
        return test

    def read(self, picture: LabelledPicture) -> bytes:
        """Return a picture's bytes.

        Raises:
            DataError: It cannot be read, or is far larger than a picture should be.
        """
        if self._archive is None:
            try:
                return read_picture_bytes(self._path / picture.name)
            except PictureError as error:
                raise DataError(error.found, expected=error.expected, fix=error.fix) from error
        try:
            return self._archive.read(picture.name)
        except ZIP_ERRORS as error:
            raise DataError(
                f"{self._path}: {picture.name} cannot be read ({error})",
                expected="a whole picture",
                fix="copy the data set again",
            ) from error

    def _names(self) -> Iterable[str]:
        try:
            if self._path.is_dir():
                return _list_folder(self._path)
            self._archive = zipfile.ZipFile(self._path)
        except DataError:
            raise
        except FileNotFoundError:
            raise DataError(
                f"{self._path} does not exist",
                expected="a folder or .zip of labelled face crops",
                fix="check the path",
            ) from None
        except ZIP_ERRORS as error:
            raise DataError(
                f"{self._path} is no readable ZIP ({error})",
                expected="a folder or .zip of labelled face crops",
                fix="copy the archive again, or name the unpacked folder",
            ) from error
        entries = self._archive.infolist()
        _refuse_unsafe(entries, self._path)
        return (entry.filename for entry in entries if not entry.is_dir())


def _list_folder(folder: Path) -> list[str]:
    try:
        return [f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()]
    except OSError as error:
        raise DataError(
            f"{folder} cannot be listed ({error})",
            expected="a folder that may be read and stays as it is meanwhile",
            fix="check its permissions, and that nothing is writing in it",
        ) from error


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return not hidden and path.suffix.lower() in PICTURE_SUFFIXES


def _classify(names: list[str], where: Path) -> Iterator[LabelledPicture]:
    if not names:
        raise DataError(
            f"{where} holds no pictures", expected=_LAYOUT, fix="check the path and the layout"
        )
    labels: dict[str, str] = {}
    mixed: set[bool] = set()
    for name in names:
        parts = PurePosixPath(name).parts
        if len(parts) < 2 or parts[-2].lower() in SPLITS:
            raise DataError(
                f"{where}: {name} lies in no class folder", expected=_LAYOUT, fix="move it into one"
            )
        folder = parts[-2]
        if folder not in labels:
            try:
                labels[folder] = canonical_label(folder)
            except LabelError as error:
                raise LabelError(
                    f"{where}: folder {'/'.join(parts[:-1])}: {error.found}",
                    expected=error.expected,
                    fix=error.fix,
                ) from None
        split = SPLITS.get(parts[-3].lower()) if len(parts) > 2 else None
        mixed.add(split is None)
        if len(mixed) > 1:
            raise DataError(
                f"{where}: {name} {'lies in no split' if split is None else 'lies in a split'}, "
                "others differ",
                expected=_LAYOUT + " throughout",
                fix="move the class folders to one level",
            )
        yield LabelledPicture(name, labels[folder], split)


def _refuse_unsafe(entries: list[zipfile.ZipInfo], where: Path) -> None:
    """Refuse an archive that reaches outside itself or explodes, before anything is read."""
    total = 0
    for entry in entries:
        name = entry.filename
        path = PurePosixPath(name.replace("\\", "/"))
        outside = path.is_absolute() or ".." in path.parts or ":" in name.partition("/")[0]
        if outside or stat.S_ISLNK(entry.external_attr >> 16):
            raise DataError(
                f"{where}: unsafe name {name!r} in the archive",
                expected="relative names that stay inside it, and no links",
                fix="do not use this archive; pack the pictures again",
            )
        if entry.flag_bits & 1:
            raise DataError(
                f"{where}: {name} is encrypted",
                expected="a plain archive",
                fix="unpack it and name the folder",
            )
        total += entry.file_size
        bomb = entry.file_size > 2**20 and entry.file_size > _MAX_RATIO * entry.compress_size
        if bomb or entry.file_size > MAX_PICTURE_BYTES or total > _MAX_ARCHIVE_BYTES:
            raise DataError(
                f"{where}: {name} would unpack from {entry.compress_size:,} to "
                f"{entry.file_size:,} bytes ({total:,} so far)",
                expected="pictures of an ordinary size",
                fix="do not use this archive",
            )
    if len(entries) > _MAX_ENTRIES:
        raise DataError(
            f"{where}: {len(entries):,} files", expected=f"at most {_MAX_ENTRIES:,}", fix="split it"
        )
