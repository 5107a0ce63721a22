"""The loop that runs until its source ends or somebody stops it."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TypeAlias

from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Sink, Source
from fer_edge.pipeline.timings import StageTimes, Summary
from fer_edge.shared.records import Frame, Observation

_REMEMBERED = 10_000  # measurements of each stage that make up the closing summary


@dataclass
class RunTally:
    """What a run came to.

    Attributes:
        frames: Processed.
        frames_with_face: Of these, how many showed at least one.
        labels: How often each label was read.
        seconds: Wall time from the first frame asked for to the last result.
        timings: Of the last frames, by stage.
    """

    frames: int = 0
    frames_with_face: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    timings: StageTimes = field(default_factory=lambda: StageTimes(_REMEMBERED))

    @property
    def frames_per_second(self) -> float:
        """Frames processed a second of wall time."""
        return self.frames / self.seconds if self.seconds else 0.0

    def add(self, observation: Observation) -> None:
        """Count one observation."""
        self.frames += 1
        self.frames_with_face += bool(observation.readings)
        for reading in observation.readings:
            self.labels[reading.prediction.label] += 1
        self.timings.add(observation.timings)

    def stages(self) -> dict[str, Summary]:
        """Summarise the stages, in milliseconds."""
        return self.timings.summarise()


Watch: TypeAlias = Callable[[Frame, Observation, RunTally], None]
"""Called after each frame with what was seen in it and what the run has come to so far."""


def run(
    source: Source,
    pipeline: Pipeline,
    sinks: Sequence[Sink],
    *,
    read_timeout_seconds: float,
    stop: threading.Event | None = None,
    max_frames: int = 0,
    watch: Watch = lambda _frame, _observation, _tally: None,
) -> RunTally:
    """Process frames until the source ends, `stop` is set, or `max_frames` are done.

    Args:
        source: Opened; not closed here.
        pipeline: What makes observations of frames.
        sinks: Each gets every observation.
        read_timeout_seconds: Bound on waiting for one frame.
        stop: Set from elsewhere to end after the current frame.
        max_frames: 0 is no limit.
        watch: Called after each observation.

    Raises:
        SourceUnavailableError: A frame did not come in time.
        OutputError: A sink cannot write.
    """
    stop = stop or threading.Event()
    tally = RunTally()
    started = time.monotonic()
    while not stop.is_set() and (not max_frames or tally.frames < max_frames):
        frame = source.read(read_timeout_seconds)
        if frame is None:
            break
        observation = pipeline.process(frame)
        for sink in sinks:
            sink.emit(observation)
        tally.add(observation)
        tally.seconds = time.monotonic() - started
        watch(frame, observation, tally)
    return tally


@contextmanager
def stop_on_signals() -> Iterator[threading.Event]:
    """Give an event that SIGINT and SIGTERM set, so that a run ends after the current frame.

    A second signal acts as if nobody had caught the first.
    """
    stop = threading.Event()
    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def request_stop(number: int, _frame: FrameType | None) -> None:
        stop.set()
        signal.signal(number, previous[signal.Signals(number)])

    for number in previous:
        signal.signal(number, request_stop)
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
