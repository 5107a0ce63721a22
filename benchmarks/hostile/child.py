"""One case at a time, in a forked child that spares each its start; and how it ended."""

import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOST_SECONDS = 180.0
"""A model may take thirty of its trial, and this machine may have other things to do."""
_NO_END = "did not end"


@dataclass(frozen=True)
class Case:
    """Something to try.

    Attributes:
        work: Tries it and says how it ended; raises where that is not as it should be.
        content: What was hostile about it, to be kept where it fails.
    """

    work: Callable[[], str]
    content: bytes


@dataclass(frozen=True)
class Outcome:
    """How a child ended.

    Attributes:
        end: What the work said, or the signal or exception that ended it.
        printed: By it.
        peak_mb: The most memory it held, or one that it started.
        failed: Whether a user would have to call it a bug.
    """

    end: str
    printed: str
    peak_mb: float
    failed: bool


def in_a_child(work: Callable[[], str]) -> Outcome:
    """Try something in a forked child."""
    with tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            _be_the_child(work, printed.fileno(), said.fileno())
        status, peak_kb = _wait(child)
        printed.seek(0)
        said.seek(0)
        text, end = printed.read().decode(errors="replace"), said.read().decode(errors="replace")
    bug = "Traceback" in text or "this is a defect" in text or not end or status != 0
    if status is None:
        end = _NO_END
    elif os.WIFSIGNALED(status):
        end = signal.Signals(os.WTERMSIG(status)).name
    return Outcome(end or "defect", text, peak_kb / 1024, bug)


def command(main: Callable[[], Any], words: Sequence[str], path: Path | None = None) -> str:
    """Run a command line, with a path for each @; return its exit code."""
    sys.argv = [main.__module__, *(str(path) if word == "@" else word for word in words)]
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    else:
        code = 0
    sys.stdout.flush()
    return str(code)


def _be_the_child(work: Callable[[], str], printed: int, said: int) -> None:
    os.setpgid(0, 0)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    code = 1
    try:
        os.write(said, work().encode())
        code = 0
    except BaseException:  # noqa: BLE001 - that is what is looked for
        traceback.print_exc(file=sys.__stderr__)
    for stream in (sys.stdout, sys.stderr, sys.__stderr__):
        if stream is not None:
            stream.flush()
    os._exit(code)


def _wait(child: int) -> tuple[int | None, int]:
    """Return how a child ended, None where it did not, and the most KiB that it held."""
    ends_at = time.monotonic() + MOST_SECONDS
    while time.monotonic() < ends_at:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            return status, usage.ru_maxrss
        time.sleep(0.002)
    os.killpg(child, signal.SIGKILL)
    _, _, usage = os.wait4(child, 0)
    return None, usage.ru_maxrss
