"""Observations to events, and these to the spool and to a file."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import OutputError
from fer_edge.shared.records import Observation
from fer_edge.sinks.events.aggregates import Aggregates
from fer_edge.sinks.events.faces import Deriver, Notice, encode
from fer_edge.sinks.spool.spool import Spool
from fer_edge.state.records import DaemonState, Figure

_log = logging.getLogger(__name__)


class EventSink(Closing):
    """Derives events from observations and hands them on.

    A file that cannot be written to keeps no event from the spool; it is counted.

    Args:
        deriver: Makes the events.
        spool: Where they wait for the broker; not closed with the sink.
        file: Gets them as JSON lines; closed with the sink.
        tell: Gets them, too, each as a line of JSON; returns at once.
    """

    def __init__(
        self,
        deriver: Deriver,
        *,
        spool: Spool | None = None,
        file: TextIO | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._deriver = deriver
        self._spool = spool
        self._file = file
        self._tell = tell
        self._counts: Counter[str] = Counter()
        self._unwritten = self._overflow = 0
        self._problem = ""
        self._closed = False

    def emit(self, observation: Observation) -> None:
        """Derive what this observation brings; an event that it brings is kept on return."""
        self._pass_on(self._deriver.take(observation))

    def report(self, _state: DaemonState) -> None:
        """Derive what the passing of time brings: faces leave also where no frame comes."""
        self._pass_on(self._deriver.tick())

    def figures(self) -> Mapping[str, Figure]:
        """Return how many events of each kind there were."""
        told: dict[str, Figure] = {"events": self._counts.total(), "problem": self._problem}
        told |= {f"events_{kind}": count for kind, count in self._counts.items()}
        if isinstance(self._deriver, Aggregates):
            told["withheld_periods"] = self._deriver.withheld
        if self._file is not None:
            told["unwritten"] = self._unwritten
        if self._spool is not None:
            told["first_kept_in_memory"] = self._overflow
        return told

    def close(self) -> None:
        """Let every face leave, and close the file; may be called twice."""
        if self._closed:
            return
        self._closed = True
        self._pass_on(self._deriver.end())
        if self._file is not None:
            with suppress(OSError):
                self._file.close()

    def _pass_on(self, events: Iterable[Notice]) -> None:
        for event in events:
            line = encode(event)
            self._counts[getattr(event, "kind", "aggregate")] += 1
            if self._spool is not None and not self._spool.append(line):
                self._overflow += 1
            if self._file is not None:
                self._write(self._file, line)
            if self._tell is not None:
                self._tell(line)

    def _write(self, file: TextIO, line: str) -> None:
        try:
            file.write(line + "\n")
            file.flush()
        except OSError as error:
            self._unwritten += 1
            problem = f"events.file cannot be written to ({error.strerror})"
            if problem != self._problem:
                _log.warning("%s", problem)
            self._problem = problem
        else:
            self._problem = ""


def open_event_file(path: Path) -> TextIO:
    """Open a file to append events to; a new one is for its owner alone.

    Raises:
        OutputError: It cannot be opened.
    """
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        return os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"{path} cannot be written ({error.strerror})",
            expected="a file in a folder that exists and may be written",
            fix="check the path given as events.file",
        ) from error
