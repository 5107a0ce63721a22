"""What can still be read of a damaged spool."""

import sqlite3
from contextlib import closing
from pathlib import Path

from fer_edge.sinks.spool_file import Row


def readable_rows(path: Path) -> list[Row]:
    """Return the rows before and after the damage, in order; the file is not changed.

    A table is a tree: where a part of it is broken, its beginning can be read from one side and its
    end from the other.
    """
    found = {row.position: row for upwards in (True, False) for row in _scan(path, upwards)}
    return [found[position] for position in sorted(found)]


def _scan(path: Path, upwards: bool) -> list[Row]:
    order = "ASC" if upwards else "DESC"
    rows: list[Row] = []
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            for position, kept_at, payload in db.execute(
                f"SELECT position, kept_at, payload FROM events ORDER BY position {order}"  # noqa: S608
            ):
                if isinstance(kept_at, float) and isinstance(payload, str):
                    rows.append(Row(position, kept_at, payload))
    except sqlite3.Error:
        pass  # as far as it went
    return rows
