"""Clocks for the stages of a pipeline, and percentiles of what they read."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


class StageClock:
    """Measures the stages of one frame on the monotonic clock.

    Attributes:
        milliseconds: By stage, in the order of their end.
    """

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure what happens inside the `with` block."""
        start = time.monotonic_ns()
        try:
            yield
        finally:
            self.milliseconds[name] = (time.monotonic_ns() - start) / 1e6

    def since(self, name: str, monotonic_ns: int) -> None:
        """Note the time from a moment of the monotonic clock until now."""
        self.milliseconds[name] = (time.monotonic_ns() - monotonic_ns) / 1e6


@dataclass(frozen=True, slots=True)
class Summary:
    """What many measurements of one stage come to, in milliseconds; nothing is discarded."""

    n: int
    mean: float
    p50: float
    p90: float
    p99: float
    max: float


def percentile(values: Sequence[float], percent: float) -> float:
    """Return a percentile by linear interpolation between closest ranks.

    Args:
        values: At least one.
        percent: 0 to 100.
    """
    ordered = sorted(values)
    rank = (len(ordered) - 1) * percent / 100
    low = math.floor(rank)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (rank - low)


def summarise(values: Sequence[float]) -> Summary:
    """Summarise at least one measurement."""
    return Summary(
        n=len(values),
        mean=sum(values) / len(values),
        p50=percentile(values, 50),
        p90=percentile(values, 90),
        p99=percentile(values, 99),
        max=max(values),
    )


def summarise_stages(frames: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """Summarise each stage over the frames in which it ran.

    Args:
        frames: Milliseconds by stage, one mapping a frame.
    """
    stages = dict.fromkeys(stage for frame in frames for stage in frame)
    return {
        stage: summarise([frame[stage] for frame in frames if stage in frame]) for stage in stages
    }
