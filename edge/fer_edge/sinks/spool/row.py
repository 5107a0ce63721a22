"""What a spool holds, and within which bounds it can be right."""

from typing import Final, NamedTuple

COUNTERS: Final = (
    "run_ms",
    "dropped_full",
    "dropped_old",
    "dropped_unkept",
    "damaged_files",
    "written_bytes",
    "budget_left",
    "boot",
    "first_of_boot",
    "clock_offset_ms",
)
"""The names of all counters, and of what is remembered of the clock of this boot."""
MOST: Final = 1 << 62
"""Above every position and counter; one may be added without leaving SQLite's numbers."""
MOST_RUN_MS: Final = 1 << 48
"""Above the counter `run_ms`, which ids of events hold in twelve hexadecimal digits."""
MOST_KEPT_AT: Final = 1e12
"""Seconds; farther from the epoch no clock is."""


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


def is_sound_row(row: Row) -> bool:
    """Return whether this may have been kept by a spool."""
    return 0 < row.position < MOST and abs(row.kept_at) < MOST_KEPT_AT


def is_sound_counter(name: str, value: object) -> bool:
    """Return whether a counter may have this value."""
    most = MOST_RUN_MS if name == "run_ms" else MOST
    return name in COUNTERS and isinstance(value, int) and 0 <= value < most
