"""Every sink gets every observation; one that fails is left alone for a while, never fatal."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from fer_edge.pipeline.backoff import Backoff
from fer_edge.pipeline.protocols import Display, Reporter, Sink
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import FerError
from fer_edge.shared.records import Frame, Observation
from fer_edge.state.records import DaemonState, Figure, SinkState

_FIRST_PAUSE_SECONDS: Final = 1.0
_LONGEST_PAUSE_SECONDS: Final = 60.0
_SLOW_SECONDS: Final = 1.0  # to take one observation; frames are lost meanwhile

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class NamedSink:
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
    """Gives observations and states to sinks that may fail.

    Whatever a sink raises is counted and logged, and the sink left alone for a while: one
    with a defect must not stop the others. What is said meanwhile is not kept for it.

    Args:
        sinks: Closed with this object.
    """

    def __init__(self, sinks: Sequence[NamedSink]) -> None:
        self._courses = [_Course(named) for named in sinks]

    def emit(self, observation: Observation, frame: Frame | None = None) -> None:
        """Give an observation to all, and its frame to those who show it.

        Raises:
            Exception: An essential sink failed; a BrokenPipeError where its reader has gone.
        """
        for course in self._courses:
            course.emit(observation, frame)

    def report(self, state: DaemonState) -> None:
        """Give the daemon's state to those who take it."""
        for course in self._courses:
            course.report(state)

    def states(self) -> tuple[SinkState, ...]:
        """Return how each sink does."""
        # Of a list: made of a generator, a tuple is cut to its length, and Python keeps up to
        # 2,000 such pieces before it takes one again. This is called every second.
        return tuple([course.state() for course in self._courses])

    def find(self, name: str) -> NamedSink | None:
        """Return the sink of this name; None if there is none."""
        return next((each.named for each in self._courses if each.named.name == name), None)

    def release(self, named: NamedSink) -> None:
        """Give a sink no more, and leave it open for whoever takes it over."""
        self._courses = [course for course in self._courses if course.named is not named]

    def close(self) -> None:
        """Close all; what fails then is logged. May be called twice.

        Raises:
            Exception: An essential sink failed.
        """
        with ExitStack() as stack:  # closes them all, and then raises
            for course in reversed(self._courses):
                stack.callback(course.close)


class _Course:
    """One sink over time."""

    def __init__(self, named: NamedSink) -> None:
        self.named = named
        self._display = named.sink if isinstance(named.sink, Display) else None
        self._emitted = 0
        # Apart: a sink that cannot take the state may take observations all the same.
        self._emitting = _Attempts(named.name)
        self._reporting = _Attempts(named.name)

    def emit(self, observation: Observation, frame: Frame | None) -> None:
        if not self._emitting.due:
            return
        began = time.monotonic()
        try:
            if self._display is not None and frame is not None:
                self._display.show(frame, observation)
            self.named.sink.emit(observation)
        except Exception as error:
            if self.named.essential:
                raise
            self._emitting.failed(error)
            return
        self._emitted += 1
        self._emitting.succeeded(time.monotonic() - began)

    def report(self, state: DaemonState) -> None:
        sink = self.named.sink
        if not isinstance(sink, Reporter) or not self._reporting.due:
            return
        began = time.monotonic()
        try:
            sink.report(state)
        except Exception as error:  # noqa: BLE001 - the seam meant for it
            self._reporting.failed(error)
            return
        self._reporting.succeeded(time.monotonic() - began)

    def state(self) -> SinkState:
        return SinkState(
            self.named.name,
            self._emitted,
            self._emitting.failures + self._reporting.failures,
            self._emitting.problem or self._reporting.problem,
            self._figures(),
        )

    def close(self) -> None:
        try:
            self.named.sink.close()
        except Exception as error:
            if self.named.essential:
                raise
            self._emitting.failed(error)

    def _figures(self) -> Mapping[str, Figure]:
        sink = self.named.sink
        if not isinstance(sink, Reporter):
            return {}
        try:
            return sink.figures()
        except Exception as error:  # noqa: BLE001 - the seam meant for it
            self._reporting.failed(error)
            return {}


class _Attempts:
    """How one thing that a sink does goes, and when it is tried again."""

    def __init__(self, name: str) -> None:
        self.failures = 0
        self.problem = ""
        self._name = name
        self._backoff = Backoff(
            first_seconds=_FIRST_PAUSE_SECONDS, longest_seconds=_LONGEST_PAUSE_SECONDS
        )
        self._retry_at = 0.0

    @property
    def due(self) -> bool:
        """Whether it is to be tried now."""
        return time.monotonic() >= self._retry_at

    def succeeded(self, seconds: float) -> None:
        """Take in that it worked, and how long that took."""
        slow = seconds >= _SLOW_SECONDS
        if slow:
            if not self.problem:
                _log.warning(
                    "%s is slow: %.1f s, in which nothing else went on", self._name, seconds
                )
        elif self.problem:
            _log.info("%s works again", self._name)
        self.problem = f"slow: {seconds:.1f} s" if slow else ""
        self._backoff.reset()

    def failed(self, error: Exception) -> None:
        """Take in that it did not."""
        self.failures += 1
        pause = self._backoff.pause()
        self._retry_at = time.monotonic() + pause
        expected = isinstance(error, (FerError, OSError))
        problem = str(error) if expected else f"{type(error).__name__}: {error}"
        if problem != self.problem:
            _log.warning(
                "%s: %s; tried again in %.1f s", self._name, problem, pause,
                exc_info=None if expected else error,
            )  # fmt: skip
        self.problem = problem
