"""What the three command lines share: errors to messages and exit codes, logging, JSON.

A command raises; `run_command_line` turns what it raised into one line on stderr and the exit code
of the documentation. Standard output is data, standard error is logs and progress.
"""

import io
import json
import logging
import os
import select
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, TextIO, TypeVar

import click

from fer_edge.shared.errors import EXIT_FAILED, FerError, OutputError
from fer_edge.shared.terminal.entry import heed_interrupts
from fer_edge.shared.terminal.progress import ERASE_LINE

_F = TypeVar("_F", bound=Callable[..., Any])

_INVISIBLE: Final = (
    *(code for code in range(0x20) if code != ord("\t")), *range(0x7F, 0xA0), 0x061C,
    *range(0x200B, 0x2010), *range(0x2028, 0x202F), *range(0x2060, 0x206A), 0xFEFF,
)  # fmt: skip
"""Controls, ends of lines of every kind, and what turns the direction of writing around."""
_CONTROLS: Final = {
    code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _INVISIBLE
}
_ERROR: Final = "<3>"
"""Before a line of the journal: sd-daemon(3)'s mark of an error."""
_MARKS: Final = ((logging.ERROR, _ERROR), (logging.WARNING, "<4>"), (logging.INFO, "<6>"))
_DEBUG: Final = "<7>"
_LEAVE_SECONDS: Final = 0.1  # for a capture that is about to end

CONTEXT_SETTINGS = {
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "auto_envvar_prefix": None,
}


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on stdout instead of text."
)


def options(*added: Callable[[_F], _F]) -> Callable[[_F], _F]:
    """Return a decorator that adds several options, in the order of the help."""

    def add(command: _F) -> _F:
        for option in reversed(added):
            command = option(command)
        return command

    return add


def verbose_option(group: _F) -> _F:
    """Add `-v`, which logs more and shows the messages of native libraries and tracebacks."""
    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_set_verbosity,
        help="Log more, with tracebacks and the native libraries' own messages.",
    )(group)


def printable(text: str) -> str:
    r"""Return text that can do nothing to a terminal: control characters as \x1b and the like.

    Names of files and what a model file says of itself come from others, who could otherwise write
    lines of their own: ends of lines are made visible, too. Tabs stay.
    """
    return text.translate(_CONTROLS)


def printable_lines(text: str) -> str:
    """Return the same of a text whose lines are ours."""
    return "\n".join(map(printable, text.split("\n")))


def echo(text: str) -> None:
    """Print text on stdout, control characters made visible, and flush it.

    Ends of lines stay: what comes from others goes through `printable` before it gets here, as
    it does in `format_fields` and `format_table`.

    Raises:
        OutputError: It cannot be written; the disk is full, for instance.
    """
    _write(printable_lines(text))


def echo_json(value: object) -> None:
    """Print one line of JSON on stdout and flush it.

    Raises:
        OutputError: As `echo` says.
    """
    # As it is: JSON escapes control characters itself, but for DEL, which it must not have escaped.
    _write(json.dumps(value, separators=(",", ":"), allow_nan=False))


def echo_result(value: Callable[[], object], text: Callable[[], str], *, as_json: bool) -> None:
    """Print what a command has found: as a line of JSON where that is asked for, else as text.

    Raises:
        OutputError: As `echo` says.
    """
    if as_json:
        echo_json(value())
    else:
        echo(text())


def _write(text: str) -> None:
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"the output cannot be written ({error.strerror})",
            expected="space on the disk",
            fix="make room, or send it elsewhere",
        ) from error


def _message(record: logging.LogRecord) -> str:
    """Return a record's message; what is put into it may come from others, who write no lines."""
    if not isinstance(record.args, tuple):
        return record.getMessage()
    shown = [
        each if isinstance(each, (int, float)) else printable(str(each)) for each in record.args
    ]
    try:
        return str(record.msg) % tuple(shown) if shown else str(record.msg)
    except (TypeError, ValueError):  # a template of a library that wants the thing itself
        return printable(record.getMessage())


class _TerminalFormatter(logging.Formatter):
    """Time, level, origin and message, which cannot do anything to the terminal."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        # A line that is rewritten in place is removed first.
        self._before = ERASE_LINE if sys.stderr and sys.stderr.isatty() else ""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        return self._before + printable_lines(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record without its traceback."""
        record.message = _message(record)
        return super().formatMessage(record)


def report_error(error: FerError) -> None:
    """Print an error as one line on stderr."""
    mark = _ERROR if goes_to_journal(sys.stderr) else ""
    click.echo(f"{mark}error: {printable(' '.join(str(error).splitlines()))}", err=True)


