"""The file of the spool: SQLite in WAL mode, used by one process, recovered where it is damaged."""

import logging
import os
import sqlite3
import stat
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.sinks.spool.row import COUNTERS, MOST, MOST_KEPT_AT, MOST_RUN_MS, Row
from fer_edge.sinks.spool.salvage import PAGE_BYTES, Salvaged, salvage

_VERSION: Final = 1  # user_version of the database
_FRAME_BYTES: Final = PAGE_BYTES + 24  # a page in the WAL with its header
_BLOCK_BYTES: Final = 4096  # what a file system writes at least
_MOST_WAL_BYTES: Final = 1 << 20  # to which a WAL that grew larger is cut
_FILE_FACTOR: Final = 2  # how much larger than its events the file may get
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_TABLES: Final = {
    "events": """CREATE TABLE events (
    position INTEGER PRIMARY KEY,
    kept_at REAL NOT NULL,
    payload TEXT NOT NULL
)""",
    "counters": """CREATE TABLE counters (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID""",
}
_SCHEMA: Final = f"BEGIN; {'; '.join(_TABLES.values())}; PRAGMA user_version = {_VERSION}; COMMIT;"
_NAMES: Final = ", ".join(f"'{name}'" for name in COUNTERS)
_UNSOUND: Final = f"""
SELECT 'event ' || position FROM events
WHERE position NOT BETWEEN 1 AND {MOST - 1} OR typeof(payload) <> 'text'
    OR typeof(kept_at) <> 'real' OR abs(kept_at) >= {MOST_KEPT_AT}
UNION ALL
SELECT 'counter ' || name FROM counters
WHERE name IN ({_NAMES}) AND (typeof(value) <> 'integer'
    OR value NOT BETWEEN 0 AND iif(name = 'run_ms', {MOST_RUN_MS - 1}, {MOST - 1}))
LIMIT 1
"""  # noqa: S608 - made of our own names
# Another value each time: what would change nothing, SQLite does not write.
_BEGIN_LOG: Final = (
    "INSERT INTO counters VALUES ('log', 1) ON CONFLICT (name) DO UPDATE SET value = 1 - value"
)
_log = logging.getLogger(__name__)


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
    code = getattr(error, "sqlite_errorcode", 0)
    return code & 0xFF in _DAMAGED or code == sqlite3.SQLITE_IOERR_SHORT_READ


def _text(position: int, payload: bytes) -> str:
    try:
        return payload.decode()
    except UnicodeDecodeError as error:
        raise _damage(f"event {position} is no text") from error


