"""A process that does for the page what the daemon itself must not: it is bounded, and ends."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

_PRIVATE: Final = ("FER_EDGE_", "CREDENTIALS_", "NOTIFY_", "WATCHDOG_", "LISTEN_")
"""Beginnings of variables that are none of its business: secrets are among them."""
_FAREWELL_SECONDS: Final = 2.0
_PIECE_BYTES: Final = 64 * 1024


class Answered(NamedTuple):
    """What a process answered.

    Attributes:
        output: All that it printed.
        code: Its exit code; negative for a signal.
    """

    output: bytes
    code: int


class TooMuchError(Exception):
    """The process printed more than it may."""


async def ask_child(
    arguments: Sequence[str],
    *,
    given: Sequence[bytes] = (),
    most_bytes: int,
    seconds: float,
    environment: Mapping[str, str],
) -> Answered:
    """Run this Python with other arguments, and leave nothing of it behind whatever happens.

    Args:
        arguments: Behind the interpreter's name.
        given: What it may read on standard input, in pieces.
        most_bytes: That it may print.
        seconds: That it may take.
        environment: Variables that it needs beside those of this process that are no secret.

    Raises:
        TimeoutError: It takes longer; it has been ended.
        TooMuchError: It prints more; likewise.
        OSError: It cannot be started.
    """
    with open(_in_memory(given), "rb") as handed:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", *arguments),
            stdin=handed,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={**_environment(), **environment},
            start_new_session=True,  # so that Ctrl-C is for us, and its own children end with it
        )
    try:
        async with asyncio.timeout(seconds):
            output = await _receive(child, most_bytes)
            return Answered(output, await child.wait())
    finally:
        await _end(child)


def _in_memory(given: Sequence[bytes]) -> int:
    """Return a descriptor of a file that is in no folder and on no disk, at its beginning."""
    handle = os.memfd_create("handed-over")
    try:
        for piece in given:
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(handle, rest) :]
        os.lseek(handle, 0, os.SEEK_SET)
    except BaseException:
        os.close(handle)
        raise
    return handle


async def _receive(child: asyncio.subprocess.Process, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    length = 0
    while child.stdout is not None and (part := await child.stdout.read(_PIECE_BYTES)):
        length += len(part)
        if length > most_bytes:
            raise TooMuchError
        parts.append(part)
    return b"".join(parts)


async def _end(child: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    if child.returncode is None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(child.wait()), _FAREWELL_SECONDS)
    # Its pipes are closed by the garbage collector otherwise, if ever.
    child._transport.close()  # type: ignore[attr-defined]


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_PRIVATE)}
    return {**kept, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
