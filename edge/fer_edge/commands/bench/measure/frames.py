"""The whole frame: the pipeline as it runs, timed frame by frame, with the process's CPU time."""

import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fer_edge.commands.bench.intervals import Series, figures
from fer_edge.commands.bench.measure.plan import Bench
from fer_edge.commands.bench.measure.scenes import Shown, captured_now
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Source
from fer_edge.shared.errors import SourceUnavailableError
from fer_edge.shared.records import NO_BASELINE, Frame, Observation


@dataclass(slots=True)
class FrameTally:
    """What the pipeline took, frame by frame.

    Attributes:
        wall_ns: Of each frame.
        cpu_ns: Of the whole process, threads included, for each frame. Where frames come at a
            pace it is all since the frame before: what runs beside the frames works while they
            are waited for.
        stages: Milliseconds by stage, each with as many as frames in which it ran.
        frames_with_face: Frames with at least one.
        baseline: What the answers are relative to.
        faces: In all frames together.
        busy_ns: CPU time of the whole process inside the pipeline, all frames together.
        wait_ns: Time between frames that is not the pipeline's, waiting for the next one.
        dropped: Frames that a newer one replaced; None where the source waits.
        span: Begin and end on the monotonic clock, seconds, decoding between included.
        lost: Why the source delivers no more, where it broke off.
    """

    wall_ns: "array[int]" = field(default_factory=lambda: array("q"))
    cpu_ns: "array[int]" = field(default_factory=lambda: array("q"))
    stages: dict[str, "array[float]"] = field(default_factory=dict)
    frames_with_face: int = 0
    baseline: str = NO_BASELINE
    faces: int = 0
    busy_ns: int = 0
    wait_ns: int = 0
    dropped: int | None = None
    span: tuple[float, float] = (0.0, 0.0)
    lost: SourceUnavailableError | None = None

    def process(self, pipeline: Pipeline, frame: Frame) -> Observation:
        """Process one frame and note what it took."""
        cpu, start = time.process_time_ns(), time.monotonic_ns()
        observation = pipeline.process(frame)
        self.wall_ns.append(time.monotonic_ns() - start)
        self.cpu_ns.append(time.process_time_ns() - cpu)
        self.busy_ns += self.cpu_ns[-1]
        for stage, milliseconds in observation.timings.items():
            self.stages.setdefault(stage, array("d")).append(milliseconds)
        self.baseline = observation.baseline
        self.frames_with_face += bool(observation.readings)
        self.faces += len(observation.readings)
        return observation

    def count_cpu_since(self, earlier_ns: int) -> int:
        """Give the last frame all CPU time since an earlier reading; return the reading now."""
        now_ns = time.process_time_ns()
        self.cpu_ns[-1] = now_ns - earlier_ns
        return now_ns

    @property
    def wall_ms(self) -> Series:
        """Of each frame."""
        return np.asarray(self.wall_ns, np.float64) / 1e6

    @property
    def cpu_ms(self) -> Series:
        """Likewise."""
        return np.asarray(self.cpu_ns, np.float64) / 1e6

    @property
    def seconds(self) -> float:
        """In the pipeline and waiting for frames."""
        return (sum(self.wall_ns) + self.wait_ns) / 1e9

    def to_json(self) -> dict[str, Any]:
        """Return the figures, as they stand under `pipeline`; at least one frame.

        `waiting_share` is the part of the pipeline's wall time in which the process had no
        processor: other programs had it.
        """
        frames = len(self.wall_ns)
        result = {
            "frames": frames,
            "fps": round(frames / self.seconds, 2),
            "cpu_ms_per_frame": round(sum(self.cpu_ns) / 1e6 / frames, 4),
            "wall_ms": figures(self.wall_ms, unit=""),
            "frames_with_face": self.frames_with_face,
            "baseline": self.baseline,
            "faces_per_frame": round(self.faces / frames, 3),
            "waiting_share": round(max(0.0, 1 - self.busy_ns / sum(self.wall_ns)), 4),
        }
        return result if self.dropped is None else {**result, "dropped": self.dropped}

    def stages_to_json(self) -> dict[str, Any]:
        """Return the figures of each stage, `age` (capture to result) among them."""
        return {
            name: figures(np.asarray(values, np.float64)) for name, values in self.stages.items()
        }


