"""Which start of the machine this is."""

from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_DIGITS: Final = 15  # hexadecimal: less than `row.MOST`


def boot_number() -> int:
    """Return a number that another start of the machine has not; 0 where that is not known."""
    try:
        return int(_BOOT_ID.read_text().replace("-", "")[:_DIGITS], 16)
    except (OSError, ValueError):
        return 0
