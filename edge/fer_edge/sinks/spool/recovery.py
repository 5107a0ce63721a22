"""A damaged spool is put aside, and what can still be read of it is kept."""

import logging
import sqlite3
from contextlib import closing
from pathlib import Path

from fer_edge.sinks.spool.file import Row, SpoolFile, is_damaged

_log = logging.getLogger(__name__)


def open_or_recover(path: Path, *, most_bytes: int) -> tuple[SpoolFile, bool]:
    """Open a spool, or a new one with the readable events of a damaged one.

    Returns:
        The file, and whether the one before was damaged.

    Raises:
        sqlite3.Error: It cannot be opened.
        OSError: It cannot be made, or the damaged one cannot be moved.
        OutputError: It is a database of another program.
    """
    try:
        return SpoolFile(path, most_bytes=most_bytes), False
    except sqlite3.Error as error:
        if not is_damaged(error):
            raise
        damage = str(error)
    rows = _readable_rows(path)
    file = SpoolFile.set_aside(path, most_bytes=most_bytes)
    file.commit(add=rows)
    _log.error(
        "the spool was damaged (%s) and put aside as %s.damaged; %d events could be read",
        damage,
        path,
        len(rows),
    )
    return file, True


def _readable_rows(path: Path) -> list[Row]:
    """Return the rows before and after the damage, in order; the file is not changed.

    A table is a tree: where a part of it is broken, its beginning can be read from one side and its
    end from the other.
    """
    found = {row.position: row for order in ("ASC", "DESC") for row in _scan(path, order)}
    return [found[position] for position in sorted(found)]


def _scan(path: Path, order: str) -> list[Row]:
    rows: list[Row] = []
    query = f"SELECT position, kept_at, payload FROM events ORDER BY position {order}"  # noqa: S608
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            for position, kept_at, payload in db.execute(query):
                if isinstance(kept_at, float) and isinstance(payload, str):
                    rows.append(Row(position, kept_at, payload))
    except sqlite3.Error:
        pass  # as far as it went
    return rows
