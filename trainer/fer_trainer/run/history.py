"""Read `history.csv` of a run again: what was recorded as each epoch ended."""

import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from fer_edge.shared.errors import ModelError

_AGAIN: Final = "copy the run again, or train again"
_EPOCH: Final = re.compile(r"[0-9]{1,9}")


def read_history(path: Path) -> dict[str, list[float]]:
    """Return the columns of `history.csv` that hold a number in every line.

    Raises:
        ModelError: It is missing or damaged.
    """
    columns: dict[str, list[float]] = {}
    try:
        rows = _read_rows(path)
    except (OSError, ValueError, csv.Error) as error:
        raise ModelError(
            f"{path} cannot be read ({type(error).__name__}: {error})",
            expected="the file as `fer-train fit` writes it",
            fix=_AGAIN,
        ) from error
    for name in rows[0] if rows else ():
        try:
            columns[name] = [float(row[name]) for row in rows]
        except (TypeError, ValueError):
            continue
    return columns


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for number, row in enumerate(rows, start=1):
        # A figure that could not be measured leaves its cell empty, and none out.
        if None in row or None in row.values() or not _EPOCH.fullmatch(row.get("epoch", "")):
            raise ValueError(f"the line of epoch {number} is damaged")
    return rows


def best_validation(history: Mapping[str, Sequence[float]]) -> tuple[int, float] | None:
    """Return the epoch of the highest validation accuracy, and that; None before the first epoch.

    Args:
        history: As `read_history` returns it.
    """
    accuracies = history.get("val_accuracy", ())
    if not accuracies:
        return None
    best = max(range(len(accuracies)), key=accuracies.__getitem__)
    return int(history["epoch"][best]), accuracies[best]
