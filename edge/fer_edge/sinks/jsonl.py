"""Observations as JSON lines."""

import json
from pathlib import Path
from typing import Self, TextIO

from fer_edge.closing import Closing
from fer_edge.errors import OutputError
from fer_edge.records import Observation


class JsonLinesSink(Closing):
    """Writes one line an observation and flushes it.

    Args:
        stream: Where to write; closed with the sink only when `owned`.
        owned: Whether the stream is the sink's own.
    """

    def __init__(self, stream: TextIO, *, owned: bool = False) -> None:
        self._stream = stream
        self._owned = owned

    @classmethod
    def to_file(cls, path: Path) -> Self:
        """Append to a file, which is made where it does not exist.

        Raises:
            OutputError: It cannot be opened.
        """
        try:
            return cls(path.open("a", encoding="utf-8"), owned=True)
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
        line = json.dumps(observation.to_json(), separators=(",", ":"), allow_nan=False)
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


def _unwritable(error: OSError) -> OutputError:
    return OutputError(
        f"an observation cannot be written ({error.strerror})",
        expected="space on the disk",
        fix="make room; what was written before is kept",
    )
