"""The loop of every run: what comes is seen, told and counted, until nothing comes."""

import math
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from fer_edge.pipeline.protocols import Source
from fer_edge.pipeline.timings import StageTimes, Summary
from fer_edge.shared.records import Frame, Observation

_T = TypeVar("_T")

_LONGEST_PAUSE_SECONDS = 1.0  # between frames, for which what was seen is taken to be still there
_REMEMBERED = 10_000  # measurements of each stage that make up the closing summary


@dataclass
class RunTally:
    """What a run came to.

    Attributes:
        frames: Processed.
        frames_with_face: Of these, how many showed at least one.
        labels: How often each label was shown: the stable one where there is one.
        shown: For how long each was, in seconds of the clip or of the clock.
        seconds: Wall time from the first frame asked for to the last result.
        timings: Of the last frames, by stage.
        baseline: What the answers were relative to in the last frame; "" without one.
    """

    frames: int = 0
    frames_with_face: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    shown: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: float = 0.0
    timings: StageTimes = field(default_factory=lambda: StageTimes(_REMEMBERED))
    baseline: str = ""
    _last: float = math.inf

    @property
    def frames_per_second(self) -> float:
        """Frames processed a second of wall time."""
        return self.frames / self.seconds if self.seconds else 0.0

    def add(self, observation: Observation) -> None:
        """Count one observation."""
        self.frames += 1
        self.baseline = observation.baseline
        self.frames_with_face += bool(observation.readings)
        passed = self._passed(observation)
        for reading in observation.readings:
            label = reading.stable or reading.label
            self.labels[label] += 1
            self.shown[label] += passed
        self.timings.add(observation.timings)

    def _passed(self, observation: Observation) -> float:
        """Return the time since the observation before; none over a pause, and of a picture."""
        at = observation.clip_seconds
        if at is None and observation.name:  # was captured when it was read, and shown at no time
            return 0.0
        now = observation.captured_at if at is None else at
        before, self._last = self._last, now
        passed = now - before
        return passed if 0 < passed <= _LONGEST_PAUSE_SECONDS else 0.0

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
    max_seconds: float = 0.0,
    watch: Watch[_T] = lambda _seen, _observation, _tally: None,
) -> RunTally:
    """Make an observation of each thing that comes, until nothing does or there are enough.

    What comes decides how long to wait for it and when to end: the next thing is asked for only
    when all is done with the last.

    Args:
        turns: Frames, or whatever else is seen; None where a turn brings none.
        see: Returns the observation, which the sinks have then got.
        max_frames: 0 is no limit.
        max_seconds: The same, in seconds from the first on: of the clip, or of the clock.
        watch: Called after each observation.

    Raises:
        FerError: What `turns` and `see` raise.
    """
    tally = RunTally()
    started = time.monotonic()
    limit = _Limit(max_frames, max_seconds)
    for seen in turns:
        if seen is not None:
            observation = see(seen)
            tally.add(observation)
            tally.seconds = time.monotonic() - started
            watch(seen, observation, tally)
            limit.count(observation)
        if limit.is_reached:
            break
    return tally


class _Limit:
    """How many frames, or seconds of them, are enough."""

    def __init__(self, max_frames: int, max_seconds: float) -> None:
        self._frames_left = max_frames or math.inf
        self._seconds = max_seconds or math.inf
        self._began: float | None = None
        self._clip_seconds: float | None = None

    def count(self, observation: Observation) -> None:
        self._frames_left -= 1
        self._began = time.monotonic() if self._began is None else self._began
        self._clip_seconds = observation.clip_seconds

    @property
    def is_reached(self) -> bool:
        """Whether there are enough; a camera from which nothing comes is not waited for."""
        if self._began is None:
            return False
        clock = time.monotonic() - self._began
        passed = clock if self._clip_seconds is None else self._clip_seconds
        return self._frames_left <= 0 or passed >= self._seconds


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
