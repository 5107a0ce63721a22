"""Every outlet gets every observation; one that fails is left alone for a while, never fatal."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fer_edge.backoff import Backoff
from fer_edge.closing import Closing
from fer_edge.errors import FerError
from fer_edge.protocols import Reporter, Sink
from fer_edge.records import Observation
from fer_edge.state import DaemonState, SinkState

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outlet:
    """A sink and how it is treated.

    Attributes:
        name: For logs, metrics and `fer-edge status`.
        sink: Where observations go.
        essential: Whether its failure ends the run: what somebody pipes into a program.
    """

    name: str
    sink: Sink
    essential: bool = False


class FanOut(Closing):
    """Gives observations and states to outlets that may fail.

    Args:
        outlets: Closed with this object.
    """

    def __init__(self, outlets: Sequence[Outlet]) -> None:
        self._courses = [_Course(outlet) for outlet in outlets]

    def emit(self, observation: Observation) -> None:
        """Give an observation to all.

        Raises:
            FerError: An essential outlet failed.
            BrokenPipeError: Its reader has gone.
        """
        for course in self._courses:
            course.emit(observation)

    def report(self, state: DaemonState) -> None:
        """Give the daemon's state to those who take it."""
        for course in self._courses:
            course.report(state)

    def states(self) -> tuple[SinkState, ...]:
        """Return how each outlet does."""
        return tuple(course.state() for course in self._courses)

    def close(self) -> None:
        """Close all; what fails then is logged. May be called twice."""
        for course in self._courses:
            course.close()


class _Course:
    """One outlet over time."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._emitted = 0
        self._failures = 0
        self._problem = ""
        self._backoff = Backoff(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        self._retry_at = 0.0

    def emit(self, observation: Observation) -> None:
        if time.monotonic() < self._retry_at:
            return
        try:
            self._outlet.sink.emit(observation)
        except (FerError, OSError) as error:
            if self._outlet.essential:
                raise
            self._failed(error)
            return
        self._emitted += 1
        if self._problem:
            _log.info("%s works again", self._outlet.name)
            self._problem = ""
            self._backoff.reset()

    def report(self, state: DaemonState) -> None:
        if not isinstance(self._outlet.sink, Reporter):
            return
        try:
            self._outlet.sink.report(state)
        except (FerError, OSError) as error:
            self._failed(error)

    def state(self) -> SinkState:
        sink = self._outlet.sink
        figures = sink.figures() if isinstance(sink, Reporter) else {}
        return SinkState(self._outlet.name, self._emitted, self._failures, self._problem, figures)

    def close(self) -> None:
        try:
            self._outlet.sink.close()
        except (FerError, OSError) as error:
            if self._outlet.essential:
                raise
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        pause = self._backoff.pause()
        self._retry_at = time.monotonic() + pause
        if str(error) != self._problem:
            _log.warning("%s: %s; tried again in %.1f s", self._outlet.name, error, pause)
        self._problem = str(error)
