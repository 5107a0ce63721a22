"""What an examination finds."""

from dataclasses import dataclass
from typing import Final, Literal

Severity = Literal["ok", "note", "warning", "serious"]
SEVERITIES: Final[tuple[Severity, ...]] = ("ok", "note", "warning", "serious")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What was looked at; the same word for the same check always.
        severity: "serious" stops the work or spoils its figures, "warning" costs something,
            "note" is to be known, "ok" is as it should be.
        found: What it is like.
        fix: The line to type, or what to do by hand; "" where nothing is to be done.
    """

    check: str
    severity: Severity
    found: str
    fix: str = ""