def _damage(what: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(what)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


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
        self._path = path
        self._frames = 0
        self._all_copied = True
        is_new = _make(path)
        with suppress(FileNotFoundError):  # of a version that had the index of the WAL in a file
            Path(f"{path}-shm").unlink()
        try:
            self._inode = path.stat().st_ino
            self._db = self._connect()
            try:
                self._prepare(most_bytes)
                self._sync_db = self._connect()
            except BaseException:
                self._db.close()
                raise
        except BaseException:
            with suppress(OSError):
                if is_new and not path.stat().st_size:
                    path.unlink()  # an empty one would be taken for one that has lost all
            raise

    def is_in_place(self) -> bool:
        """Return whether the file is still where it was; somebody may have removed it."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def extent(self) -> Extent:
        """Return how much there is."""
        found = self._db.execute(
            "SELECT count(*), coalesce(sum(length(CAST(payload AS BLOB)) + 20), 0),"
            " coalesce(max(position), 0) FROM events"
        ).fetchone()
        return Extent(*found)

    def counters(self) -> dict[str, int]:
        """Return every counter."""
        query = f"SELECT name, value FROM counters WHERE name IN ({_NAMES})"  # noqa: S608
        return dict(self._db.execute(query))

    def read(self, after: int, limit: int) -> list[Row]:
        """Return the lowest rows above a position.

        Raises:
            sqlite3.Error: They cannot be read.
        """
        rows = self._db.execute(
            "SELECT position, CAST(payload AS BLOB), kept_at FROM events WHERE position > ?"
            " ORDER BY position LIMIT ?",
            (after, limit),
        )
        return [Row(position, kept_at, _text(position, text)) for position, text, kept_at in rows]

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
        with self._transaction():
            sizes = [size for position in remove for (size,) in self._remove(position)]
            self._db.executemany("INSERT INTO events VALUES (?, ?, ?)", add)
            self._count(counters or {})
        return Removed(len(sizes), sum(sizes))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            raise

    def _count(self, counters: Mapping[str, int]) -> None:
        self._db.executemany(
            "INSERT INTO counters VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            counters.items(),
        )

    def _remove(self, position: int) -> list[tuple[int]]:
        return self._db.execute(
            "DELETE FROM events WHERE position = ? RETURNING length(CAST(payload AS BLOB)) + 20",
            (position,),
        ).fetchall()

    def shift_ages(self, seconds: float, *, since: int, counters: Mapping[str, int]) -> None:
        """Move the time of the rows from a position on: the clock by which it was told was wrong.

        Args:
            seconds: By which they are moved.
            since: The first of them.
            counters: What is set with it.

        Raises:
            sqlite3.Error: As `commit` says.
        """
        with self._transaction():
            self._db.execute(
                "UPDATE events SET kept_at = kept_at + ? WHERE position >= ?", (seconds, since)
            )
            self._count(counters)

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
        if new > 0 and self._all_copied:
            # The first commit in a new log waits for the disk, until it has the log's header. So
            # this one is it, and nobody's event.
            with suppress(sqlite3.OperationalError):  # then it is somebody's
                self._sync_db.execute(_BEGIN_LOG)
        if new <= 0:
            return 0
        pages: int = self._sync_db.execute("PRAGMA page_count").fetchone()[0]
        # In the WAL pages lie together, in the file each may lie in a block of its own.
        wal_blocks = -(-new * _FRAME_BYTES // _BLOCK_BYTES) + 1
        file_blocks = min(new, -(-pages * PAGE_BYTES // _BLOCK_BYTES))
        return (wal_blocks + file_blocks) * _BLOCK_BYTES

    def close(self) -> None:
        """Close the file; may be called twice."""
        self._sync_db.close()
        self._db.close()

    def _connect(self) -> sqlite3.Connection:
        # The VFS keeps the index of the WAL in memory. A file of it, mapped, would end the process
        # with SIGBUS where somebody cuts it.
        address = f"{self._path.absolute().as_uri()}?vfs=unix-excl"
        db = sqlite3.connect(
            address, uri=True, timeout=1.0, isolation_level=None, check_same_thread=False
        )
        # Texts of the schema may be broken, too; those of events are decoded where they are read.
        db.text_factory = lambda data: data.decode(errors="replace")
        try:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute(f"PRAGMA journal_size_limit = {_MOST_WAL_BYTES}")
        except BaseException:
            db.close()
            raise
        return db

    def _prepare(self, most_bytes: int) -> None:
        is_new = self._is_new()  # refuses a database of others before it is touched
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA max_page_count = {_FILE_FACTOR * most_bytes // PAGE_BYTES + 64}")
        if is_new:
            self._db.executescript(_SCHEMA)
            return
        (said,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise _damage(said)
        if unsound := self._db.execute(_UNSOUND).fetchone():
            raise _damage(f"{unsound[0]} holds what no spool writes")
        self._check_texts()

    def _check_texts(self) -> None:
        """Decode every event, which nothing else does before it is sent.

        Raises:
            sqlite3.Error: One is no text.
        """
        lenient, self._db.text_factory = self._db.text_factory, str
        try:
            deque(self._db.execute("SELECT payload FROM events"), maxlen=0)
        except sqlite3.OperationalError as error:
            if hasattr(error, "sqlite_errorcode"):  # SQLite's own, and not of the decoder
                raise
            raise _damage("an event is no text") from error
        finally:
            self._db.text_factory = lenient

    def _is_new(self) -> bool:
        """Return whether nothing is in it yet.

        Raises:
            sqlite3.Error: It is a spool whose tables are not as they were made.
            OutputError: It is a database of another program.
        """
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        (pages,) = self._db.execute("PRAGMA page_count").fetchone()
        found = dict(self._db.execute("SELECT name, sql FROM sqlite_master").fetchall())
        if version == _VERSION and found == _TABLES:
            return False
        if version == 0 and not found and pages <= 1:
            return True
        is_ours = version == _VERSION and not (found and found.keys().isdisjoint(_TABLES))
        if found != _TABLES and not is_ours and (found or version):
            raise OutputError(
                f"{self._path} is a database, but no spool of this version",
                expected="a file of fer-edge's own",
                fix="name another file as events.spool, or move this one away",
            )
        raise _damage("its tables are not those of a spool")


def _make(path: Path) -> bool:
    """Make the file where there is none, so that nobody else may read it; return whether it was.

    Raises:
        sqlite3.Error: It has lost what it held.
        OSError: It cannot be made.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        found = path.stat()
        if not found.st_size and stat.S_ISREG(found.st_mode):
            raise _damage("it is empty") from None
        return False
    if os.path.lexists(f"{path}-wal"):
        raise _damage("only its write-ahead log is there")
    return True


def open_or_recover(path: Path, *, most_bytes: int) -> tuple[SpoolFile, bool]:
    """Open a spool, or a new one with the readable events of a damaged one.

    Returns:
        The file, and whether the one before was damaged.

    Raises:
        sqlite3.Error: It cannot be opened, or the disk takes no new one; then a damaged one stays.
        OSError: It cannot be made, or the damaged one cannot be moved.
        OutputError: It is a database of another program.
    """
    try:
        return SpoolFile(path, most_bytes=most_bytes), False
    except UnicodeDecodeError:  # of a message of SQLite's, with broken names in it
        damage = "its schema is no text"
    except sqlite3.Error as error:
        if not is_damaged(error):
            raise
        damage = " ".join(str(error).split())
    found = salvage(path, most_bytes=most_bytes)
    _replace(path, found, most_bytes=most_bytes)
    _log.error(
        "the spool was damaged (%s) and put aside as %s.damaged; %d events could be read",
        damage,
        path,
        len(found.rows),
    )
    return SpoolFile(path, most_bytes=most_bytes), True


def _replace(path: Path, found: Salvaged, *, most_bytes: int) -> None:
    """Put a damaged file aside as NAME.damaged, and one with what was found in its place.

    Nothing is moved before the disk has taken all that was found.

    Raises:
        sqlite3.Error: The new one cannot be written.
        OSError: The old one cannot be moved.
    """
    new = Path(f"{path}.new")
    _remove(new)  # of an attempt that was ended
    try:
        with SpoolFile(new, most_bytes=most_bytes) as file:
            file.commit(add=found.rows, counters=found.counters)
            file.checkpoint()
        _move(path, Path(f"{path}.damaged"))
        _move(new, path)
    finally:
        _remove(new)


def _move(path: Path, target: Path) -> None:
    """Move a spool with its write-ahead log, in the place of another."""
    _remove(target)
    for suffix in ("-wal", ""):
        with suppress(FileNotFoundError):
            Path(f"{path}{suffix}").replace(f"{target}{suffix}")


def _remove(path: Path) -> None:
    for suffix in ("-wal", ""):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
