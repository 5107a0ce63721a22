"""Observations as JSON lines."""

import io
from pathlib import Path
from typing import Self, TextIO

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.shared.records import Observation
from fer_edge.sinks.jsonl.line import json_line


class JsonLinesSink(Closing):
    """Writes one line an observation and flushes it.

    Args:
        stream: Where to write; closed with the sink only when `owned`.
        owned: Whether the stream is the sink's own.
    """

    def __init__(self, stream: "TextIO | _LineFile", *, owned: bool = False) -> None:
        self._stream = stream
        self._owned = owned

    @classmethod
    def to_file(cls, path: Path) -> Self:
        """Append to a file, which is made where it does not exist.

        Raises:
            OutputError: It cannot be opened.
        """
        try:
            return cls(_LineFile(path), owned=True)
        except OSError as error:
            raise OutputError(
                f"{path} cannot be written ({error.strerror})",
                expected="a file in a folder that exists and may be written",
                fix="check the path given as output.file",
            ) from error

    def emit(self, observation: Observation) -> None:
        """Write one line.

        Raises:
            OutputError: The disk is full, or the stream has gone bad.
        """
        line = json_line(observation)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise _unwritable(error) from error

    def close(self) -> None:
        """Close the file, if it is the sink's own; may be called twice.

        Raises:
            OutputError: The disk is full.
        """
        if not self._owned:
            return
        try:
            self._stream.close()
        except OSError as error:
            raise _unwritable(error) from error


class _LineFile:
    """A file to which whole lines are appended, without a buffer that they would wait in.

    A line that a full disk cuts off is finished before the next one, so that no line ever
    begins within another.
    """

    def __init__(self, path: Path) -> None:
        self._raw = io.FileIO(path, "a")
        self._cut_off = b""

    def write(self, text: str, /) -> None:
        due = len(self._cut_off)
        data = self._cut_off + text.encode()
        written = 0
        try:
            while written < len(data):
                written += self._raw.write(data[written:])
        finally:
            # A line of which nothing has been written is given up; its failure is told.
            self._cut_off = data[written:due] if written <= due else data[written:]

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self._raw.close()


def _unwritable(error: OSError) -> OutputError:
    return OutputError(
        f"an observation cannot be written ({error.strerror})",
        expected="space on the disk",
        fix="make room; what was written before is kept",
    )
