"""What is seen and how the daemon does, in Prometheus' text format."""

import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from fer_edge.shared.records import Observation
from fer_edge.sinks.web.state_metrics import PREFIX, StateCollector
from fer_edge.state.health import Pulse

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
        self._tells_faces = faces
        self._waiting: deque[Observation] = deque()
        self._taken: defaultdict[str, _Taken] = defaultdict(_Taken)
        self._expressions: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._text = b""
        self._text_due = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(StateCollector(pulse, faces=faces))
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
        """Return nothing: stages and expressions show only in frames."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what has been counted; the registry calls it for `text`."""
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
        yield CounterMetricFamily(
            f"{PREFIX}_faces",
            "Faces read: one for each face in each frame.",
            value=self._expressions.total(),
        )
        expressions = CounterMetricFamily(
            f"{PREFIX}_expressions",
            "Faces read, by expression: the steady label where labels are steadied.",
            labels=["expression"],
        )
        for label, count in self._expressions.items():
            expressions.add_metric([label], count)
        yield expressions

    def _count(self, observation: Observation) -> None:
        for stage, milliseconds in observation.timings.items():
            self._taken[stage].add(milliseconds / 1000)
        for reading in observation.readings:
            self._expressions[reading.stable or reading.prediction.label] += 1


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
