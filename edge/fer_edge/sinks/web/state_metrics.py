"""The daemon's state as Prometheus metrics."""

import re
from collections.abc import Iterator
from typing import Final, get_args

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric

from fer_edge.state.health import Pulse, problems_of
from fer_edge.state.records import CameraHealth, DaemonState, Grade, Phase, SinkState

PREFIX: Final = "fer_edge"
GROWING: Final = frozenset(
    {
        "connections", "damaged_files", "delivered", "dropped_full", "dropped_old",
        "dropped_unkept", "events", "events_aggregate", "events_appeared", "events_changed",
        "events_left", "first_kept_in_memory", "ignored_commands", "refused", "requests",
        "unwritten", "withheld_periods", "written_bytes",
    }
)  # fmt: skip
"""Figures of sinks that only grow, and so are counters; all others are gauges."""
_GRADES: Final[tuple[str, ...]] = get_args(Grade)
_PHASES: Final[tuple[str, ...]] = get_args(Phase)


class StateCollector:
    """Makes metrics of the newest state each time somebody asks; nothing is counted twice.

    Args:
        pulse: Where the newest state is.
        faces: Whether to tell how many faces there are.
    """

    def __init__(self, pulse: Pulse, *, faces: bool = True) -> None:
        self._pulse = pulse
        self._tells_faces = faces

    def describe(self) -> list[Metric]:
        """Return nothing: which metrics there are depends on the state."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield what the newest state says, and how old it is."""
        yield _gauge(
            "state_age_seconds",
            "Since the loop last said how it does, about once a second; grows while it hangs.",
            self._pulse.age_seconds,
        )
        state = self._pulse.state
        if state is not None:
            yield from _about(state)
            yield from _flow(state)
            if self._tells_faces and state.faces is not None:
                yield _gauge("faces_in_view", "Faces in the last frame.", state.faces)
            yield from _camera(state.camera)
            yield from _sinks(state.sinks)


def _about(state: DaemonState) -> Iterator[Metric]:
    yield _info("build", "Which fer-edge runs.", {"version": state.version})
    yield _info(
        "model",
        "Which network reads the faces, with the hash of its flatbuffer.",
        {"model": state.model, "sha256": state.model_sha256},
    )
    yield _one_hot(
        "phase", "1 for what the daemon does now, 0 for the others.", state.phase, _PHASES
    )
    yield _gauge("uptime_seconds", "Since the start.", state.uptime_seconds)
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
    emitted = CounterMetricFamily(
        f"{PREFIX}_outlet_emitted", "Observations that a sink took.", labels=["outlet"]
    )
    failures = CounterMetricFamily(
        f"{PREFIX}_outlet_failures", "How often a sink failed.", labels=["outlet"]
    )
    well = GaugeMetricFamily(
        f"{PREFIX}_outlet_up", "1 while a sink has no problem.", labels=["outlet"]
    )
    for sink in sinks:
        emitted.add_metric([sink.name], sink.emitted)
        failures.add_metric([sink.name], sink.failures)
        well.add_metric([sink.name], not problems_of(sink))
    yield from (emitted, failures, well)
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
