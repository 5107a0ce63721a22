"""Work through many files so that one that crashes a native library takes no other with it.

The work is done in a forked child. Should the child die of a signal, or of an exception that
nobody foresaw, the file it died on is reported and a new child goes on behind it. A fork costs a
millisecond before heavy imports are made, so `make_worker` makes them.
"""

import logging
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import click

from fer_edge.shared.address_space import exhausted
from fer_edge.shared.errors import EXIT_FAILED, FerError, PictureError
from fer_edge.shared.terminal.command_line import printable, report_error

Worker = Callable[[str], None]
"""Handles one file and prints its result with `echo`; raises FerError where it cannot."""

_TIMEOUT_SECONDS: Final = 60.0
_OK, _FAILED = b"+", b"-"
_DEFECT: Final = 70  # EX_SOFTWARE of sysexits.h; between child and parent only

_log = logging.getLogger(__name__)


def run_batch(
    items: Sequence[str],
    make_worker: Callable[[Sequence[str]], Worker],
    *,
    timeout_seconds: float = _TIMEOUT_SECONDS,
) -> int:
    """Handle every item in a child process, going on after a crash.

    Args:
        items: Files.
        make_worker: Called once in each child with the items that others have handled before, be it
            in vain; makes the imports and loads the model.
        timeout_seconds: For one item; a child that takes longer is ended.

    Returns:
        Number of items that failed; each has been reported on stderr.

    Raises:
        SystemExit: The worker could not be made, or the child was interrupted; the child has
            reported it.
        FerError: The child crashed while it made the worker.
    """
    failed = done = 0
    slow = f"took longer than {timeout_seconds:g} s"
    while done < len(items):
        sys.stdout.flush()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            _child(items[done:], partial(make_worker, items[:done]), writer)
        os.close(writer)
        try:
            marks, timed_out = _watch(reader, child, timeout_seconds)
        finally:
            os.close(reader)
            _, status = os.waitpid(child, 0)
        # The first mark says that the worker was made; then there is one for each item.
        if not marks:
            if os.WIFEXITED(status):
                sys.exit(os.WEXITSTATUS(status))
            raise _crash_at_start(slow if timed_out else f"crashed ({_signal(status)})")
        handled = len(marks) - 1
        failed += marks.count(_FAILED)
        done += handled
        if done < len(items):
            if os.WIFSIGNALED(status):
                crashed = f"crashed the decoder ({_signal(status)})"
                report_error(_crash(items[done], slow if timed_out else crashed))
            elif os.WEXITSTATUS(status) != _DEFECT:  # a broken pipe, an interrupt
                sys.exit(os.WEXITSTATUS(status))
            failed += 1
            done += 1
    return failed


def _child(items: Sequence[str], make_worker: Callable[[], Worker], writer: int) -> None:
    """Work until done and leave without the parent's clean-up handlers."""
    code = EXIT_FAILED
    item = ""
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
        if (limited := exhausted(error)) is not None:
            report_error(limited)
            os._exit(_DEFECT if item else limited.exit_code)
        where = f"{item} failed inside" if item else "failed inside"
        text = " ".join(f"{where}: {type(error).__name__}: {error}".split())
        click.echo(f"error: {printable(text)}; this is a defect", err=True)
        code = _DEFECT if item else EXIT_FAILED
    finally:
        os._exit(code)  # what was printed has been flushed


def _handle(worker: Worker, item: str) -> bytes:
    try:
        worker(item)
    except FerError as error:
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


def _signal(status: int) -> str:
    return f"signal {os.WTERMSIG(status)}"


def _crash_at_start(how: str) -> FerError:
    return FerError(
        f"loading the model {how}",
        expected="a model and a TFLite runtime that load",
        fix="try `fer-edge selftest`; install fer-edge again",
    )


def _crash(item: str, how: str) -> PictureError:
    return PictureError(
        f"{item} {how}", expected="a picture that can be decoded", fix="check or replace the file"
    )