def run_command_line(
    group: click.Command, *, name: str, arguments: Sequence[str] | None = None
) -> NoReturn:
    """Run a command line and exit as the documentation says.

    Args:
        group: The click group, or its only command.
        name: Of the program.
        arguments: Instead of `sys.argv[1:]`.
    """
    try:
        _run(group, name=name, arguments=arguments)
    except SystemExit as end:
        if threading.active_count() > 1:
            from fer_edge.shared.closing import is_native_left  # noqa: PLC0415 - not for --help

            if is_native_left(timeout_seconds=_LEAVE_SECONDS):
                _leave_at_once(end.code)
        raise


def _leave_at_once(code: object) -> NoReturn:
    """End the process without taking the interpreter apart."""
    logging.shutdown()
    _drop_unwritten()
    os._exit(code if isinstance(code, int) else EXIT_FAILED if code else 0)


def _run(group: click.Command, *, name: str, arguments: Sequence[str] | None) -> NoReturn:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    verbose = _wants_verbose(arguments)
    _make_stdout_usable()
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        stream=sys.stderr if verbose else _own_stderr(),
        force=True,
    )
    formatter = JournalFormatter() if goes_to_journal(sys.stderr) else _TerminalFormatter()
    logging.getLogger().handlers[0].setFormatter(formatter)
    stdout = sys.stdout
    heed_interrupts()
    try:
        result = group.main(args=arguments, prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        _drop_unread()
        sys.exit(130)
    except SystemExit:
        if sys.stdout is not stdout:
            # click has muffled it, because its reader (head, jq) has gone. Nothing is wrong then:
            # end with the code that a shell shows of a program that SIGPIPE ended.
            sys.exit(141)
        raise
    except Exception as error:
        if verbose:
            logging.getLogger(name).debug("traceback", exc_info=True)
        from fer_edge.shared.address_space import exhausted  # noqa: PLC0415 - not for --help

        known = error if isinstance(error, FerError) else exhausted(error)
        if known is not None:
            report_error(known)
            _drop_unwritten()
            sys.exit(known.exit_code)
        text = printable(f"{type(error).__name__}: {' '.join(str(error).split())}")
        click.echo(
            f"error: {name} failed inside: {text}; this is a defect; "
            f"run `{name} -v ...` for the traceback and report it",
            err=True,
        )
        sys.exit(EXIT_FAILED)
    sys.exit(result if isinstance(result, int) else 0)


def _wants_verbose(arguments: Sequence[str]) -> bool:
    return bool(arguments) and arguments[0] in {"-v", "--verbose"}


def _set_verbosity(_context: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        logging.getLogger().setLevel(logging.DEBUG)


def _make_stdout_usable() -> None:
    """Survive file names that are no UTF-8, and a stdout that is closed, or unbuffered.

    Unbuffered, as PYTHONUNBUFFERED makes it, a write that the system cuts short loses its rest
    without an error. We flush each line ourselves.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - for the rest of the process
    elif isinstance(sys.stdout, io.TextIOWrapper):
        if isinstance(sys.stdout.buffer, io.RawIOBase):
            sys.stdout = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding=sys.stdout.encoding)
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_unwritten() -> None:
    """Leave nothing in stdout that the interpreter would fail to write when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _drop_unread() -> None:
    """Leave nothing in stdout where its reader has stopped reading, and would be waited for."""
    if not select.select([], [sys.stdout], [], 0)[1]:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _own_stderr() -> Any:
    """Keep stderr for ourselves and send what native libraries print there to nowhere.

    libjpeg, libpng, FFmpeg, TFLite and TensorFlow write to file descriptor 2 directly. What
    they have to say of a broken file comes out of our own messages; `-v` shows theirs too.
    """
    try:
        kept = os.dup(2)
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 2)
        os.close(devnull)
    except OSError:
        return sys.stderr
    sys.stderr = os.fdopen(kept, "w", buffering=1, errors="backslashreplace")
    return sys.stderr


class JournalFormatter(logging.Formatter):
    """Marks each line of a record with its level, so that `journalctl -p warning` finds it."""

    def __init__(self) -> None:
        super().__init__("%(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's lines."""
        marks = (mark for level, mark in _MARKS if record.levelno >= level)
        mark = next(marks, _DEBUG)
        return "\n".join(mark + line for line in super().format(record).splitlines())

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the record without its traceback."""
        record.message = _message(record)
        return super().formatMessage(record)


def goes_to_journal(stream: TextIO, environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether what is written there ends in the journal, unless somebody redirected it.

    Source: JOURNAL_STREAM in systemd.exec(5).
    """
    try:
        found = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"
