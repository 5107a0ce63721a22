"""FER2013 as its authors published it: a CSV of emotion, pixels and usage.

The emotion is a number, in the contest's order; a word stands for itself.

The files are read row by row. Copies on the web differ in the case and spacing of their header, in
the order of their columns, and in whether they have a Usage column; the pair train.csv and test.csv
of the contest names its splits by file instead. A picture's name ends in its line: line 2, the
first below the header, is for instance "Training/angry/00002".

Source: Goodfellow et al., Challenges in Representation Learning, 2013 (columns, order of emotions).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Final, Literal, NoReturn, TypeAlias

import numpy as np

from fer_edge.shared.data.containers import Member, SingleFile, Skipped
from fer_edge.shared.data.csv_rows import read_header, read_rows
from fer_edge.shared.data.files import DataFiles, log_skipped
from fer_edge.shared.data.labelled import mixed
from fer_edge.shared.data.layout import PublicTest, Split, arrange, split_of
from fer_edge.shared.errors import DataError, FerError, LabelError
from fer_edge.shared.labels import KNOWN_EXPRESSIONS, Vocabulary, complaint_about, label_set
from fer_edge.shared.records import GreyImage
from fer_trainer.data.entries import Entries, Entry

SIDE: Final = 48
EMOTIONS: Final = label_set("fer2013").labels
_EMOTION_NUMBERS: Final = frozenset(map(str, range(len(EMOTIONS))))
_GREY_VALUES: Final = frozenset(map(str, range(256)))
_MOST_MEANINGS: Final = 1000
_MAX_USAGE: Final = 40  # characters; what is longer names no split
_BESIDE: Final = "a picture beside the CSV files"
_AS_SET: Final = "left out as data.public_test says"
_DROPPED: Final = "left out as labels.drop says"
_WHOSE: Final = {_AS_SET: " of Usage PublicTest", _DROPPED: ""}
_UNANSWERED: Final = "no emotion column"
_Named: TypeAlias = Split | Literal["leave-out"] | None


class CsvEntries(Entries):
    """The rows of one CSV file, or of one file for each split.

    Args:
        files: Of the data set; those with pixels are read, the others are skipped.
        public_test: What rows with Usage PublicTest, or a file of that name, are used for.
        problems: Where given, pictures beside the files are a problem that is added here, and
            an error otherwise.
        vocabulary: What emotions mean.

    Raises:
        DataError: There are several files and their names are no splits, a file cannot be read or
            lacks a column, or there are labelled pictures, too.
    """

    def __init__(
        self,
        files: DataFiles,
        *,
        public_test: PublicTest,
        problems: list[FerError] | None,
        vocabulary: Vocabulary = KNOWN_EXPRESSIONS,
    ) -> None:
        self._data = files
        self._vocabulary = vocabulary
        self._meanings: dict[str, str | None] = {}
        self._public_test: PublicTest = public_test
        named = _by_split(files, public_test)
        aside = [table for table, split in named if split == "leave-out"]
        unanswered = [table for table, split in named if split == "test" and _lacks(table, named)]
        self._tables = [
            (table, split)
            for table, split in named
            if split != "leave-out" and table not in unanswered
        ]
        for table, _ in self._tables:
            _check_columns(table)
        if arrange(files.pictures).pictures:
            if problems is None:
                raise mixed(files)
            problems.append(mixed(files))
        self._files_skipped = [
            *files.skipped,
            *(Skipped(table.name, _UNANSWERED) for table in unanswered),
            *(Skipped(table.name, _AS_SET) for table in aside),
            *(Skipped(name, _BESIDE) for name in files.pictures),
        ]
        self.skipped = self._files_skipped
        if problems is None:
            log_skipped(self.skipped, files.container.path)

    def advise(self) -> str:
        """Return what to do about a data set that has splits, but no test pictures."""
        return "name a file with rows of Usage PrivateTest, or one without that column"

    def close(self) -> None:
        """Close the archive that a file is in, if any; may be called twice."""
        self._data.close()

    def __iter__(self) -> Iterator[Entry]:
        left_out = Counter[str]()
        splits = Counter(split for _, split in self._tables)
        for table, split in self._tables:
            # Two halves of one part are told apart by their files' names.
            folder = split if splits[split] == 1 else PurePosixPath(table.name).stem
            columns = read_header(table)
            for row, (line, cells) in enumerate(read_rows(table)):
                where = f"line {line}" if len(self._tables) == 1 else f"{_file(table)}, line {line}"
                # Spaces were taken off the names, so rows are read by position.
                named = dict(zip(columns, cells, strict=False))
                entry = self._entry(named, row, line, split=split, where=where, folder=folder or "")
                if isinstance(entry, Entry):
                    yield entry
                else:
                    left_out[entry] += 1
        rows = [Skipped(f"{n:,} rows{_WHOSE[why]}", why) for why, n in left_out.items()]
        self.skipped = [*self._files_skipped, *rows]

    def names(self) -> Iterator[str]:
        """Yield what the emotions are called, once each; what is none is passed over."""
        found = set[str]()
        for table, _ in self._tables:
            column = read_header(table).index("emotion")
            for _, cells in read_rows(table):
                emotion = cells[column].strip() if column < len(cells) else ""
                if emotion in found:
                    continue
                found.add(emotion)
                name = _named(emotion)
                if name and not complaint_about(name):
                    yield name

    def _meaning(self, emotion: str) -> str | None:
        """Return an emotion's label; None where it is to be left out, "" where it is none."""
        if emotion not in self._meanings:
            if len(self._meanings) > _MOST_MEANINGS:
                self._meanings.clear()
            try:
                self._meanings[emotion] = self._vocabulary.find(_named(emotion))
            except LabelError:
                self._meanings[emotion] = ""
        return self._meanings[emotion]

    def _entry(
        self, cells: Mapping[str, str], row: int, line: int, *, split: Split | None, where: str,
        folder: str,
    ) -> Entry | str:  # fmt: skip
        """Return the picture of a row, or why it is left out."""
        problem, usage = "", cells.get("usage", "").strip()
        emotion = cells.get("emotion", "").strip()
        label = self._meaning(emotion)
        if label is None:
            return _DROPPED
        if not label:
            problem = f"{where}: emotion {emotion[:20]!r}, not 0 to {len(EMOTIONS) - 1}"
        if "usage" in cells:
            named = split_of(usage[:_MAX_USAGE], public_test=self._public_test)
            if named == "leave-out":
                return _AS_SET
            split = named
            if split is None:
                problem = problem or f"{where}: usage {usage[:20]!r}"
        if problem:
            return Entry(where, None, split, partial(_refuse, problem), row)
        called = _named(emotion)
        name = "/".join(part for part in (usage or folder, called, f"{line:05d}") if part)
        return Entry(name, label, split, partial(_decode, cells.get("pixels", ""), where), row)