def warm_up(pipeline: Pipeline, frames: Sequence[Shown], *, seconds: float) -> int:
    """Process frames in a loop before anything is measured; return how many, three at least."""
    end = time.monotonic() + seconds
    done = 0
    colour = pipeline.contract.input.is_colour
    while done < 3 or time.monotonic() < end:
        pipeline.process(captured_now(frames[done % len(frames)], done, colour=colour))
        done += 1
    return done


class FramePacer:
    """Lets frames through at a pace, as a camera does, and makes up for one late frame at most.

    Args:
        frames_per_second: The pace; 0 lets each frame through at once.
    """

    def __init__(self, frames_per_second: float) -> None:
        self.paced = frames_per_second > 0
        self._period_ns = round(1e9 / frames_per_second) if self.paced else 0
        self._due_ns: int | None = None

    def wait(self) -> int:
        """Sleep until the next frame is due; return for how many nanoseconds."""
        if not self.paced:
            return 0
        before = time.monotonic_ns()
        due = before if self._due_ns is None else self._due_ns
        time.sleep(max(0, due - before) / 1e9)
        now = time.monotonic_ns()
        self._due_ns = max(due + self._period_ns, now - self._period_ns)
        return now - before


def process_frames(
    bench: Bench,
    pipeline: Pipeline,
    frames: Iterable[Shown],
    tally: FrameTally,
    *,
    first_index: int,
    what: str = "",
    pacer: FramePacer | None = None,
) -> None:
    """Process frames that are decoded already, until somebody stops it.

    At a pace, CPU time is counted from frame to frame, so that the search in its thread is in it.

    Args:
        bench: Who may stop it, and is told; at which pace, unless `pacer` knows.
        pipeline: The device's own.
        frames: Made pictures or decoded frames; making or fetching one is not measured, but
            turning it into colours is, where the network looks at them.
        tally: Takes the figures.
        first_index: Of the first frame: a pipeline's frames are numbered through, warm-up too.
        what: They are of, for whoever is told; nobody is where it is empty.
        pacer: Of the frames before, where these follow them at once.
    """
    pacer = pacer or FramePacer(bench.plan.frames_per_second)
    cpu_ns = time.process_time_ns()
    colour = pipeline.contract.input.is_colour
    for index, shown in enumerate(frames, start=first_index):
        if bench.stop.is_set():
            return
        tally.wait_ns += pacer.wait()
        tally.process(pipeline, captured_now(shown, index, colour=colour))
        if pacer.paced:
            cpu_ns = tally.count_cpu_since(cpu_ns)
        if what:
            _show(bench, what, tally)


def process_live(bench: Bench, pipeline: Pipeline, source: Source, tally: FrameTally) -> None:
    """Process a camera or stream for as long as planned.

    CPU time is counted from read to read here, so that the capture thread's decoding is in it.

    Raises:
        SourceUnavailableError: A frame did not come in time; the tally has those before.
    """
    plan = bench.plan
    tally.dropped, dropped_before = 0, getattr(source, "dropped", 0)
    end = time.monotonic() + (plan.minutes * 60 or plan.seconds)
    cpu_ns = time.process_time_ns()
    while not bench.stop.is_set() and time.monotonic() < end:
        start = time.monotonic_ns()
        frame = source.read(plan.settings.source.read_timeout_seconds)
        if frame is None:
            break
        tally.wait_ns += time.monotonic_ns() - start
        tally.process(pipeline, frame)
        cpu_ns = tally.count_cpu_since(cpu_ns)
        tally.dropped = getattr(source, "dropped", 0) - dropped_before
        _show(bench, "camera", tally)


def _show(bench: Bench, what: str, tally: FrameTally) -> None:
    """Show the number of frames now and then."""
    if bench.progress.is_due:
        bench.progress(f"{what}: {len(tally.wall_ns)} frames")
