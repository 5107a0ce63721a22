"""Work through many files so that one that crashes a native library takes no other with it.

The work is done in a forked child. Should the child die of a signal, the file it died on is
reported and a new child goes on behind it. A fork costs a millisecond before heavy imports are
made, so `make_worker` makes them.
"""

import logging
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Final

from fer_edge.commands import report_error
from fer_edge.errors import FerError, PictureError

Worker = Callable[[str], None]
"""Handles one file and prints its result; raises FerError where it cannot."""

_TIMEOUT_SECONDS: Final = 60.0
_OK, _FAILED = b"+", b"-"
_CHILD_DIED_EARLY: Final = 70

_log = logging.getLogger(__name__)


def run_batch(
    items: Sequence[str],
    make_worker: Callable[[], Worker],
    *,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> int:
    """Handle every item in a child process, going on after a crash.

    Args:
        items: Files.
        make_worker: Called once in each child; makes the imports and loads the model.
        timeout_seconds: For one item; a child that takes longer is ended.

    Returns:
        Number of items that failed; each has been reported on stderr.

    Raises:
        SystemExit: The worker could not be made; its error has been reported by the child.
    """
    failed = done = 0
    while done < len(items):
        sys.stdout.flush()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(items[done:], make_worker, writer)
        os.close(writer)
        try:
            marks, timed_out = _watch(reader, child, timeout_seconds)
        finally:
            os.close(reader)
            _, status = os.waitpid(child, 0)
        # The first mark says that the worker was made; then there is one for each item.
        if not marks:
            sys.exit(os.waitstatus_to_exitcode(status) if not os.WIFSIGNALED(status) else 1)
        handled = len(marks) - 1
        failed += marks.count(_FAILED)
        done += handled
        if done < len(items):
            if os.WIFEXITED(status):  # a broken pipe, an interrupt: not the item's fault
                sys.exit(os.WEXITSTATUS(status))
            report_error(_crash(items[done], status, timed_out, timeout_seconds))
            failed += 1
            done += 1
    return failed


def _child(items: Sequence[str], make_worker: Callable[[], Worker], writer: int) -> None:
    """Work until done and leave without the parent's clean-up handlers."""
    code = 1
    try:
        worker = make_worker()
        os.write(writer, _OK)
        for item in items:
            os.write(writer, _handle(worker, item))
        code = 0
    except FerError as error:
        report_error(error)
        code = error.exit_code
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 141
    except Exception as error:  # noqa: BLE001 - a defect; the child must end here in any case
        _log.debug("%s", traceback.format_exc())
        print(f"error: {type(error).__name__}: {error}; this is a defect", file=sys.stderr)  # noqa: T201
        code = _CHILD_DIED_EARLY
    finally:
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            code = 141
        os._exit(code)


def _handle(worker: Worker, item: str) -> bytes:
    try:
        worker(item)
        sys.stdout.flush()
    except FerError as error:
        sys.stdout.flush()
        report_error(error)
        return _FAILED
    return _OK


def _watch(reader: int, child: int, timeout_seconds: float) -> tuple[list[bytes], bool]:
    """Collect the child's marks until it ends or takes too long over one item."""
    marks: list[bytes] = []
    while True:
        ready, _, _ = select.select([reader], [], [], timeout_seconds)
        if not ready:
            os.kill(child, signal.SIGKILL)
            return marks, True
        read = os.read(reader, 4096)
        if not read:
            return marks, False
        marks.extend(bytes([mark]) for mark in read)


def _crash(item: str, status: int, timed_out: bool, timeout_seconds: float) -> PictureError:
    how = (
        f"took longer than {timeout_seconds:g} s"
        if timed_out
        else f"crashed the decoder (signal {os.WTERMSIG(status)})"
    )
    return PictureError(
        f"{item} {how}", expected="a picture that can be decoded", fix="check or replace the file"
    )
