"""FER+: what most of ten people saw in each picture, as the truth to judge a model by.

A picture counts where one of the eight expressions has strictly the most of their votes, and at
least five; "unknown" and "not a face" are no expressions. Pictures on which people disagree tell
nothing about a model.

Source: Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced
Label Distribution, 2016.
"""

import csv
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

from fer_edge.shared.errors import DataError, LabelError
from fer_edge.shared.labels import canonical_label, label_set

LEAST_VOTES: Final = 5
_MAX_BYTES: Final = 64 * 2**20


def read_majority(path: Path) -> dict[str, str]:
    """Return the expression that most people saw, by the picture's path inside its data set.

    Args:
        path: A CSV file with the columns path and the eight expressions, as votes of ten people;
            where it has a column ambiguous, rows with another value than 0 are left out.

    Raises:
        DataError: The file cannot be read, lacks a column, or holds what is no vote.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _unusable(path, f"it has more than {_MAX_BYTES:,} bytes")
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            columns = {_expression(name): name for name in reader.fieldnames or ()}
            missing = [
                name for name in ("path", *label_set("ferplus").labels) if name not in columns
            ]
            if missing:
                raise _unusable(path, f"it has no column for {', '.join(missing)}")
            return dict(_rows(reader, columns, path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unusable(path, str(error)) from error


def _rows(
    reader: "csv.DictReader[str]", columns: Mapping[str, str], path: Path
) -> list[tuple[str, str]]:
    seen = []
    for row in reader:
        if (row.get(columns.get("ambiguous", ""), "0") or "0").strip() != "0":
            continue
        try:
            votes = {
                label: int((row[columns[label]] or "").strip())
                for label in label_set("ferplus").labels
            }
        except ValueError as error:
            raise _unusable(path, f"line {reader.line_num}: {error}") from error
        label = max(votes, key=lambda name: votes[name])
        alone = list(votes.values()).count(votes[label]) == 1
        if alone and votes[label] >= LEAST_VOTES:
            seen.append((PurePosixPath(row[columns["path"]] or "").as_posix(), label))
    return seen


def _expression(column: str) -> str:
    try:
        return canonical_label(column)
    except LabelError:
        return column.strip().lower()


def _unusable(path: Path, why: str) -> DataError:
    return DataError(
        f"{path} cannot be used as votes ({why})",
        expected="a CSV file with path, " + ", ".join(label_set("ferplus").labels),
        fix="check the file given as --votes",
    )
