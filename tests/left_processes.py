"""No test leaves a process behind; one that does fails, and what it left is ended.

A process tells itself which test it belongs to: pytest writes that into the environment, and every
process takes the environment of the one that starts it, however many lie between. So what a test
left is found even when its own parent has long ended, and what belongs to another run is not.
"""

import contextlib
import os
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

RUN = "FER_TESTS_RUN"
"""In the environment: which run of pytest a process belongs to."""
GRACE_SECONDS = 5.0
"""What has been killed, or told to end, may take as long on a busy machine."""
LASTING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Python starts these on first use, and they end with the process that did."""


@dataclass(frozen=True)
class Left:
    """A process, the test that started it (with the phase: setup, call, teardown), its command."""

    pid: int
    test: str
    command: str

    def __str__(self) -> str:
        return f"process {self.pid} of {self.test}: {self.command[:200]}"


def mark_run() -> None:
    """Give this run of pytest, and all that it starts, a name of its own."""
    os.environ[RUN] = uuid.uuid4().hex


def left_after(test: str) -> list[Left]:
    """Return what the body of a test has started and left; it is killed.

    What its fixtures started may serve later tests: `left_by_run` looks at it.
    """
    return _end(lambda: [left for left in _processes() if left.test == f"{test} (call)"])


def left_by_run() -> list[Left]:
    """Return what any test of this run has left; it is killed."""
    return _end(_processes)


def _end(look: Callable[[], list[Left]]) -> list[Left]:
    give_up = time.monotonic() + GRACE_SECONDS
    while (found := look()) and time.monotonic() < give_up:
        time.sleep(0.02)
    for left in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(left.pid, signal.SIGKILL)
    return found


def _processes() -> list[Left]:
    """Return all that tests of this run have started and that still runs; none without /proc."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = _words(folder / "environ")  # empty of one that has ended
            command = " ".join(_words(folder / "cmdline"))
        except OSError:  # it has gone, or is somebody else's
            continue
        told = dict(word.partition("=")[::2] for word in environment)
        test = told.get("PYTEST_CURRENT_TEST")
        of_this_run = told.get(RUN) == os.environ[RUN]
        if test and of_this_run and not any(word in command for word in LASTING):
            found.append(Left(int(folder.name), test, command))
    return found


def _words(path: Path) -> list[str]:
    return path.read_bytes().decode(errors="replace").split("\0")
