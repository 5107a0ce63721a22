"""One setting: its default, what it does, and what it may be."""

from dataclasses import field
from typing import Any


def setting(
    default: Any,
    text: str,
    *,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str | int, ...] = (),
) -> Any:
    """Return the field of a section's dataclass.

    Args:
        default: Its type is the setting's.
        text: What it does, in a few words.
        low: The least it may be.
        high: The most it may be.
        choices: All that it may be, if that is a list.
    """
    meta = {"help": text, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=meta)
