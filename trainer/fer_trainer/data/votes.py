"""FER+: what ten people saw in each picture, as a soft label.

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

from fer_edge.shared.data.ferplus import (
    EXPRESSIONS,
    NOT_A_FACE,
    UNKNOWN,
    PictureVotes,
    read_votes,
)
from fer_edge.shared.errors import LabelError
from fer_trainer.data.entries import Entry

NO_VOTES: Final = "no votes"
AMBIGUOUS: Final = "ambiguous"

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
        if sorted(labels) != sorted(EXPRESSIONS):
            raise LabelError(
                f"votes are given, but the recipe's labels are {', '.join(labels)}",
                expected="the labels of FER+: " + ", ".join(EXPRESSIONS),
                fix="add --set labels=ferplus, or leave the votes out",
            )
        self._labels = tuple(labels)
        self.name = path.name
        self._by_row = list(read_votes(path))
        names = Counter(PurePosixPath(row.picture).name for row in self._by_row)
        self._by_path = {row.picture: row for row in self._by_row if row.picture}
        self._by_name = {
            name: row
            for row in self._by_row
            if (name := PurePosixPath(row.picture).name) and names[name] == 1
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
        counts = {name: n for name, n in row.counts.items() if n > 1}
        most = max((counts.get(label, 0) for label in EXPRESSIONS), default=0)
        unknown, not_a_face = counts.get(UNKNOWN, 0), counts.get(NOT_A_FACE, 0)
        if max(unknown, not_a_face) >= most:
            return NOT_A_FACE if not_a_face > unknown else UNKNOWN
        soft = np.array([counts.get(label, 0) for label in self._labels], dtype=np.float32)
        first = [label for label in self._labels if counts.get(label, 0) == most]
        label = entry.label if entry.label in first else first[0]
        return label, soft / soft.sum()

    def knows(self, entry: Entry) -> bool:
        """Return whether there is a row on a picture."""
        return self._find(entry) is not None

    def doubts(self, entry: Entry) -> bool:
        """Return whether people would not have given a picture its own label.

        None of them chose it, or most took the picture for no face or for nothing they could name.
        """
        row = self._find(entry)
        if row is None or entry.label is None:
            return False
        most = max(row.counts[label] for label in EXPRESSIONS)
        return (
            not row.counts.get(entry.label)
            or max(row.counts[UNKNOWN], row.counts[NOT_A_FACE]) > most
        )

    def _find(self, entry: Entry) -> PictureVotes | None:
        if entry.row is None:
            name = PurePosixPath(entry.name).name
            return self._by_path.get(entry.name) or self._by_name.get(name)
        row = self._by_row[entry.row] if entry.row < len(self._by_row) else None
        if row is None or row.usage is None:
            return None
        usage = PurePosixPath(entry.name).parts[0].lower()
        # Without a Usage column the name begins with the label, and position alone must do.
        return row if row.usage in {"", usage} or usage in EXPRESSIONS else None
