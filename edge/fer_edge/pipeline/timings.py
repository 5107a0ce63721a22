"""Clocks for the stages of a pipeline, and percentiles of what they read."""

import math
import time
from array import array
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


class StageTimes:
    """The last measurements of each stage, in memory that is taken once and then stays.

    A mapping kept for each frame would take ten times as much, and pieces that come and go among
    others that stay are what makes a process creep that runs for months.

    Args:
        remembered: How many measurements of each stage; the newest take the oldest ones' place.
    """

    def __init__(self, remembered: int) -> None:
        self._remembered = remembered
        self._rings: dict[str, array[float]] = {}
        self._counts: dict[str, int] = {}

    def add(self, milliseconds: Mapping[str, float]) -> None:
        """Remember what the stages of one frame took."""
        for stage, value in milliseconds.items():
            if stage not in self._rings:
                self._rings[stage] = array("d", bytes(8 * self._remembered))
                self._counts[stage] = 0
            self._rings[stage][self._counts[stage] % self._remembered] = value
            self._counts[stage] += 1

    def items(self) -> Iterator[tuple[str, Sequence[float]]]:
        """Give each stage with its measurements, in no order; at least one each."""
        for stage, ring in self._rings.items():
            yield stage, ring[: self._counts[stage]]

    def summarise(self) -> dict[str, Summary]:
        """Summarise each stage over the frames in which it ran."""
        return {stage: summarise(values) for stage, values in self.items()}
