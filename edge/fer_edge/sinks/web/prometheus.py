"""What is seen and how the daemon does, in Prometheus' text format."""

import re
import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Any, Final, get_args

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
)
from prometheus_client.metrics_core import Metric

from fer_edge.shared.records import Observation
from fer_edge.state.health import Pulse, problems_of
from fer_edge.state.records import CameraHealth, DaemonState, Grade, Phase, SinkState

PREFIX: Final = "fer_edge"
GROWING: Final = frozenset(
    {
        "connections", "damaged_files", "defects", "delivered", "dropped_full", "dropped_old",
        "dropped_unkept", "events", "events_aggregate", "events_appeared", "events_changed",
        "events_left", "first_kept_in_memory", "ignored_commands", "pictures", "refused",
        "requests", "unwritten", "withheld_periods", "written_bytes", "wrong_tokens",
    }
)  # fmt: skip
"""Figures of sinks that only grow, and so are counters; all others are gauges."""
_GRADES: Final[tuple[str, ...]] = get_args(Grade)
_PHASES: Final[tuple[str, ...]] = get_args(Phase)
_OF_SINKS: Final[tuple[tuple[Any, str, str, Callable[[SinkState], float]], ...]] = (
    (CounterMetricFamily, "emitted", "Observations that a sink took.", lambda s: s.emitted),
    (CounterMetricFamily, "failures", "How often a sink failed.", lambda s: s.failures),
    (GaugeMetricFamily, "up", "1 while a sink has no problem.", lambda s: not problems_of(s)),
)
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds: a stage on a desktop takes a tenth of a millisecond, a frame of a
network camera that lags is seconds old."""
_NAMES: Final = (*map(str, BUCKETS), "+Inf")
_AGE: Final = "age"
_FRESH_SECONDS: Final = 0.5
_MOST_WAITING: Final = 1000


def tell_state(pulse: Pulse, *, faces: bool) -> Iterator[Metric]:
    """Yield what the newest state says, and how old it is; nothing is counted twice.

    Args:
        pulse: Where the newest state is.
        faces: Whether to tell how many faces there are.
    """
    yield _gauge(
        "state_age_seconds",
        "Since the loop last said how it does, about once a second; grows while it hangs.",
        pulse.age_seconds,
    )
    state = pulse.state
    if state is not None:
        yield from _about(state)
        yield from _flow(state)
        if faces and state.faces is not None:
            yield _gauge("faces_in_view", "Faces in the last frame.", state.faces)
        yield from _camera(state.camera)
        yield from _sinks(state.sinks)


def _about(state: DaemonState) -> Iterator[Metric]:
    yield _info("build", "Which fer-edge runs.", {"version": state.version})
    text = "Which network reads the faces, with the hash of its file."
    yield _info("model", text, {"model": state.model, "sha256": state.model_sha256})
    yield _info("baseline", "What the answers are relative to.", {"mode": state.baseline})
    yield _one_hot(
        "phase", "1 for what the daemon does now, 0 for the others.", state.phase, _PHASES
    )
    yield _gauge("uptime_seconds", "Since the start.", state.uptime_seconds)
    yield _gauge(
        "dead_threads", "Threads that a defect has ended; 0 where all is well.",
        len(state.dead_threads),
    )  # fmt: skip
    if state.temperature_c is not None:
        yield _gauge("temperature_celsius", "Of the processor.", state.temperature_c)
    if state.throttled is not None:
        yield _gauge("throttled", "1 while the board slows itself down.", state.throttled)


def _flow(state: DaemonState) -> Iterator[Metric]:
    yield _counter("frames", "Frames processed.", state.frames)
    yield _counter(
        "frames_dropped", "Frames replaced by newer ones before they were read.", state.dropped
    )
    yield _gauge("frames_per_second", "Processed over the last seconds.", state.frames_per_second)


def _camera(camera: CameraHealth) -> Iterator[Metric]:
    yield _gauge("camera_up", "1 while the camera delivers.", camera.phase == "delivering")
    yield _one_hot(
        "camera_grade", "1 for how the camera does, 0 for the others.", camera.grade, _GRADES
    )
    yield _gauge(
        "camera_frames_per_second", "Delivered over the last seconds.", camera.frames_per_second
    )
    yield _gauge(
        "camera_frame_age_seconds", "Median age of frames when they were read.",
        camera.age_ms / 1000,
    )  # fmt: skip
    yield _gauge(
        "camera_last_frame_age_seconds", "Since the last good frame.", camera.seconds_since_frame
    )
    yield _counter("camera_failures", "Faults of the camera, of any kind.", camera.failures)
    yield _counter(
        "camera_reopenings", "How often it was opened again with success.", camera.reopenings
    )


def _sinks(sinks: tuple[SinkState, ...]) -> Iterator[Metric]:
    for kind, name, text, value in _OF_SINKS:
        family = kind(f"{PREFIX}_outlet_{name}", text, labels=["outlet"])
        for sink in sinks:
            family.add_metric([sink.name], value(sink))
        yield family
    for sink in sinks:
        yield from _figures(sink)


def _figures(sink: SinkState) -> Iterator[Metric]:
    """Yield a sink's own numbers; texts are left out, for they could be anything."""
    for key, value in sink.figures.items():
        if isinstance(value, str):
            continue
        own = key == sink.name or key.startswith(f"{sink.name}_")
        name = re.sub(r"\W", "_", key if own else f"{sink.name}_{key}", flags=re.ASCII)
        text = f"What the sink {sink.name} says of itself: {key.replace('_', ' ')}."
        if key in GROWING:
            yield _counter(name, text, value)
        else:
            yield _gauge(name, text, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _info(name: str, text: str, value: dict[str, str]) -> Metric:
    return InfoMetricFamily(f"{PREFIX}_{name}", text, value=value)


def _one_hot(name: str, text: str, value: str, choices: tuple[str, ...]) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}_{name}", text, labels=[name.rpartition("_")[2]])
    for choice in choices:
        family.add_metric([choice], choice == value)
    return family


