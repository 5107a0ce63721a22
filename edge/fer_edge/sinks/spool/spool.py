"""Events that wait for their delivery: on disk, in order, within bounds."""

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.sinks.spool.boot import boot_number
from fer_edge.sinks.spool.file import SpoolFile, is_damaged, open_or_recover
from fer_edge.sinks.spool.ids import EventIds
from fer_edge.sinks.spool.lock import SpoolLock
from fer_edge.sinks.spool.row import MOST, Row
from fer_edge.sinks.spool.write_budget import WriteBudget
from fer_edge.state.records import Figure

_MOST_OVERFLOW: Final = 1000  # events that wait in memory while the file takes none
_DELIVERED_BATCH: Final = 50  # delivered events that are removed in one commit
_COMMIT_BYTES: Final = 4096  # foreseen of the budget for one commit, until it is measured
_CHUNK: Final = 64
_CLOCK_JUMP_SECONDS: Final = 60.0

_TIMES_WRITTEN: Final = 3  # in the log, in the file, and pages that are not full
_USED_UP: Final = "the day's budget of writes is used up; events wait in memory"

_log = logging.getLogger(__name__)


def _cost(rows: Sequence[Row]) -> int:
    """Return what one commit of these is foreseen to cost of the budget, in bytes."""
    most = _TIMES_WRITTEN * sum(row.size for row in rows)
    return _COMMIT_BYTES if len(rows) <= 1 else _COMMIT_BYTES + most


