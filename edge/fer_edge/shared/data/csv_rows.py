"""Rows of a CSV file that others wrote, on disk or in an archive, none held longer than needed."""

import csv
import io
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, TextIO, TypeAlias

from fer_edge.shared.data.archives import ARCHIVE_ERRORS
from fer_edge.shared.data.containers import Member
from fer_edge.shared.errors import DataError
from fer_edge.shared.named_files import open_named

CsvPath: TypeAlias = Path | Member
"""A CSV file on disk or in an archive."""

_DELIMITERS: Final = ";\t"
"""Of spreadsheets that write no commas."""

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
        with io.TextIOWrapper(_open(path), "utf-8-sig", errors="replace", newline="") as file:
            lines = _lines(file, path)
            header = next(lines, "")
            reader = csv.reader(
                chain([header] if header else [], lines), delimiter=_between(header)
            )
            for cells in reader:
                yield reader.line_num, cells
    except FileNotFoundError:
        raise DataError(
            f"{path} does not exist", expected="a CSV file", fix="check the path"
        ) from None
    except DataError:
        raise
    except (csv.Error, *ARCHIVE_ERRORS) as error:
        raise DataError(
            f"{path} cannot be read ({error})", expected="a CSV file", fix="copy it again"
        ) from error


def _open(path: CsvPath) -> BinaryIO:
    return path.open_binary() if isinstance(path, Member) else open_named(path)


def _between(header: str) -> str:
    """Return what stands between the cells, as the header shows it."""
    return "," if "," in header else next((sign for sign in _DELIMITERS if sign in header), ",")


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
