"""FER2013 as its authors published it: a CSV of emotion, pixels and usage.

The files are read row by row. Copies on the web differ in the case and spacing of their header, in
the order of their columns, and in whether they have a Usage column; the pair train.csv and test.csv
of the contest names its splits by file instead. A picture's name ends in its line: line 2, the
first below the header, is for instance "Training/angry/00002".

Source: Goodfellow et al., Challenges in Representation Learning, 2013 (columns, order of emotions).
"""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal, NoReturn

import numpy as np

from fer_edge.shared.data.csv_rows import CsvPath, read_header, read_rows
from fer_edge.shared.data.labelled import SPLITS, Split
from fer_edge.shared.errors import DataError
from fer_edge.shared.labels import label_set
from fer_edge.shared.model.model_file import ZIP_ERRORS
from fer_edge.shared.records import GreyImage
from fer_trainer.data.entries import Entries, Entry

PublicTest = Literal["val", "test", "leave-out"]
"""What the contest's public test half is used for."""

SIDE: Final = 48
EMOTIONS: Final = label_set("fer2013").labels
_EMOTION_NUMBERS: Final = frozenset(map(str, range(len(EMOTIONS))))
_GREY_VALUES: Final = frozenset(map(str, range(256)))
_MAX_FILE_BYTES: Final = 4 * 2**30  # in an archive; FER2013 has 0.3

_log = logging.getLogger(__name__)


class CsvEntries(Entries):
    """The rows of one CSV file, or of one file for each split.

    Args:
        files: Paths by the split that their names stand for, None where they stand for none. A
            Usage column tells more than the name.
        public_test: What rows with Usage PublicTest are used for.

    Raises:
        DataError: A file cannot be read or lacks a column.
    """

    def __init__(self, files: Mapping[Split | None, CsvPath], *, public_test: PublicTest) -> None:
        self._files = dict(files)
        self._usages: dict[str, Split | None] = {
            **SPLITS,
            "publictest": None if public_test == "leave-out" else public_test,
            "privatetest": "test",
        }
        for split, path in files.items():
            columns = read_header(path)
            if "emotion" not in columns and split == "test" and len(files) > 1:
                # The contest published its test pictures without the answers.
                _log.warning("%s has no emotion column; left out", path)
                del self._files[split]
                continue
            for column in ("emotion", "pixels"):
                if column not in columns:
                    raise DataError(
                        f"{path}, line 1: no column {column!r}, only {', '.join(columns)[:200]}",
                        expected="a header with emotion, pixels and, as a rule, Usage",
                        fix="name the original fer2013.csv, or add the header",
                    )

    def close(self) -> None:
        """Close the archive that a file is in, if any; may be called twice."""
        for path in self._files.values():
            if isinstance(path, zipfile.Path):
                path.root.close()

    def __iter__(self) -> Iterator[Entry]:
        for split, path in self._files.items():
            columns = read_header(path)
            for row, (line, cells) in enumerate(read_rows(path)):
                where = f"line {line}" if len(self._files) == 1 else f"{path.name}, line {line}"
                # Spaces were taken off the names, so rows are read by position.
                named = dict(zip(columns, cells, strict=False))
                entry = self._entry(named, row, line, split=split, where=where)
                if entry is not None:
                    yield entry

    def _entry(
        self, cells: Mapping[str, str], row: int, line: int, *, split: Split | None, where: str
    ) -> Entry | None:
        problem, usage = "", cells.get("usage", "").strip()
        emotion = cells.get("emotion", "").strip()
        if emotion not in _EMOTION_NUMBERS:
            problem = f"{where}: emotion {emotion[:20]!r}, not 0 to {len(EMOTIONS) - 1}"
        if "usage" in cells:
            if usage.lower() not in self._usages:
                problem = problem or f"{where}: usage {usage[:20]!r}"
            else:
                split = self._usages[usage.lower()]
                if split is None:
                    return None
        if problem:
            return Entry(where, None, split, partial(_refuse, problem), row)
        label = EMOTIONS[int(emotion)]
        folder = usage or (split or "")
        name = "/".join(part for part in (folder, label, f"{line:05d}") if part)
        return Entry(name, label, split, partial(_decode, cells.get("pixels", ""), where), row)


def find_csv_files(where: Path) -> dict[Split | None, CsvPath]:
    """Find the CSV files with pixels that lie in a folder or archive.

    Returns:
        One file without a split, or files by the split they are named after; empty where there is
        no such file.

    Raises:
        DataError: There are several and their names are no splits.
    """
    try:
        inside = sorted(_list(where), key=lambda path: path.name)
    except DataError:
        raise
    except ZIP_ERRORS:
        return {}  # whoever looks there for pictures says what is wrong
    files = [path for path in inside if _has_pixels(path)]
    splits = [(SPLITS.get(Path(path.name).stem.lower()), path) for path in files]
    if len(files) == 1:
        return dict(splits)
    found = {split: path for split, path in splits if split is not None}
    if len(found) < len(files):
        raise DataError(
            f"{where} holds several CSV files with pixels: "
            + ", ".join(path.name for path in files),
            expected="one, or files named train.csv, val.csv and test.csv",
            fix="name the one to read",
        )
    return {split: found[split] for split in sorted(found)}


def _has_pixels(path: CsvPath) -> bool:
    try:
        return "pixels" in read_header(path)
    except DataError:
        return False  # empty, or no text: some other file


def _list(where: Path) -> Iterator[CsvPath]:
    """Go through the CSV files in a folder, or in an archive and the one folder in it."""
    inside: Sequence[CsvPath] = list(where.iterdir() if where.is_dir() else _open(where).iterdir())
    if not where.is_dir() and len(inside) == 1 and inside[0].is_dir():
        inside = list(inside[0].iterdir())
    return (path for path in inside if path.name.lower().endswith(".csv") and path.is_file())


def _open(archive: Path) -> zipfile.Path:
    opened = zipfile.ZipFile(archive)
    for entry in opened.infolist():
        if entry.filename.lower().endswith(".csv") and entry.file_size > _MAX_FILE_BYTES:
            raise DataError(
                f"{archive}: {entry.filename} would unpack to {entry.file_size:,} bytes",
                expected=f"at most {_MAX_FILE_BYTES:,}",
                fix="do not use this archive",
            )
    return zipfile.Path(opened)


def _decode(text: str, where: str) -> tuple[bytes, GreyImage]:
    words = text.split()
    if len(words) != SIDE * SIDE:
        _refuse(f"{where}: {len(words):,} pixels, not {SIDE * SIDE:,}")
    try:
        pixels = bytes(map(int, words))
    except ValueError:
        wrong = next(word for word in words if word not in _GREY_VALUES)
        _refuse(f"{where}: pixel {wrong[:20]!r}, not 0 to 255")
    return text.encode(), np.frombuffer(pixels, np.uint8).reshape(SIDE, SIDE)


def _refuse(problem: str) -> NoReturn:
    raise DataError(
        problem,
        expected=f"emotion 0 to 6, {SIDE * SIDE:,} pixels of 0 to 255, a known usage",
        fix="copy the file again, or correct the line",
    )
