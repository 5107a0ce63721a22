"""What a run looks like to people: a live line, closing tables, settings as TOML."""

from typing import Final

from fer_edge.pipeline.loop import RunTally
from fer_edge.pipeline.timings import Summary
from fer_edge.shared.records import Frame, Observation
from fer_edge.shared.terminal.progress import ProgressLine
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
        tells_faces: Whether it may show what is seen of them.
    """

    def __init__(self, line: ProgressLine, *, tells_faces: bool = True) -> None:
        self._line = line
        self._tells_faces = tells_faces

    def update(self, _frame: Frame, observation: Observation, tally: RunTally) -> None:
        """Show the newest frame, if it is time to."""
        if not self._line.is_due:
            return
        faces = ", ".join(reading.words() for reading in observation.readings)
        if observation.left_out:
            faces += f", {observation.left_out} more left out"
        seen = f"  {faces or 'no face'}" if self._tells_faces else ""
        self._line(
            f"frame {tally.frames}  {tally.frames_per_second:.1f} FPS  "
            f"{observation.timings['age']:.0f} ms{seen}"
        )

    def tell(self, state: DaemonState) -> None:
        """Show why no frame comes, where none does."""
        camera = state.camera
        if state.phase == "running" or camera.phase == "ended":
            return
        if state.phase == "disabled":
            self._line("switched off")
            return
        why = f": {camera.problem}" if camera.problem else ""
        self._line(f"camera {camera.phase} for {camera.seconds_since_frame:.0f} s{why}")

    def clear(self) -> None:
        """Remove the line."""
        self._line.close()


def format_tally(tally: RunTally, *, dropped: int = 0, tells_faces: bool = True) -> str:
    """Return the closing lines of a run."""
    labels = ", ".join(f"{label} {n}" for label, n in tally.labels.most_common()) or "none"
    with_face = f" ({tally.frames_with_face} with a face)" if tells_faces else ""
    fields = [
        ("frames", f"{tally.frames}{with_face}"),
        ("speed", f"{tally.frames_per_second:.1f} FPS"),
    ]
    if tells_faces:
        fields.append(("expressions", labels))
    if dropped:
        fields.append(("dropped", f"{dropped} frames came faster than they were processed"))
    parts = [format_fields(fields)]
    if tally.frames:
        parts.append(format_stages(tally.stages()))
    return "\n\n".join(parts)


def format_stages(stages: dict[str, Summary]) -> str:
    """Return a table of milliseconds by stage."""
    rows = [
        [_STAGES.get(name, name), *(f"{ms:.2f}" for ms in (s.mean, s.p50, s.p90, s.p99, s.max))]
        for name, s in stages.items()
    ]
    return format_table(["stage (ms)", "mean", "p50", "p90", "p99", "max"], rows)
