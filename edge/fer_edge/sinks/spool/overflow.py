"""Events that wait in memory while the spool's file takes none."""

from collections import deque
from collections.abc import Collection, Iterator

from fer_edge.sinks.spool.file import Row


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

    def clear(self) -> None:
        """Forget all, since they are kept elsewhere now."""
        self._rows.clear()
