"""All checks, one after another, and what they found as text and JSON."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Final

from fer_edge.commands.doctor.cameras import check_cameras
from fer_edge.commands.doctor.environment import (
    check_clock,
    check_governor,
    check_storage,
    check_temperature,
    check_throttling,
    check_userland,
)
from fer_edge.commands.doctor.findings import SEVERITIES, Finding
from fer_edge.commands.doctor.libraries import (
    check_face_search,
    check_interlaced,
    check_opencv,
    check_picamera2,
    check_runtime,
)
from fer_edge.shared.terminal.command_line import printable
from fer_edge.state.machine import System, board

CHECKS: Final[dict[str, Callable[[System], list[Finding]]]] = {
    "OpenCV": check_opencv,
    "face search": check_face_search,
    "interlaced video": check_interlaced,
    "picamera2": check_picamera2,
    "TFLite runtime": check_runtime,
    "cameras": check_cameras,
    "power": check_throttling,
    "temperature": check_temperature,
    "governor": check_governor,
    "clock": check_clock,
    "userland": check_userland,
    "storage": check_storage,
}


def examine(
    system: System, *, progress: Callable[[str], None] = lambda _text: None
) -> list[Finding]:
    """Make all checks; the worst findings come first.

    Args:
        system: The machine.
        progress: Called with what is looked at.
    """
    findings = [Finding("board", "note", board(system))]
    for name, check in CHECKS.items():
        progress(f"looking at {name}")
        findings += check(system)
    return sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity))


def is_serious(findings: Sequence[Finding]) -> bool:
    """Return whether something stops the work or spoils its figures."""
    return any(finding.severity == "serious" for finding in findings)


def to_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """Return the findings as `fer-edge doctor --json` prints them."""
    return {
        "healthy": not is_serious(findings),
        "findings": [asdict(finding) for finding in findings],
    }


def format_findings(findings: Sequence[Finding]) -> str:
    """Return the findings for people, a fix below each that has one."""
    width = max(len(severity) for severity in SEVERITIES)
    lines = []
    for finding in findings:
        lines.append(
            f"{finding.severity.ljust(width)}  {finding.check}: {printable(finding.found)}"
        )
        if finding.fix:
            lines.append(f"{'':{width}}    -> {printable(finding.fix)}")
    serious = sum(finding.severity == "serious" for finding in findings)
    lines.append(f"\n{serious} serious" if serious else "\nnothing serious")
    return "\n".join(lines)
