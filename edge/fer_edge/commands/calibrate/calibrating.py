"""A participant looks at a camera for some seconds; what comes of it is written down."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.assemble.baselines import participant_file
from fer_edge.assemble.parts import Frames, frames_of, make_pipeline, make_source
from fer_edge.pipeline.loop import read_frames
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Source
from fer_edge.settings import BaselineSettings, Settings
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.terminal.tables import format_fields
from fer_edge.stages.baseline import Baseline
from fer_edge.stages.baseline_file import write_baseline
from fer_edge.stages.calibration import Calibration
from fer_edge.stages.clocks import by_capture, by_index

_COUNTDOWN_SECONDS: Final = 3.0
"""For which a live camera is looked at before it counts: the search settles, and the person."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was written down.

    Attributes:
        file: Where.
        baseline: What.
        frames: That were taken.
    """

    file: Path
    baseline: Baseline
    frames: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `--json` prints them."""
        means = zip(self.baseline.labels, self.baseline.log_probabilities, strict=True)
        return {
            "file": str(self.file),
            "seconds": self.baseline.seconds,
            "frames": self.frames,
            "steadiness": self.baseline.steadiness,
            "looks_like": looks_like(self.baseline),
            "log_probabilities": dict(means),
        }


def calibrate_participant(settings: Settings, *, seconds: float, out: Path | None) -> Calibrated:
    """Look at a face for some seconds and write its baseline.

    Args:
        settings: Source, search, model, and the participant where no file is named.
        seconds: How long; a clip or folder that is shorter is taken whole.
        out: The file; if not given, the participant's in the folder.

    Raises:
        CalibrationError: What is seen is no face at rest.
        FerError: The source does not deliver, or the file cannot be written.
    """
    if out is None and not settings.baseline.participants:
        raise SettingsError(
            "a participant's name, and no folder",
            expected="baseline.participants, the folder that NAME.json is to lie in",
            fix="set it as --participants FOLDER",
        )
    file = out or participant_file(dataclasses.replace(settings.baseline, file=""))
    frames = frames_of(settings.source)
    plain = dataclasses.replace(settings, baseline=BaselineSettings(mode="none"))
    with make_pipeline(plain, frames=frames) as pipeline, make_source(settings.source) as source:
        baseline, count = _look(pipeline, source, seconds=seconds, frames=frames, settings=plain)
    write_baseline(file, baseline)
    return Calibrated(file, baseline, count)


def _look(
    pipeline: Pipeline, source: Source, *, seconds: float, frames: Frames, settings: Settings
) -> tuple[Baseline, int]:
    clock = by_capture if frames == "live" else by_index
    countdown = _COUNTDOWN_SECONDS if frames == "live" else 0.0
    calibration = Calibration(pipeline.contract, moves=frames != "pictures")
    began: float | None = None
    passed = 0.0
    timeout = settings.source.open_timeout_seconds
    with ProgressLine() as line:
        for frame in read_frames(source, timeout_seconds=timeout):
            timeout = settings.source.read_timeout_seconds
            observation = pipeline.process(frame)
            began = clock(frame) if began is None else began
            passed = clock(frame) - began - countdown
            if passed >= seconds:
                break
            line(_instruction(passed, seconds))
            if passed >= 0 and (observation.readings or calibration.frames or frames != "clip"):
                # The search needs some frames of a clip until it has found a face.
                calibration.add(frame.grey, observation.readings)
    taken = min(max(passed, 0.0), seconds)
    return calibration.result(float(calibration.frames) if frames == "pictures" else taken), (
        calibration.frames
    )


def _instruction(passed: float, seconds: float) -> str:
    if passed < 0:
        return f"look at the camera, face relaxed: {math.ceil(-passed)}"
    return f"keep the face relaxed: {math.ceil(seconds - passed)} s"


def looks_like(baseline: Baseline) -> str:
    """Return the label that the network alone would give the face at rest."""
    means = baseline.log_probabilities
    return baseline.labels[means.index(max(means))]


def format_calibrated(done: Calibrated) -> str:
    """Return what people read of a calibration."""
    baseline = done.baseline
    fields = [
        ("written", str(done.file)),
        ("looked at", f"{baseline.seconds:.1f} s, {done.frames} frames"),
        ("steadiness", f"{baseline.steadiness:.2f} of 1"),
        ("at rest", f"the network alone calls this face {looks_like(baseline)}"),
        ("use it", f"fer-edge run --set baseline.file={done.file}"),
    ]
    return format_fields(fields)
