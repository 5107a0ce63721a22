"""One line on the terminal that says what is being done; nothing where stderr is no terminal."""

import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final

_ERASE_LINE: Final = "\r\x1b[2K"


class ProgressLine(AbstractContextManager["ProgressLine"]):
    """Call it with a few words; they replace the ones before, and vanish at the end."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()

    def __call__(self, words: str) -> None:
        """Show what is being done."""
        if self._shown:
            sys.stderr.write(f"{_ERASE_LINE}{words} ...")
            sys.stderr.flush()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the line."""
        if self._shown:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
