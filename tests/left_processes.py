"""No test leaves a process behind; where one does its file fails, and what it left is ended.

A process tells itself which test it belongs to: pytest writes that into the environment, and every
process takes the environment of the one that starts it, however many lie between. So what a test
left is found even when its own parent has long ended, and what belongs to another run is not.
(What only forks has the environment of its parent's start, and is not seen.)

Tests of one file may share processes, so it is looked when all that they share has been ended.
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
GRACE_SECONDS = 10.0
"""What has been killed, or told to end, may take as long on a busy machine."""
LASTING = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")
"""Python starts these on first use, and they end with the process that did."""
_WORKER = "PYTEST_XDIST_WORKER"


@dataclass(frozen=True)
class Left:
    """A process that a test has started.

    Attributes:
        pid: Its number.
        test: Which test, and in which phase of it: setup, call, teardown.
        worker: In which process of pytest-xdist that ran; "" without it.
        command: What it executes.
    """

    pid: int
    test: str
    worker: str
    command: str

    @property
    def file(self) -> str:
        """The file of the test, as pytest names it."""
        return self.test.partition("::")[0]

    def __str__(self) -> str:
        return f"process {self.pid} of {self.test}: {self.command[:200]}"


def mark_run() -> None:
    """Give this run of pytest, and all that it starts, a name of its own."""
    os.environ[RUN] = uuid.uuid4().hex


def left_by_file(file: str) -> list[Left]:
    """Return what the tests of a file, as pytest names it, have left in this process; end it."""
    worker = os.environ.get(_WORKER, "")
    return _end(lambda: [one for one in _processes() if (one.file, one.worker) == (file, worker)])


def left_by_run() -> list[Left]:
    """Return what any test of this run has left; end it."""
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
            found.append(Left(int(folder.name), test, told.get(_WORKER, ""), command))
    return found


def _words(path: Path) -> list[str]:
    return path.read_bytes().decode(errors="replace").split("\0")
