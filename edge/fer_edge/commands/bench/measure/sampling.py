"""Measuring: warm up, then run until the figures are precise or the time is up."""

import threading
import time
from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from fer_edge.commands.bench.intervals import Series, figures, percentile_interval

KEPT_SAMPLES: Final = 1000
"""Of a series in the report; evenly spaced in time where there are more."""
_PRECISE: Final = 0.01
_MIN_RUNS: Final = 30
_WARMUP_RUNS: Final = 5
_SLICE_SECONDS: Final = 0.2
WARM_UP: Final = 0.1
"""Of the longest time for one thing is spent before measuring it, for five runs at least."""
_LEAST: Final = 0.25
"""Of that time is measured, however precise the figures are."""

Action = Callable[[], object]
Clock = Callable[[], int]
Ended = Literal["precise", "time", "stopped"]


@dataclass(slots=True)
class Samples:
    """A series of measurements in the order they were made.

    Attributes:
        nanoseconds: One a run; the warm-up is not in it, everything else is.
        warmup_runs: Runs before.
        ended: Why it ended: the median's interval is within 1 % ("precise"), "time", "stopped".
        total_ns: Sum of the measurements.
        cpu_ns: Of the whole process in all turns.
        turns_ns: Length of all turns.
    """

    nanoseconds: "array[int]" = field(default_factory=lambda: array("q"))
    warmup_runs: int = 0
    ended: Ended = "stopped"
    total_ns: int = 0
    cpu_ns: int = 0
    turns_ns: int = 0

    @property
    def waiting_share(self) -> float:
        """Part of the time in which the process had no processor: other programs had it."""
        return max(0.0, 1 - self.cpu_ns / self.turns_ns) if self.turns_ns else 0.0

    def add(self, nanoseconds: int) -> None:
        """Append one measurement."""
        self.nanoseconds.append(nanoseconds)
        self.total_ns += nanoseconds

    @property
    def milliseconds(self) -> Series:
        """All of them, float64."""
        return np.asarray(self.nanoseconds, np.float64) / 1e6

    def to_json(self) -> dict[str, Any]:
        """Return the figures and how they came about."""
        return {
            **figures(self.milliseconds),
            "warmup_runs": self.warmup_runs,
            "ended": self.ended,
            "waiting_share": round(self.waiting_share, 4),
        }


def thin_out(values: Series) -> list[float]:
    """Return at most `KEPT_SAMPLES` values, evenly spaced, to a hundred nanoseconds."""
    step = max(1, -(-len(values) // KEPT_SAMPLES))
    return [round(value, 4) for value in values[::step].tolist()]


def measure(
    actions: Mapping[str, Action],
    seconds: float,
    *,
    stop: threading.Event,
    progress: Callable[[str], None] = lambda _text: None,
    clock: Clock = time.monotonic_ns,
) -> dict[str, Samples]:
    """Measure several actions in turns, so that a drift of the machine meets all of them alike.

    Args:
        actions: By name. Each has a fifth of a second, or one run, in each turn.
        seconds: For each of them at most, unless 30 runs take longer.
        stop: Set from elsewhere to end; what was measured is kept.
        progress: Called with a line of text a turn.
        clock: Monotonic, nanoseconds.

    Returns:
        By name; only those with at least one measurement.
    """
    samples = {name: Samples() for name in actions}
    for name, action in actions.items():
        _warm_up(action, samples[name], WARM_UP * seconds, stop=stop, clock=clock)
    unfinished = dict(actions)
    while unfinished and not stop.is_set():
        for name, action in list(unfinished.items()):
            mine = samples[name]
            _one_turn(action, mine, stop=stop, clock=clock)
            if (ended := _ended(mine, seconds)) is not None:
                mine.ended = ended
                del unfinished[name]
            progress(f"{name}: {len(mine.nanoseconds)} runs")
            if stop.is_set():
                break
    return {name: mine for name, mine in samples.items() if mine.nanoseconds}


def _warm_up(
    action: Action, samples: Samples, seconds: float, *, stop: threading.Event, clock: Clock
) -> None:
    end = clock() + seconds * 1e9
    while not stop.is_set() and (samples.warmup_runs < _WARMUP_RUNS or clock() < end):
        action()
        samples.warmup_runs += 1


def _one_turn(action: Action, samples: Samples, *, stop: threading.Event, clock: Clock) -> None:
    begin, cpu = clock(), time.process_time_ns()
    end = begin + _SLICE_SECONDS * 1e9
    now = begin
    while now < end and not stop.is_set():
        start = clock()
        action()
        now = clock()
        samples.add(now - start)
    samples.cpu_ns += time.process_time_ns() - cpu
    samples.turns_ns += now - begin


def _ended(samples: Samples, seconds: float) -> Ended | None:
    measured = samples.total_ns / 1e9
    if len(samples.nanoseconds) < _MIN_RUNS or measured < _LEAST * seconds:
        return None
    if measured >= seconds:
        return "time"
    ordered = np.sort(samples.milliseconds)
    low, high = percentile_interval(ordered, 50)
    middle = float(np.median(ordered))
    precise = low is not None and high is not None and high - low <= 2 * _PRECISE * middle
    return "precise" if precise else None
