"""The loop of every run: what comes is seen, told and counted, until nothing comes."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from fer_edge.pipeline.protocols import Source
from fer_edge.pipeline.timings import StageTimes, Summary
from fer_edge.shared.records import Frame, Observation

_T = TypeVar("_T")

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
        baseline: What the answers were relative to in the last frame; "" without one.
    """

    frames: int = 0
    frames_with_face: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    timings: StageTimes = field(default_factory=lambda: StageTimes(_REMEMBERED))
    baseline: str = ""

    @property
    def frames_per_second(self) -> float:
        """Frames processed a second of wall time."""
        return self.frames / self.seconds if self.seconds else 0.0

    def add(self, observation: Observation) -> None:
        """Count one observation."""
        self.frames += 1
        self.baseline = observation.baseline
        self.frames_with_face += bool(observation.readings)
        for reading in observation.readings:
            self.labels[reading.answer.label] += 1
        self.timings.add(observation.timings)

    def stages(self) -> dict[str, Summary]:
        """Summarise the stages, in milliseconds."""
        return self.timings.summarise()


Watch: TypeAlias = Callable[[_T, Observation, RunTally], None]
"""Called after each turn with what was seen, the observation, and what the run has come to."""


def run(
    turns: Iterable[_T | None],
    see: Callable[[_T], Observation],
    *,
    max_frames: int = 0,
    watch: Watch[_T] = lambda _seen, _observation, _tally: None,
) -> RunTally:
    """Make an observation of each thing that comes, until nothing does or `max_frames` are done.

    What comes decides how long to wait for it and when to end: the next thing is asked for only
    when all is done with the last.

    Args:
        turns: Frames, or whatever else is seen; None where a turn brings none.
        see: Returns the observation, which the sinks have then got.
        max_frames: 0 is no limit.
        watch: Called after each observation.

    Raises:
        FerError: What `turns` and `see` raise.
    """
    tally = RunTally()
    started = time.monotonic()
    for seen in turns:
        if seen is None:
            continue
        observation = see(seen)
        tally.add(observation)
        tally.seconds = time.monotonic() - started
        watch(seen, observation, tally)
        if tally.frames == max_frames:
            break
    return tally


def read_frames(source: Source, *, timeout_seconds: float) -> Iterator[Frame]:
    """Yield a source's frames until it ends.

    Args:
        source: Opened; not closed here.
        timeout_seconds: Bound on waiting for one frame.

    Raises:
        SourceUnavailableError: A frame did not come in time.
    """
    while (frame := source.read(timeout_seconds)) is not None:
        yield frame