def _named(emotion: str) -> str:
    """Return what an emotion is called: by its number in the contest, or as the cell says."""
    return EMOTIONS[int(emotion)] if emotion in _EMOTION_NUMBERS else emotion


def _by_split(files: DataFiles, public_test: PublicTest) -> list[tuple[Member, _Named]]:
    """Return the one file, or files with the split that each is named after."""
    tables = [Member(files.container, name) for name in files.tables]
    if isinstance(files.container, SingleFile):
        return [(tables[0], None)]
    usual = {_split_of_file(table, "val") for table in tables}
    if len(tables) > 1 and (None in usual or len(usual) < len(tables)):
        raise DataError(
            f"{files.container.path} holds several CSV files with pixels: "
            + ", ".join(files.tables),
            expected="one, or files named train.csv, val.csv and test.csv",
            fix=files.container.advise(files.tables[0]),
        )
    named = [(table, _split_of_file(table, public_test)) for table in tables]
    return sorted(named, key=lambda each: str(each[1]))


def _split_of_file(table: Member, public_test: PublicTest) -> _Named:
    return split_of(PurePosixPath(table.name).stem, public_test=public_test)


def _lacks(table: Member, tables: Sequence[object]) -> bool:
    """Say whether one file of several has no answers, as the contest published its test."""
    return len(tables) > 1 and "emotion" not in read_header(table)


def _file(table: Member) -> str:
    return PurePosixPath(table.name).name


def _check_columns(table: Member) -> None:
    columns = read_header(table)
    for column in ("emotion", "pixels"):
        if column not in columns:
            raise DataError(
                f"{table}, line 1: no column {column!r}, only {', '.join(columns)[:200]}",
                expected="a header with emotion, pixels and, as a rule, Usage",
                fix="name the original fer2013.csv, or add the header",
            )


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
        expected=f"emotion 0 to 6 or a word, {SIDE * SIDE:,} pixels of 0 to 255, a known usage",
        fix="copy the file again, or correct the line",
    )
