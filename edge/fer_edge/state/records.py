"""What the daemon knows about itself, as records that every sink reads alike."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal, TypeAlias

STATE_SCHEMA: Final = 1

CameraPhase: TypeAlias = Literal["opening", "delivering", "waiting", "off", "ended"]
Grade: TypeAlias = Literal["excellent", "good", "fair", "poor", "dead"]
Phase: TypeAlias = Literal["starting", "running", "waiting", "disabled", "stopping"]
Figure: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class CameraHealth:
    """How a camera does.

    Attributes:
        phase: "waiting" is between two attempts to open it, or until a picture that was frozen
            changes; "off" is not wanted now.
        grade: From the figures below; `daemon/camera/grading.py` says how.
        frames_per_second: Delivered over the last seconds; 0 where it does not deliver.
        age_ms: Median age of these frames when they were read; 0 where it does not deliver.
        seconds_since_frame: Since the last good frame; since the start where there was none.
        failures: Faults since the start, of any kind.
        reopenings: How often it was opened again with success.
        problem: What is wrong now, in a few words; "" where nothing is.
    """

    phase: CameraPhase = "opening"
    grade: Grade = "dead"
    frames_per_second: float = 0.0
    age_ms: float = 0.0
    seconds_since_frame: float = 0.0
    failures: int = 0
    reopenings: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SinkState:
    """How one sink does.

    Attributes:
        name: "jsonl", "mqtt", ...
        emitted: Observations it took.
        failures: How often it failed.
        problem: What is wrong now; "" where nothing is.
        figures: What it says of itself: the spool's size, whether the broker is connected.
    """

    name: str
    emitted: int = 0
    failures: int = 0
    problem: str = ""
    figures: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DaemonState:
    """What the daemon says of itself about once a second.

    Attributes:
        phase: "waiting" is for a camera; "disabled" was switched off by somebody.
        version: Of fer-edge.
        pid: Of the process.
        started_at: Wall clock, seconds since the epoch.
        uptime_seconds: Since the start, by the monotonic clock.
        source: As the settings name it, without passwords.
        model: Its name.
        model_sha256: Of the model's file.
        model_place: Of `fer-edge model`: "a", "b", "shipped"; "" where the settings name a model.
        detector: Technique that finds the faces, and why this one.
        model_problem: Why another model serves than the one that should; "" where none does.
        baseline: What answers are relative to: "track", "place", "participant" or "none".
        calibration: How the last calibration that was asked for went; "" where none was.
        camera: How the camera does.
        frames: Processed since the start.
        dropped: Frames that a newer one replaced before they were processed.
        frames_per_second: Processed over the last seconds; 0 unless running.
        faces: In the last frame; 0 unless running; None where nothing may be told of them.
        stages_ms: Median and 99th percentile by stage over its last measurements.
        temperature_c: Of the processor; None where the machine does not tell.
        throttled: Whether the board slows itself down now; None where it does not tell.
        rss_mb: Resident memory.
        cpu_percent: Processor time that the process takes, of one core, since the state before.
        sinks: The sinks.
        dead_threads: Names of the daemon's own threads that a defect has ended.
    """

    phase: Phase
    version: str
    pid: int
    started_at: float
    uptime_seconds: float
    source: str
    model: str
    model_sha256: str
    camera: CameraHealth
    frames: int = 0
    dropped: int = 0
    frames_per_second: float = 0.0
    faces: int | None = 0
    stages_ms: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    temperature_c: float | None = None
    throttled: bool | None = None
    rss_mb: float = 0.0
    sinks: tuple[SinkState, ...] = ()
    model_place: str = ""
    model_problem: str = ""
    dead_threads: tuple[str, ...] = ()
    baseline: str = "none"
    calibration: str = ""
    detector: str = ""
    cpu_percent: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what `fer-edge status --json` prints."""
        return {"schema": STATE_SCHEMA, **asdict(self)}


Tell: TypeAlias = Callable[[DaemonState], None]
"""Takes the daemon's state, for whoever watches."""
