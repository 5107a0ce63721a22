"""How a daemon does, for people to read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fer_edge.shared.terminal.tables import format_fields
from fer_edge.state.records import DaemonState, Figure, SinkState

if TYPE_CHECKING:
    from fer_edge.daemon.status.asking import Told

_STAGES = (("detect", "find faces"), ("classify", "read expressions"))


def format_all(told: Sequence[Told]) -> str:
    """Return a paragraph for each daemon."""
    return "\n\n".join(format_one(each) for each in told)


def format_one(told: Told) -> str:
    """Return the aligned lines of one daemon."""
    fields = [("problem", problem) for problem in told.problems]
    if told.state is not None:
        fields = [*_run(told.name, told.state), *fields, *_figures(told.state)]
    elif told.name:
        fields = [("name", told.name), *fields]
    return format_fields(fields)


def status_line(state: DaemonState) -> str:
    """Return what `systemctl status` shows of a state."""
    if state.phase == "disabled":
        return "switched off; the camera is released"
    camera = state.camera
    if state.phase == "running":
        parts = [f"{state.frames_per_second:.1f} FPS", f"camera {camera.grade}"]
        if state.faces is not None:
            parts.append(f"{state.faces} {'face' if state.faces == 1 else 'faces'} in view")
    else:
        parts = [f"camera {camera.phase} for {camera.seconds_since_frame:.0f} s"]
    for sink in state.sinks:
        if sink.problem or sink.figures.get("connected") is False:
            parts.append(f"{sink.name} {'fails' if sink.problem else 'offline'}")
    parts += [f"thread {name} has died" for name in state.dead_threads]
    if state.throttled:
        parts.append("throttled")
    line = ", ".join(parts)
    return f"{line}: {camera.problem}" if camera.problem else line


def model_note(state: DaemonState) -> str:
    """Return what the status line adds where another model serves than the one that should."""
    return f"; {state.model} serves, for {state.model_problem}" if state.model_problem else ""


def _run(name: str, state: DaemonState) -> list[tuple[str, str]]:
    since = format_duration(state.uptime_seconds)
    named = [("name", name)] if name else []
    return [*named, ("state", f"{state.phase}, up {since} (process {state.pid})")]


def _figures(state: DaemonState) -> list[tuple[str, str]]:
    fields = [
        ("camera", _camera(state)),
        ("source", state.source),
        ("speed", f"{state.frames_per_second:.1f} FPS, {_n(state.frames, 'frame')} "
                  f"since the start, {state.dropped} dropped"),
    ]  # fmt: skip
    if latency := _latency(state):
        fields.append(("latency", latency))
    model = (
        f"{state.model} (sha256 {state.model_sha256[:12]})" if state.model_sha256 else state.model
    )
    if state.faces is not None:
        fields.append(("in view", _n(state.faces, "face")))
    fields.append(("model", f"{model}, baseline {_baseline(state)}"))
    if state.detector:
        fields.append(("faces by", state.detector))
    fields += [(sink.name, _sink(sink)) for sink in state.sinks]
    fields.append(("machine", _machine(state)))
    return fields


def _camera(state: DaemonState) -> str:
    camera = state.camera
    said = f"{camera.grade}, {camera.phase}"
    if camera.phase == "delivering":
        said += f" {camera.frames_per_second:.1f} FPS, frames {camera.age_ms:.0f} ms old"
    else:
        said += f", no frame for {format_duration(camera.seconds_since_frame)}"
    return f"{said}; {_n(camera.failures, 'failure')}, {_n(camera.reopenings, 'reopening')}"


def _latency(state: DaemonState) -> str:
    stages = state.stages_ms
    if "age" not in stages:
        return ""
    age = stages["age"]
    inside = [f"{name} {stages[key]['p50']:.2f} ms" for key, name in _STAGES if key in stages]
    return (
        f"{age['p50']:.1f} ms from capture to result, 99 % below {age['p99']:.1f} ms"
        f" ({', '.join(inside)})"
    )


def _baseline(state: DaemonState) -> str:
    said = f"; calibration {state.calibration}" if state.calibration else ""
    return f"{state.baseline}{said}"


def _sink(sink: SinkState) -> str:
    said = [_n(sink.emitted, "observation")]
    if sink.failures:
        said.append(_n(sink.failures, "failure"))
    said += [
        _figure(name, value)
        for name, value in sink.figures.items()
        if (value or value is False) and not name.endswith("problem")  # those stand above
    ]
    return ", ".join(said)


def _figure(name: str, value: Figure) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"not {words}"
    if isinstance(value, float):
        return f"{words} {value:.1f}"
    return f"{words} {value}"


def _machine(state: DaemonState) -> str:
    said = [f"{state.rss_mb:.0f} MB of memory"]
    if state.temperature_c is not None:
        said.append(f"{state.temperature_c:.1f} °C")
    if state.throttled is not None:
        said.append("THROTTLED" if state.throttled else "not throttled")
    return ", ".join(said)


def _n(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def format_duration(seconds: float) -> str:
    """Return a time in its two largest units."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    first = next((i for i, (count, _) in enumerate(parts) if count), len(parts) - 1)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2])
