"""FER+: what ten people saw in each picture, as a soft label.

Two forms are read: the authors' fer2013new.csv, whose rows stand in the order of fer2013.csv
(`Usage, Image name, neutral ... contempt, unknown, NF`), and a table with the path of each picture
(`path, neutral ... NF, ambiguous`).

A single vote counts as a slip and is dropped, as the authors do. A picture is left out when no
expression then has more votes than "unknown" or "not a face", or when its row is marked ambiguous.

Source: Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution, 2016, and the code published with it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import canonical_label, label_set
from fer_trainer.data.csv_files import read_header, read_rows
from fer_trainer.data.entries import Entry

LABELS: Final = label_set("ferplus").labels
NO_VOTES: Final = "no votes"
AMBIGUOUS: Final = "ambiguous"
UNKNOWN: Final = "unknown"
NOT_A_FACE: Final = "not a face"

SoftLabel: TypeAlias = NDArray[np.float32]
"""float32, shape (labels,); sums to 1."""


class Votes:
    """A votes file.

    Args:
        path: The CSV file.
        labels: Canonical names in the network's order; the FER+ ones in any order.

    Attributes:
        name: The file's name.
        sha256: Of the file.

    Raises:
        DataError: The file cannot be read, lacks a column, or has a row that makes no sense.
        LabelError: The labels are others than those of FER+.
    """

    def __init__(self, path: Path, *, labels: Sequence[str]) -> None:
        if sorted(labels) != sorted(LABELS):
            raise LabelError(
                f"votes are given, but the recipe's labels are {', '.join(labels)}",
                expected="the labels of FER+: " + ", ".join(LABELS),
                fix="add --set labels=ferplus, or leave the votes out",
            )
        self._labels = tuple(labels)
        self.name = path.name
        columns = [_column(name) for name in read_header(path)]
        missing = [name for name in (*LABELS, UNKNOWN, NOT_A_FACE) if name not in columns]
        keys = {"path", "image name"} & set(columns)
        if missing or not keys:
            raise DataError(
                f"{path}, line 1: no column for {', '.join(missing) or 'the picture'}",
                expected="path or image name, ten vote columns as in FER+",
                fix="name the original fer2013new.csv, or add the header",
            )
        self._by_row = [_Row(columns, cells, path, line) for line, cells in read_rows(path)]
        self._in_csv_order = "image name" in keys
        names = Counter(PurePosixPath(row.key).name for row in self._by_row)
        self._by_path = {row.key: row for row in self._by_row if row.key}
        self._by_name = {
            name: row
            for row in self._by_row
            if (name := PurePosixPath(row.key).name) and names[name] == 1
        }
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()

    def judge(self, entry: Entry) -> tuple[str, SoftLabel] | str:
        """Return the majority's label and the soft label, or why the picture is left out.

        Where two expressions have the same number of votes, the data set's own label decides if
        it is one of them, else the order of the labels.
        """
        row = self._find(entry)
        if row is None:
            return NO_VOTES
        if row.ambiguous:
            return AMBIGUOUS
        counts = {name: n for name, n in row.votes.items() if n > 1}
        most = max((counts.get(label, 0) for label in LABELS), default=0)
        unknown, not_a_face = counts.get(UNKNOWN, 0), counts.get(NOT_A_FACE, 0)
        if max(unknown, not_a_face) >= most:
            return NOT_A_FACE if not_a_face > unknown else UNKNOWN
        soft = np.array([counts.get(label, 0) for label in self._labels], dtype=np.float32)
        first = [label for label in self._labels if counts.get(label, 0) == most]
        label = entry.label if entry.label in first else first[0]
        return label, soft / soft.sum()

    def doubts(self, entry: Entry) -> bool:
        """Return whether people would not have given a picture its own label.

        None of them chose it, or most took the picture for no face or for nothing they could name.
        """
        row = self._find(entry)
        if row is None or entry.label is None:
            return False
        most = max(row.votes[label] for label in LABELS)
        return (
            not row.votes.get(entry.label) or max(row.votes[UNKNOWN], row.votes[NOT_A_FACE]) > most
        )

    def _find(self, entry: Entry) -> _Row | None:
        if entry.row is None:
            name = PurePosixPath(entry.name).name
            return self._by_path.get(entry.name) or self._by_name.get(name)
        if not self._in_csv_order or entry.row >= len(self._by_row):
            return None
        row = self._by_row[entry.row]
        usage = PurePosixPath(entry.name).parts[0].lower()
        # Without a Usage column the name begins with the label, and position alone must do.
        return row if row.usage in {"", usage} or usage in LABELS else None


class _Row:
    """One picture's votes; expressions by canonical name."""

    __slots__ = ("ambiguous", "key", "usage", "votes")

    def __init__(self, columns: Sequence[str], cells: Sequence[str], path: Path, line: int) -> None:
        named = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        self.key = named.get("path", named.get("image name", ""))
        self.usage = named.get("usage", "").lower()
        self.ambiguous = named.get("ambiguous", "0") not in {"", "0"}
        votes = {name: named.get(name, "") for name in (*LABELS, UNKNOWN, NOT_A_FACE)}
        for name, text in votes.items():
            if not (text.isascii() and text.isdecimal() and len(text) < 6):
                raise DataError(
                    f"{path}, line {line}: {text[:20]!r} votes for {name}",
                    expected="a whole number in each vote column",
                    fix="copy the file again, or correct the line",
                )
        self.votes = {name: int(text) for name, text in votes.items()}


def _column(name: str) -> str:
    """Return the canonical name of a column; what is no expression keeps its own."""
    if name in {"nf", "not face", "not-face"}:
        return NOT_A_FACE
    try:
        return canonical_label(name)
    except LabelError:
        return name
