"""What a daemon has done so far, as its state says it."""

import os
import resource
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from fer_edge import __version__
from fer_edge.pipeline.timings import StageTimes, percentile
from fer_edge.shared.records import NO_BASELINE, Observation
from fer_edge.state.machine import System, temperature_c, throttle_bits
from fer_edge.state.records import CameraHealth, DaemonState, Phase, SinkState
from fer_edge.state.threads import dead_threads

_REMEMBERED: Final = 300
_RATE_SECONDS: Final = 5.0
_THROTTLED_NOW: Final = 0b1111
_LOOK_SECONDS: Final = 30.0
_SUMMARY_SECONDS: Final = 5.0
_LEAST_LOAD_SECONDS: Final = 0.5


class Names(NamedTuple):
    """What a daemon works with.

    Attributes:
        source: As the settings name it, without passwords.
        model: Its name.
        model_sha256: Of its file.
        model_place: Where it lies, if that is a slot; see `DaemonState`.
        model_problem: Why it is not the one that should serve.
        tells_faces: Whether the state may tell how many faces there are.
        baseline: What answers are relative to.
        calibration: How the last calibration went.
        detector: Technique that finds the faces, and why this one.
    """

    source: str
    model: str
    model_sha256: str
    model_place: str = ""
    model_problem: str = ""
    tells_faces: bool = True
    baseline: str = NO_BASELINE
    calibration: str = ""
    detector: str = ""


class Figures:
    """Counts frames and makes the daemon's state of them.

    Args:
        names: What the daemon works with.
        system: Where temperature and throttling are read.

    Attributes:
        names: Change with a reload and with a calibration.
    """

    def __init__(self, names: Names, *, system: System | None = None) -> None:
        self.names = names
        self._machine = _Machine(system or System())
        self._load = Load()
        self._started_at = time.time()
        self._started = time.monotonic()
        self._frames = 0
        self._faces = 0
        self._moments: deque[float] = deque(maxlen=_REMEMBERED)
        self._timings = StageTimes(_REMEMBERED)
        self._summary: dict[str, dict[str, float]] = {}
        self._summary_due = 0.0

    def add(self, observation: Observation) -> None:
        """Count one observation."""
        self._frames += 1
        self._faces = len(observation.readings)
        if observation.baseline != self.names.baseline:
            self.names = self.names._replace(baseline=observation.baseline)
        self._moments.append(time.monotonic())
        self._timings.add(observation.timings)

    def state(
        self, phase: Phase, camera: CameraHealth, *, dropped: int, sinks: tuple[SinkState, ...]
    ) -> DaemonState:
        """Return all that is to be said now.

        Whoever shows the state shows nobody and no rate while no frames come: here, for all.
        """
        self._machine.look()
        if phase != "running":
            self._forget()
        # Not twenty by keyword: Python 3.11 keeps each tuple of twenty names it has made for
        # a call, up to 2,000, and takes none of them again: 400 KB in the first half hour.
        return DaemonState(
            phase,
            __version__,
            os.getpid(),
            self._started_at,
            time.monotonic() - self._started,
            self.names.source,
            self.names.model,
            self.names.model_sha256,
            camera,
            model_place=self.names.model_place,
            model_problem=self.names.model_problem,
            baseline=self.names.baseline,
            calibration=self.names.calibration,
            detector=self.names.detector,
            frames=self._frames,
            dropped=dropped,
            frames_per_second=self._rate(),
            faces=self._faces if self.names.tells_faces else None,
            stages_ms=self._stages(),
            temperature_c=self._machine.temperature_c,
            throttled=self._machine.throttled,
            rss_mb=_rss_mb(),
            cpu_percent=self._load.percent(),
            sinks=sinks,
            dead_threads=dead_threads(),
        )

    def _forget(self) -> None:
        """Forget what was seen: a camera that comes back shows something else."""
        self._faces = 0
        self._moments.clear()

    def _rate(self) -> float:
        now = time.monotonic()
        recent = self._moments
        # A full memory, and one that has only begun, reach back less far than the seconds wanted.
        span = now - recent[0] if recent else 0.0
        while recent and now - recent[0] > _RATE_SECONDS:
            span = _RATE_SECONDS
            recent.popleft()
        return len(recent) / max(span, 1e-9) if len(recent) > 1 else 0.0

    def _stages(self) -> dict[str, dict[str, float]]:
        """Return percentiles by stage; made anew every few seconds, for sorting takes time.

        Of few frames it takes none, and the first of all, which loads much, would stand for long.
        """
        now = time.monotonic()
        if now >= self._summary_due or self._frames < _REMEMBERED:
            self._summary_due = now + _SUMMARY_SECONDS
            self._summary = _summarise(self._timings)
        return self._summary


def _summarise(timings: StageTimes) -> dict[str, dict[str, float]]:
    return {
        stage: {"p50": percentile(values, 50), "p99": percentile(values, 99)}
        for stage, values in timings.items()
    }


class _Machine:
    """Looks at the machine now and then: that costs file reads, or a short command."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._due = 0.0
        self._tells = True
        self.temperature_c: float | None = None
        self.throttled: bool | None = None

    def look(self) -> None:
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _LOOK_SECONDS
        self.temperature_c = temperature_c(self._system)
        if self._tells:
            bits = throttle_bits(self._system)
            self._tells = bits is not None
            self.throttled = None if bits is None else bool(bits & _THROTTLED_NOW)


class Load:
    """How much of one core the process has taken, of late.

    Args:
        clock: Tells the time in seconds.
        used: Tells the processor time that the process has taken, in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._clock, self._used = clock, used
        self._at, self._taken = clock(), used()
        self._percent = 0.0

    def percent(self) -> float:
        """Return it since the last time; of a moment too short to tell, what was true before."""
        now = self._clock()
        if now - self._at >= _LEAST_LOAD_SECONDS:
            taken = self._used()
            self._percent = 100 * (taken - self._taken) / (now - self._at)
            self._at, self._taken = now, taken
        return self._percent


def _rss_mb() -> float:
    try:
        with open("/proc/self/statm", encoding="ascii") as stream:  # noqa: PTH123 - each second
            return int(stream.read().split()[1]) * resource.getpagesize() / 1e6
    except (OSError, ValueError, IndexError):
        return 0.0
