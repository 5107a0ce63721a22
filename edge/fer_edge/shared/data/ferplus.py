"""FER+: what ten people saw in each picture.

Two forms are read: the authors' fer2013new.csv, whose rows stand in the order of fer2013.csv
(`Usage, Image name, neutral ... contempt, unknown, NF`), and a table with the path of each picture
(`path, neutral ... NF, ambiguous`).

Source: Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution, 2016.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from fer_edge.shared.data.csv_rows import read_header, read_rows
from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import canonical_label, label_set

EXPRESSIONS: Final = label_set("ferplus").labels
UNKNOWN: Final = "unknown"
NOT_A_FACE: Final = "not a face"
CHOICES: Final = (*EXPRESSIONS, UNKNOWN, NOT_A_FACE)
"""What each of the ten people could say."""
LEAST_VOTES: Final = 5


@dataclass(frozen=True, slots=True)
class PictureVotes:
    """What people saw in one picture.

    Attributes:
        picture: Its path inside the data set, or its file name; may be empty.
        usage: What fer2013.csv uses it for, in lower case, or "" where that is not said; None in
            a table of paths, whose rows stand in no order that matters.
        ambiguous: Marked as a picture that tells nothing.
        counts: Votes by what was said.
    """

    picture: str
    usage: str | None
    ambiguous: bool
    counts: Mapping[str, int]

    def majority(self) -> str | None:
        """Return the expression with strictly the most, and at least five, of the votes.

        "Unknown" and "not a face" are no expressions. Pictures on which people disagree tell
        nothing about a model: None.
        """
        counts = [self.counts[label] for label in EXPRESSIONS]
        most = max(counts)
        if self.ambiguous or most < LEAST_VOTES or counts.count(most) > 1:
            return None
        return EXPRESSIONS[counts.index(most)]


def read_majority(path: Path) -> dict[str, str]:
    """Return the expression that most people saw, by the picture's path inside its data set.

    Args:
        path: A CSV file with the columns path and the eight expressions, as votes of ten people;
            where it has a column ambiguous, rows with another value than 0 are left out.

    Raises:
        DataError: As `read_votes` says.
    """
    return {
        PurePosixPath(row.picture).as_posix(): label
        for row in read_votes(path, needed=("path", *EXPRESSIONS))
        if (label := row.majority())
    }


def read_votes(path: Path, *, needed: Sequence[str] = CHOICES) -> Iterator[PictureVotes]:
    """Go through the rows of a votes file.

    Args:
        path: The CSV file.
        needed: Columns without which it is of no use.

    Raises:
        DataError: The file cannot be read, lacks a column, or has a row that makes no sense.
    """
    columns = [_column(name) for name in read_header(path)]
    missing = [name for name in needed if name not in columns]
    if missing or not {"path", "image name"} & set(columns):
        raise DataError(
            f"{path}, line 1: no column for {', '.join(missing) or 'the picture'}",
            expected="path or image name, ten vote columns as in FER+",
            fix="name the original fer2013new.csv, or add the header",
        )
    for line, cells in read_rows(path):
        named = dict(zip(columns, (cell.strip() for cell in cells), strict=False))
        yield PictureVotes(
            named.get("path", named.get("image name", "")),
            named.get("usage", "").lower() if "image name" in columns else None,
            named.get("ambiguous", "0") not in {"", "0"},
            {
                name: _count(named.get(name, ""), name, where=f"{path}, line {line}")
                for name in CHOICES
                if name in columns
            },
        )


def _count(text: str, name: str, *, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise DataError(
            f"{where}: {text[:20]!r} votes for {name}",
            expected="a whole number in each vote column",
            fix="copy the file again, or correct the line",
        )
    return int(text)


def _column(name: str) -> str:
    """Return the canonical name of a column; what is no expression keeps its own."""
    if name in {"nf", "not face", "not-face"}:
        return NOT_A_FACE
    try:
        return canonical_label(name)
    except LabelError:
        return name
