"""Rows of a CSV file that others wrote, on disk or in an archive, none held longer than needed."""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, TextIO, TypeAlias

from fer_edge.shared.errors import DataError
from fer_edge.shared.model.model_file import ZIP_ERRORS

CsvPath: TypeAlias = Path | zipfile.Path
"""A CSV file on disk or in an archive."""

_MAX_LINE_CHARACTERS: Final = 2**17  # a row of 48x48 pixels has less than 10,000


def read_header(path: CsvPath) -> list[str]:
    """Return a CSV file's column names, without spaces around them and in lower case.

    Raises:
        DataError: It cannot be read, is empty or no text.
    """
    header = next((cells for _, cells in _read(path)), None)
    if header is None:
        raise DataError(f"{path} is empty", expected="a CSV file", fix="copy it again")
    return [cell.strip().lower() for cell in header]


def read_rows(path: CsvPath) -> Iterator[tuple[int, Sequence[str]]]:
    """Go through a CSV file's rows but the header: line number (from 1) and cells.

    Raises:
        DataError: It cannot be read, or has a line without end.
    """
    rows = _read(path)
    next(rows, None)
    return ((line, cells) for line, cells in rows if cells)


def _read(path: CsvPath) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            reader = csv.reader(_lines(file, path))
            for cells in reader:
                yield reader.line_num, cells
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", expected="a CSV file", fix="check the path"
        ) from None
    except DataError:
        raise
    except (csv.Error, *ZIP_ERRORS) as error:
        raise DataError(
            f"{path} cannot be read ({error})", expected="a CSV file", fix="copy it again"
        ) from error


def _lines(file: TextIO, path: CsvPath) -> Iterator[str]:
    """Go through a file's lines, none of which may fill the memory."""
    number = 0
    while line := file.readline(_MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == _MAX_LINE_CHARACTERS:
            raise DataError(
                f"{path}, line {number}: more than {_MAX_LINE_CHARACTERS:,} characters",
                expected="a row of numbers",
                fix="check that this is a CSV file",
            )
        yield line
