"""What a run looks like to people: a live line, closing tables."""

import time
from collections.abc import Callable
from typing import Final

from fer_edge.pipeline.loop import RunTally
from fer_edge.pipeline.timings import Summary
from fer_edge.shared.records import Frame, Observation
from fer_edge.shared.terminal.progress import ProgressLine, format_duration
from fer_edge.shared.terminal.tables import format_fields, format_table
from fer_edge.state.records import DaemonState

_STAGES: Final = {
    "detect": "find faces",
    "classify": "read expressions",
    "age": "capture to result",
}


class LiveStatus:
    """What is seen just now, on one line.

    Args:
        line: Where it is shown.
        tells_faces: Tells whether it may show what is seen of them.
        clip: Name of the file or folder that is read; "" for a camera.
        clip_seconds: Tells the length of a clip; 0 where that is not known.
    """

    def __init__(
        self,
        line: ProgressLine,
        *,
        tells_faces: Callable[[], bool] = lambda: True,
        clip: str = "",
        clip_seconds: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._line = line
        self._tells_faces = tells_faces
        self._clip = clip
        self._clip_seconds = clip_seconds
        self._state: DaemonState | None = None
        self._begun = 0.0

    def update(self, frame: Frame, observation: Observation, tally: RunTally) -> None:
        """Show the newest frame, if it is time to."""
        self._begun = self._begun or time.monotonic()
        if not self._line.is_due:
            return
        state = self._state
        speed = (state and state.frames_per_second) or tally.frames_per_second
        parts = [
            self._position(frame),
            _faces(observation) if self._tells_faces() else "",
            f"{speed:.1f} FPS",
            f"{observation.timings['age']:.0f} ms",
            "" if state is None or self._clip else f"camera {state.camera.grade}",
        ]
        self._line("  ".join(part for part in parts if part))

    def tell(self, state: DaemonState) -> None:
        """Show why no frame comes, where none does."""
        self._state = state
        camera = state.camera
        if state.phase in {"running", "stopping"} or camera.phase == "ended":
            return
        if state.phase == "disabled":
            self._line("switched off")
            return
        if self._clip:
            self._line(f"opening {self._clip}")
            return
        why = f": {camera.problem}" if camera.problem else ""
        self._line(f"camera {camera.phase} for {camera.seconds_since_frame:.0f} s{why}")

    def clear(self) -> None:
        """Remove the line."""
        self._line.close()

    def _position(self, frame: Frame) -> str:
        at, length = frame.clip_seconds, self._clip_seconds()
        if at is None:
            return frame.name
        if not length:
            return f"clip {at:.0f} s"
        passed = time.monotonic() - self._begun
        left = f", {format_duration((length - at) / at * passed)} left" if at and passed else ""
        return f"clip {at:.0f} s of {length:.0f} s{left}"


def _faces(observation: Observation) -> str:
    shown = [reading.stable or reading.label for reading in observation.readings]
    if observation.left_out:
        shown.append(f"{observation.left_out} more left out")
    if not shown:
        return "no face"
    count = len(observation.readings)
    return f"{count} {'face' if count == 1 else 'faces'}: {', '.join(shown)}"


def format_tally(tally: RunTally, *, dropped: int = 0, tells_faces: bool = True) -> str:
    """Return the closing lines of a run."""
    with_face = f" ({tally.frames_with_face} with a face)" if tells_faces else ""
    fields = [
        ("frames", f"{tally.frames}{with_face}"),
        ("speed", f"{tally.frames_per_second:.1f} FPS"),
    ]
    if tells_faces:
        fields.append(("expressions", format_shown(tally)))
        if tally.baseline:
            fields.append(("baseline", tally.baseline))
    if dropped:
        fields.append(("dropped", f"{dropped} frames came faster than they were processed"))
    parts = [format_fields(fields)]
    if tally.frames:
        parts.append(format_stages(tally.stages()))
    return "\n\n".join(parts)


def format_shown(tally: RunTally) -> str:
    """Return for how long each label was shown, or how often where frames have no time."""
    if any(tally.shown.values()):
        ranked = sorted(tally.labels, key=lambda label: tally.shown[label], reverse=True)
        return ", ".join(f"{label} {tally.shown[label]:.1f} s" for label in ranked)
    return ", ".join(f"{label} {count}" for label, count in tally.labels.most_common()) or "none"


def format_stages(stages: dict[str, Summary]) -> str:
    """Return a table of milliseconds by stage."""
    rows = [
        [_STAGES.get(name, name), *(f"{ms:.2f}" for ms in (s.mean, s.p50, s.p90, s.p99, s.max))]
        for name, s in stages.items()
    ]
    return format_table(["stage (ms)", "mean", "p50", "p90", "p99", "max"], rows)