class PrometheusMetrics:
    """Counts what every frame showed and took, and tells it with the daemon's state.

    Observations are only put aside when they come and counted together once a second: thirty in
    a row cost a quarter of thirty apart, whose code and data have left the processor's caches
    meanwhile. Questions come from another thread.

    Labels take few values only: stages and expressions are those of the program and its model.

    Args:
        pulse: Where the daemon's newest state is.
        faces: Whether to tell how many faces there are and what they show, which with few people
            in view says something of each; the rest tells of frames and machine alone.
    """

    def __init__(self, pulse: Pulse, *, faces: bool = True) -> None:
        self._pulse = pulse
        self._tells_faces = faces
        self._waiting: deque[Observation] = deque()
        self._taken: defaultdict[str, _Taken] = defaultdict(_Taken)
        self._expressions: Counter[str] = Counter()
        self._unreadable: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._text = b""
        self._text_due = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def add(self, observation: Observation) -> None:
        """Take one observation."""
        self._waiting.append(observation)
        if len(self._waiting) > _MOST_WAITING:
            self.count()

    def count(self) -> None:
        """Count the observations that have come since the last time."""
        with self._lock:
            while self._waiting:
                self._count(self._waiting.popleft())

    def text(self) -> bytes:
        """Return all metrics.

        Asked more often than twice a second, the same text is given again: making it takes
        a millisecond or more in which no frame is processed.
        """
        self.count()
        with self._lock:
            now = time.monotonic()
            if now >= self._text_due:
                self._text = generate_latest(self._registry)
                self._text_due = now + _FRESH_SECONDS
            return self._text

    def describe(self) -> list[Metric]:
        """Return nothing: what there is to tell depends on the state, and shows in frames."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the state and what has been counted; the registry calls it for `text`."""
        yield from tell_state(self._pulse, faces=self._tells_faces)
        stages = HistogramMetricFamily(
            f"{PREFIX}_stage_seconds", "Time that a stage took for a frame.", labels=["stage"]
        )
        age = HistogramMetricFamily(
            f"{PREFIX}_frame_age_seconds", "From capture to result, waiting included."
        )
        for stage, taken in self._taken.items():
            family, labels = (age, []) if stage == _AGE else (stages, [stage])
            family.add_metric(labels, buckets=taken.buckets(), sum_value=taken.seconds)
        yield from (stages, age)
        if not self._tells_faces:
            return
        text = "Faces read: one for each face in each frame."
        yield _counter("faces", text, self._expressions.total())
        expressions = CounterMetricFamily(
            f"{PREFIX}_expressions",
            "Faces read, by expression: the steady label where labels are steadied.",
            labels=["expression"],
        )
        for label, count in self._expressions.items():
            expressions.add_metric([label], count)
        yield expressions
        unreadable = CounterMetricFamily(
            f"{PREFIX}_unreadable",
            "Faces of which no expression could be read, by the reason.",
            labels=["why"],
        )
        for why, count in self._unreadable.items():
            unreadable.add_metric([why], count)
        yield unreadable

    def _count(self, observation: Observation) -> None:
        for stage, milliseconds in observation.timings.items():
            self._taken[stage].add(milliseconds / 1000)
        for reading in observation.readings:
            self._expressions[reading.stable or reading.answer.label] += 1
            if reading.why is not None:
                self._unreadable[reading.why] += 1


class _Taken:
    """How long something took, by bucket."""

    __slots__ = ("_counts", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self._counts = [0] * len(_NAMES)

    def add(self, seconds: float) -> None:
        self.seconds += seconds
        self._counts[bisect_left(BUCKETS, seconds)] += 1

    def buckets(self) -> list[tuple[str, float]]:
        """Return upper bound and how often it was not exceeded."""
        return list(zip(_NAMES, accumulate(self._counts), strict=True))
