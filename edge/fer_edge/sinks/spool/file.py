"""The file of the spool: SQLite in WAL mode, used by one process, recovered where it is damaged."""

import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError

_VERSION: Final = 1  # user_version of the database
_PAGE_BYTES: Final = 1024  # a commit writes whole pages, and an event is smaller than one
_FRAME_BYTES: Final = _PAGE_BYTES + 24  # a page in the WAL with its header
_BLOCK_BYTES: Final = 4096  # what a file system writes at least
_MOST_WAL_BYTES: Final = 1 << 20  # to which a WAL that grew larger is cut
_FILE_FACTOR: Final = 2  # how much larger than its events the file may get
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

_SCHEMA: Final = f"""
BEGIN;
CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    kept_at REAL NOT NULL,
    payload TEXT NOT NULL
);
CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
COMMIT;
"""
_log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One event in the file.

    Attributes:
        position: Rises from event to event, and is never given again.
        kept_at: Wall clock, seconds since the epoch; what the age is counted from.
        payload: The message.
    """

    position: int
    kept_at: float
    payload: str

    @property
    def size(self) -> int:
        """Bytes that the row takes, about."""
        return len(self.payload.encode()) + 20


class Extent(NamedTuple):
    """How much there is.

    Attributes:
        rows: Number of events.
        bytes: Their size, about.
        last: Highest position; 0 without any.
    """

    rows: int
    bytes: int
    last: int


class Removed(NamedTuple):
    """What a commit removed.

    Attributes:
        rows: Number of events.
        bytes: Their size, about.
    """

    rows: int
    bytes: int


def is_damaged(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file's content is broken."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED


class SpoolFile(Closing):
    """Events in order, and counters, in one SQLite file.

    A commit is written, but not synchronised: it survives the death of the process at once, and a
    power cut from the next `checkpoint` on. Callers take turns, but for `checkpoint`, which may
    run beside the other methods.

    Args:
        path: The file; made where it does not exist.
        most_bytes: Of events; the file never gets much larger than that.

    Raises:
        sqlite3.Error: It cannot be opened, or is no sound spool (`is_damaged`).
        OSError: It cannot be made.
        OutputError: It is a database of another program.
    """

    def __init__(self, path: Path, *, most_bytes: int) -> None:
        # Made here, so that nobody else may read it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        self._inode = path.stat().st_ino
        self._path = path
        self._frames = 0
        self._all_copied = True
        self._db = self._connect()
        try:
            self._prepare(most_bytes, is_new=self._is_new())
            self._sync_db = self._connect()
        except BaseException:
            self._db.close()
            raise

    @classmethod
    def set_aside(cls, path: Path, *, most_bytes: int) -> Self:
        """Put a damaged file aside as NAME.damaged, in the place of an older one; open a new one.

        Raises:
            sqlite3.Error: The new one cannot be opened.
            OSError: The old one cannot be moved.
        """
        os.replace(path, f"{path}.damaged")  # noqa: PTH105 - the target is no file of ours to name
        for suffix in ("-wal", "-shm"):
            with suppress(FileNotFoundError):
                os.replace(f"{path}{suffix}", f"{path}.damaged{suffix}")  # noqa: PTH105
        return cls(path, most_bytes=most_bytes)

    def is_in_place(self) -> bool:
        """Return whether the file is still where it was; somebody may have removed it."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def extent(self) -> Extent:
        """Return how much there is, by reading all of it."""
        found = self._db.execute(
            "SELECT count(*), coalesce(sum(length(CAST(payload AS BLOB)) + 20), 0),"
            " coalesce(max(position), 0) FROM events"
        ).fetchone()
        return Extent(*found)

    def counters(self) -> dict[str, int]:
        """Return every counter."""
        return dict(self._db.execute("SELECT name, value FROM counters"))

    def read(self, after: int, limit: int) -> list[Row]:
        """Return the lowest rows above a position."""
        rows = self._db.execute(
            "SELECT position, kept_at, payload FROM events WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (after, limit),
        )
        return [Row(*row) for row in rows]

    def commit(
        self,
        *,
        add: Sequence[Row] = (),
        remove: Iterable[int] = (),
        counters: Mapping[str, int] | None = None,
    ) -> Removed:
        """Add and remove rows and set counters, all or nothing.

        Returns:
            What was removed; a position that is not there counts nothing.

        Raises:
            sqlite3.Error: The disk is full or fails, or the file is damaged; nothing is changed.
        """
        self._db.execute("BEGIN IMMEDIATE")
        try:
            sizes = [size for position in remove for (size,) in self._remove(position)]
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?)", add)
            self._db.executemany(
                "INSERT INTO counters VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                (counters or {}).items(),
            )
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise
        return Removed(len(sizes), sum(sizes))

    def _remove(self, position: int) -> list[tuple[int]]:
        return self._db.execute(
            "DELETE FROM events WHERE position = ? RETURNING length(CAST(payload AS BLOB)) + 20",
            (position,),
        ).fetchall()

    def shift_ages(self, seconds: float, *, since: int) -> None:
        """Move the time of the rows from a position on: the clock by which it was told was wrong.

        Raises:
            sqlite3.Error: As `commit` says.
        """
        self._db.execute(
            "UPDATE events SET kept_at = kept_at + ? WHERE position >= ?", (seconds, since)
        )

    def checkpoint(self) -> int:
        """Bring all that was committed safely onto the disk.

        Returns:
            Bytes that reached the disk for it since the last call, at most; not what the file
            system writes for its own sake.

        Raises:
            sqlite3.Error: The disk is full or fails.
        """
        query = "PRAGMA wal_checkpoint(PASSIVE)"
        frames: int
        _, frames, copied = self._sync_db.execute(query).fetchone()
        # Once all is copied, the next commit writes from the beginning of the WAL again.
        new = frames if self._all_copied else frames - self._frames
        self._frames, self._all_copied = frames, frames == copied
        if new <= 0:
            return 0
        pages: int = self._sync_db.execute("PRAGMA page_count").fetchone()[0]
        # In the WAL pages lie together, in the file each may lie in a block of its own.
        wal_blocks = -(-new * _FRAME_BYTES // _BLOCK_BYTES) + 1
        file_blocks = min(new, -(-pages * _PAGE_BYTES // _BLOCK_BYTES))
        return (wal_blocks + file_blocks) * _BLOCK_BYTES

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._sync_db.close()
        self._db.close()

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
        try:
            db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute(f"PRAGMA journal_size_limit = {_MOST_WAL_BYTES}")
        except BaseException:
            db.close()
            raise
        return db

    def _is_new(self) -> bool:
        """Return whether the file is empty; refuse a database of others before it is touched."""
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if version not in {0, _VERSION} or (version == 0 and tables):
            raise OutputError(
                f"{self._path} is a database, but no spool of this version",
                expected="a file of fer-edge's own",
                fix="name another file as events.spool, or move this one away",
            )
        return bool(version == 0)

    def _prepare(self, most_bytes: int, *, is_new: bool) -> None:
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA max_page_count = {_FILE_FACTOR * most_bytes // _PAGE_BYTES + 64}")
        if is_new:
            self._db.executescript(_SCHEMA)
            return
        (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            error = sqlite3.DatabaseError(said)
            error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise error


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