class Overflow:
    """A bounded queue; the oldest go first.

    Args:
        most: Events that it holds.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._rows: deque[Row] = deque()

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def add(self, row: Row) -> bool:
        """Take an event; return whether the oldest was dropped for it."""
        self._rows.append(row)
        if len(self._rows) <= self._most:
            return False
        self._rows.popleft()
        return True

    def after(self, position: int) -> list[Row]:
        """Return the events above a position."""
        return [row for row in self._rows if row.position > position]

    def take_out(self, positions: Collection[int]) -> set[int]:
        """Remove events; return which of the positions were here."""
        found = {row.position for row in self._rows if row.position in positions}
        if found:
            self._rows = deque(row for row in self._rows if row.position not in found)
        return found

    def shift_ages(self, seconds: float) -> None:
        """Move the time of every event."""
        self._rows = deque(row._replace(kept_at=row.kept_at + seconds) for row in self._rows)

    def shift_positions(self, by: int) -> None:
        """Move the position of every event."""
        self._rows = deque(row._replace(position=row.position + by) for row in self._rows)

    def clear(self) -> None:
        """Forget all, since they are kept elsewhere now."""
        self._rows.clear()


@dataclass(frozen=True, slots=True)
class SpoolBounds:
    """What a spool may take.

    Attributes:
        bytes: Of events; the oldest are dropped for new ones.
        age_seconds: After which an event is dropped.
        sync_seconds: Between two synchronisations with the disk: what a power cut may cost.
        written_bytes_per_day: Beyond which new events are kept in memory only.
    """

    bytes: int
    age_seconds: float
    sync_seconds: float
    written_bytes_per_day: float


class Spool(Closing):
    """Keeps events until they are delivered.

    An event that `append` says it has kept survives the death of the process at once, and a power
    cut from the next synchronisation on. While the file takes none (full, failing or damaged disk,
    used-up budget of writes) up to 1,000 events wait in memory instead, and move there when it does
    again, also where it could not be opened at the start. A damaged file is set aside. Every event
    dropped is counted; counters live in the file.

    Safe from several threads. A thread of its own synchronises, so that no caller waits for a disk.

    Args:
        path: The SQLite file.
        bounds: What it may take.
        clock: Wall clock, seconds since the epoch.

    Attributes:
        ids: Gives ids that sort after those of all earlier runs with this file, if it could be
            opened at the start.
        listener: Called after each event that came, from the thread that brought it.
        generation: Counts the times that the file was opened; then what was read once may come
            again.

    Raises:
        OutputError: Another process uses the file, this user may not write there, or it is a
            database of another program.
    """

    def __init__(
        self, path: Path, bounds: SpoolBounds, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.listener: Callable[[], None] = lambda: None
        self.generation = 0
        self._path = path
        self._bounds = bounds
        self._clock = clock
        self._clock_offset = clock() - time.monotonic()
        self._budget = WriteBudget(bounds.written_bytes_per_day)
        self._turn = threading.Lock()
        self._tend_now = threading.Event()
        self._closing = False
        self._file: SpoolFile | None = None
        self._unsound = self._dirty = False
        self._problem = ""
        self._rows = self._bytes = 0
        # Until the file was read, positions are above all that a file may hold: they must not be
        # taken for those of events that wait there.
        self._position = MOST
        self._shift = 0  # what these positions were moved by then
        self._counts: Counter[str] = Counter()
        self._counts_saved: Mapping[str, int] | None = None
        self._overflow = Overflow(_MOST_OVERFLOW)
        self._delivered: set[int] = set()
        self._thread: threading.Thread | None = None
        self._process_lock = SpoolLock(path)
        try:
            self._open()
        except BaseException:
            self._process_lock.close()
            raise
        self.ids = EventIds(after_ms=self._counts["run_ms"])
        self._counts["run_ms"] = self.ids.began_ms
        self._keep((), always=True)
        self._thread = threading.Thread(target=self._tend, name="spool", daemon=True)
        self._thread.start()

    def append(self, payload: str) -> bool:
        """Take an event; return whether it is kept in the file, and not in memory only."""
        with self._turn:
            self._position += 1
            row = Row(self._position, self._clock(), payload)
            kept = not self._overflow and self._keep((row,))
            if not kept:
                self._counts["dropped_unkept"] += self._overflow.add(row)
        self.listener()
        return kept

    def read(self, after: int, limit: int) -> list[Row]:
        """Return the lowest undelivered events above a position."""
        with self._turn:
            rows: list[Row] = []
            if self._file is not None and not self._unsound:
                try:
                    rows = self._read_file(self._file, after, limit)
                except sqlite3.Error as error:
                    self.generation += 1  # what could not be read must not be skipped later
                    self._failed(error)
            rows += self._overflow.after(after)
        return rows[:limit]

    def deliver(self, positions: Iterable[int]) -> None:
        """Take note that events are delivered; they are removed soon, at the latest on closing."""
        with self._turn:
            wanted = {at + self._shift if at > MOST else at for at in positions}
            self._delivered |= wanted - self._overflow.take_out(wanted)
            if len(self._delivered) >= _DELIVERED_BATCH:
                self._keep(())

    def figures(self) -> Mapping[str, Figure]:
        """Return what there is to say of it."""
        with self._turn:
            known = self._counts_saved is not None
            names = ("dropped_full", "dropped_old", "dropped_unkept", "damaged_files")
            return {
                "waiting": max(0, self._rows - len(self._delivered)) + len(self._overflow),
                "waiting_bytes": self._bytes,
                "unkept": len(self._overflow),
                # Those of former runs are added when the file is read: until then nobody knows
                # them, and a sum that jumps would look like losses of now. What this run could
                # keep nowhere is told at once.
                **{n: self._counts[n] for n in names if known or n == "dropped_unkept"},
                "written_bytes": self._counts["written_bytes"],
                "spool_problem": self._problem,
            }

    def synchronise(self) -> None:
        """Bring everything onto the disk, and see to the bounds; done by itself in time."""
        with self._turn:
            if self._file is None or self._unsound or not self._file.is_in_place():
                self._reopen()
            self._follow_clock()
            self._drop_old()
            # While there is a problem it is tried, so that one that has passed is not told of on;
            # that the budget is used up passes only with the budget.
            tried = bool(self._problem) and self._budget.left >= _COMMIT_BYTES
            moved = self._affordable()
            then = _USED_UP if len(moved) < len(self._overflow) else ""
            if self._keep(moved, always=self._closing or tried, then=then):
                self._overflow.take_out({row.position for row in moved})
            file, dirty, self._dirty = self._file, self._dirty, False
        if file is None or not dirty:
            return
        try:
            written = file.checkpoint()  # takes as long as the disk does, so nobody waits for it
        except sqlite3.Error as error:
            with self._turn:
                self._dirty = True
                self._failed(error)
            return
        with self._turn:
            self._budget.spend(written)
            self._counts["written_bytes"] += written
            self._counts["budget_left"] = max(0, self._budget.left)

    def close(self) -> None:
        """Write what is left, and close the file; may be called twice."""
        if self._closing:
            return
        self._closing = True
        self._tend_now.set()
        if self._thread is not None:
            self._thread.join()
        self.synchronise()
        with self._turn:
            self._keep((), always=True)  # what the synchronisation has cost
            if self._file is not None:
                self._file.close()
                self._file = None
        self._process_lock.close()

    def _tend(self) -> None:
        while not self._closing:
            self._tend_now.wait(self._bounds.sync_seconds)
            self._tend_now.clear()
            if not self._closing:
                self.synchronise()

    def _open(self) -> None:
        try:
            file, damaged = open_or_recover(self._path, most_bytes=self._bounds.bytes)
            self._counts["damaged_files"] += damaged
            try:
                extent = file.extent()
                counts = file.counters()
            except BaseException:
                file.close()
                raise
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OutputError) and self._thread is None:
                raise
            self._say(f"{self._path} cannot be opened ({error}); events wait in memory")
            return
        self._file = file
        self.generation += 1
        self._unsound = False
        self._rows, self._bytes, last = extent
        if self._counts_saved is None:  # the first time
            self._shift = last - MOST
            self._position += self._shift
            self._overflow.shift_positions(self._shift)
            began_ms = self._counts["run_ms"]
            self._counts.update(counts)  # adds
            self._counts["run_ms"] = max(began_ms, counts.get("run_ms", 0))
            self._budget.left = counts.get("budget_left", self._budget.left)
            self._take_clock(counts, first=last + 1)
        self._position = max(self._position, last)
        self._counts_saved = counts
        self._say("")

    def _reopen(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
            self._rows = self._bytes = 0
        self._open()

    def _keep(self, rows: tuple[Row, ...], *, always: bool = False, then: str = "") -> bool:
        """Add rows, remove delivered ones and what must go for the new; return whether it worked.

        Counters that have changed go with it, or `always`. `then` is the problem that is left.
        """
        if self._file is None or self._unsound:
            return False
        saved = self._counts_saved or {}
        wanted = always and (self._counts != saved or self._problem)
        if not (rows or self._delivered or wanted):
            return True
        cost = _cost(rows)
        if rows and self._budget.left < cost and not self._closing:
            self._say(_USED_UP)
            return False
        size = sum(row.size for row in rows)
        try:
            surplus = self._surplus(self._file, size)
            counts = Counter(self._counts)
            counts["dropped_full"] += len(surplus)
            changed = {name: value for name, value in counts.items() if saved.get(name) != value}
            removed = self._file.commit(
                add=rows, remove=[*self._delivered, *surplus], counters=changed
            )
        except sqlite3.Error as error:
            self._failed(error)
            return False
        self._counts, self._counts_saved = counts, dict(counts)
        self._delivered.clear()
        self._rows += len(rows) - removed.rows
        self._bytes += size - removed.bytes
        self._dirty = True
        self._budget.foresee(cost)
        if rows or self._problem != _USED_UP:  # a commit without events is no sign of a new budget
            self._say(then)
        return True

    def _affordable(self) -> tuple[Row, ...]:
        """Return the oldest of the events in memory that the budget allows to move; in the end all.

        Where it allows none, the first, so that it is told why it stays.
        """
        rows = tuple(self._overflow)
        if self._closing or _cost(rows) <= self._budget.left:
            return rows
        costs = accumulate(row.size for row in rows)
        left = (self._budget.left - _COMMIT_BYTES) / _TIMES_WRITTEN
        return rows[: max(1, sum(each <= left for each in costs))]

    def _surplus(self, file: SpoolFile, size: int) -> list[int]:
        """Return the oldest positions that must go so that so many bytes fit."""
        surplus: list[int] = []
        excess = self._bytes + size - self._bounds.bytes
        after = 0
        while excess > 0 and (rows := file.read(after, _CHUNK)):
            for row in rows:
                after = row.position
                if excess > 0:
                    excess -= row.size
                    if after not in self._delivered:
                        surplus.append(after)
        return surplus

    def _drop_old(self) -> None:
        if self._file is None or self._unsound:
            return
        limit = self._clock() - self._bounds.age_seconds
        try:
            while old := [row for row in self._file.read(0, _CHUNK) if row.kept_at < limit]:
                positions = {row.position for row in old}
                removed = self._file.commit(remove=positions)
                self._counts["dropped_old"] += len(positions - self._delivered)
                self._delivered -= positions
                self._rows -= removed.rows
                self._bytes -= removed.bytes
                self._dirty = True
        except sqlite3.Error as error:
            self._failed(error)

    def _follow_clock(self) -> None:
        """A device without a clock of its own learns the time late: then ages move with it."""
        jump = self._clock() - time.monotonic() - self._clock_offset
        if abs(jump) < _CLOCK_JUMP_SECONDS:
            return
        self._clock_offset += jump
        self._overflow.shift_ages(jump)
        self._counts["clock_offset_ms"] = self._offset_ms()
        if self._file is not None and not self._unsound:
            try:
                self._file.shift_ages(
                    jump,
                    since=self._counts["first_of_boot"],
                    # At once, so that the next run does not move them again.
                    counters={"clock_offset_ms": self._counts["clock_offset_ms"]},
                )
                self._dirty = True
            except sqlite3.Error as error:
                self._failed(error)

    def _take_clock(self, counts: Mapping[str, int], *, first: int) -> None:
        """Go on from what an earlier run of this boot knew of the clock, or begin.

        Args:
            counts: Of the file.
            first: Position of the first event of this run.
        """
        boot = boot_number()
        if boot and counts.get("boot") == boot:
            first = counts.get("first_of_boot", first)
            # Events of that run may be older or younger than they seem, by what was set since.
            self._clock_offset = counts.get("clock_offset_ms", self._offset_ms()) / 1000
        told = {"boot": boot, "first_of_boot": first, "clock_offset_ms": self._offset_ms()}
        for name, value in told.items():
            self._counts[name] = value

    def _offset_ms(self) -> int:
        return max(0, round(self._clock_offset * 1000))

    def _read_file(self, file: SpoolFile, after: int, limit: int) -> list[Row]:
        found: list[Row] = []
        while len(found) < limit:
            rows = file.read(after, limit)
            found += [row for row in rows if row.position not in self._delivered]
            if len(rows) < limit:
                break
            after = rows[-1].position
        return found

    def _failed(self, error: sqlite3.Error) -> None:
        self._say(f"{self._path}: {error}; events wait in memory")
        if is_damaged(error):
            self._unsound = True  # the tending thread sets it aside
            self._tend_now.set()

    def _say(self, problem: str) -> None:
        if problem != self._problem:
            if problem:
                _log.error("%s", problem)
            else:
                _log.info("the spool %s works", self._path)
        self._problem = problem
