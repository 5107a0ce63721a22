"""What is seen and how the daemon does, in Prometheus' text format."""

import threading
import time
from collections import deque
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from fer_edge.health import Pulse
from fer_edge.records import Observation
from fer_edge.sinks.state_metrics import PREFIX, StateCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
)  # fmt: skip
"""Upper bounds in seconds: a stage on a desktop takes a tenth of a millisecond, a frame of a
network camera that lags is seconds old."""
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
        # They double the series and tell nothing that is asked here.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._registry.register(StateCollector(pulse, faces=faces))
        ProcessCollector(registry=self._registry)
        self._stages = Histogram(
            f"{PREFIX}_stage_seconds",
            "Time that a stage took for a frame.",
            ["stage"],
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._age = Histogram(
            f"{PREFIX}_frame_age_seconds",
            "From capture to result, waiting included.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._tells_faces = faces
        told = self._registry if faces else None
        self._faces = Counter(
            f"{PREFIX}_faces", "Faces read: one for each face in each frame.", registry=told
        )
        self._expressions = Counter(
            f"{PREFIX}_expressions",
            "Faces read, by expression: the steady label where labels are steadied.",
            ["expression"],
            registry=told,
        )
        self._children: dict[str, Histogram] = {}  # by stage; looking one up takes as long as it
        self._waiting: deque[Observation] = deque()
        self._lock = threading.Lock()
        self._text = b""
        self._text_due = 0.0

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

    def _count(self, observation: Observation) -> None:
        children = self._children
        for stage, milliseconds in observation.timings.items():
            if stage not in children:
                children[stage] = self._age if stage == _AGE else self._stages.labels(stage)
            children[stage].observe(milliseconds / 1000)
        for reading in observation.readings if self._tells_faces else ():
            self._faces.inc()
            self._expressions.labels(reading.stable or reading.prediction.label).inc()
