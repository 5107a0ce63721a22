"""The system calls that a process makes, by strace."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from command_line import clean_environment


@cache
def why_not() -> str:
    """Return why processes cannot be traced here; "" where they can."""
    if shutil.which("strace") is None:
        return "no strace: apt-get install -y strace"
    attempt = ["strace", "-qq", "-o", os.devnull, "true"]
    done = subprocess.run(attempt, capture_output=True, check=False)
    return "" if done.returncode == 0 else "processes may not be traced here"


def tracing(log: Path, calls: str) -> list[str]:
    """Return what a command begins with so that its calls are written down.

    Args:
        log: For a line a call, in which a descriptor stands with its file's name.
        calls: Their names with commas between; "?" before one that not every processor has.
    """
    trace = f"trace={calls}"
    return ["strace", "-f", "-qq", "-yy", "-s", "4096", "-e", trace, "-o", str(log)]


def traced(command: Sequence[str], log: Path, calls: str) -> list[str]:
    """Run a command that has to succeed; return a line for each of these calls."""
    done = subprocess.run(
        [*tracing(log, calls), *command],
        capture_output=True, text=True, timeout=120, check=False, env=clean_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return log.read_text(errors="replace").splitlines()
