"""Lines for the journal of systemd, which has times and names of its own, but no levels."""

import logging
import os
from collections.abc import Mapping
from typing import Final, TextIO

ERROR: Final = "<3>"
"""Before a line: sd-daemon(3)'s mark of an error."""

_MARKS: Final = ((logging.ERROR, ERROR), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))
_DEBUG: Final = "<7>"


class JournalFormatter(logging.Formatter):
    """Marks each line of a record with its level, so that `journalctl -p warning` finds it."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        marks = (mark for level, mark in _MARKS if record.levelno >= level)
        mark = next(marks, _DEBUG)
        return "\n".join(mark + line for line in super().format(record).splitlines())


def goes_to_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written there ends in the journal, unless somebody redirected it.

    Source: JOURNAL_STREAM in systemd.exec(5).
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
