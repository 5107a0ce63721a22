"""One line on the terminal that is written over; nothing where stderr is no terminal.

A line of the log removes it first (see `command_line`), and so does the end of the `with` block,
whatever ends it.
"""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import Final, TextIO, TypeVar

from fer_edge.shared.closing import Closing

ERASE_LINE: Final = "\r\x1b[K"

_EVERY_SECONDS: Final = 0.5  # oftener than that nobody can read
_BAR: Final = 24

_T = TypeVar("_T")


class ProgressLine(Closing):
    """Call it with a few words; they replace the ones before.

    Args:
        stream: Where to write; stderr.
        shown: Whether to write at all; where not given, if the stream is a terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, shown: bool | None = None) -> None:
        self._stream = stream or sys.stderr
        self._shown = self._stream.isatty() if shown is None else shown
        self._due = 0.0
        self._counted, self._begun, self._first = "", 0.0, 0

    @property
    def is_due(self) -> bool:
        """Whether it is shown, and old enough to be replaced by one of the same kind."""
        return self._shown and time.monotonic() >= self._due

    def __call__(self, words: str) -> None:
        """Show a few words; none remove the line."""
        if self._shown:
            import shutil  # noqa: PLC0415 - `--help` does without

            self._due = time.monotonic() + _EVERY_SECONDS
            # A line that wraps could not be written over.
            self._stream.write(ERASE_LINE + words[: shutil.get_terminal_size().columns - 1])
            self._stream.flush()

    def count(self, what: str, done: int, total: int, detail: str = "") -> None:
        """Show how many of how many are done, how fast, and the time left; all done, nothing.

        Args:
            what: Is being done; its clock starts when it is first heard of.
            done: Ascending.
            total: That `done` will reach.
            detail: What exactly is being done just now.
        """
        if done >= total:
            if self._counted:
                self._counted = ""
                self("")
            return
        if what != self._counted:
            self._counted, self._begun, self._first = what, time.monotonic(), done
        if self.is_due:
            bar, pace = draw_bar(done / total), self._pace(done, total)
            parts = (f"{what}: {done:,} of {total:,}", bar, pace, detail)
            self("  ".join(part for part in parts if part))

    def each(self, what: str, things: Iterable[_T], total: int | None) -> Iterator[_T]:
        """Yield things, and count them; the total may be unknown."""
        for done, thing in enumerate(things, 1):
            yield thing
            if total is not None:
                self.count(what, done, total)
            elif self.is_due:
                self(f"{what}: {done:,}")

    def close(self) -> None:
        """Remove the line."""
        self("")

    def _pace(self, done: int, total: int) -> str:
        rate = (done - self._first) / max(1e-9, time.monotonic() - self._begun)
        return f"{rate:,.3g}/s, {format_duration((total - done) / rate)} left" if rate else ""


SILENT: Final = ProgressLine(shown=False)
"""For those who do not want to be told."""


def draw_bar(share: float) -> str:
    """Return a bar of letters.

    Args:
        share: Of the work that is done, 0 to 1.
    """
    return f"[{'#' * round(_BAR * share):<{_BAR}}]"


def format_duration(seconds: float) -> str:
    """Return for instance `1:02:03` or `2:03`."""
    minutes, rest = divmod(round(max(0.0, seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
