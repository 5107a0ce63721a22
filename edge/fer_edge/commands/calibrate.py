"""A participant looks at a camera for some seconds; what comes of it is written down."""

import dataclasses
import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fer_edge.assemble.baselines import participant_file
from fer_edge.assemble.parts import looks_at_colour, make_classifier, make_detector, make_pipeline
from fer_edge.assemble.sources import clock_of, frames_of, make_source
from fer_edge.pipeline.loop import read_frames
from fer_edge.settings import BaselineSettings, Settings
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.terminal.progress import ProgressLine
from fer_edge.shared.terminal.tables import format_fields
from fer_edge.stages.baseline import Baseline
from fer_edge.stages.baseline_file import check_place, write_baseline
from fer_edge.stages.calibration import calibrate, calibrate_frames

_COUNTDOWN_SECONDS: Final = 3.0
"""For which a live camera is looked at before it counts: the search settles, and the person."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was written down.

    Attributes:
        file: Where.
        baseline: What.
    """

    file: Path
    baseline: Baseline

    def to_json(self) -> dict[str, Any]:
        """Return the figures as `--json` prints them."""
        means = zip(self.baseline.labels, self.baseline.log_probabilities, strict=True)
        return {
            "file": str(self.file),
            "seconds": self.baseline.seconds,
            "frames": self.baseline.frames,
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
    check_place(file)
    plain = dataclasses.replace(settings, baseline=BaselineSettings(mode="none"))
    take = _of_pictures if frames_of(settings.source) == "pictures" else _of_frames
    baseline = take(plain, seconds)
    write_baseline(file, baseline)
    return Calibrated(file, baseline)


def _of_pictures(settings: Settings, _seconds: float) -> Baseline:
    detector, classifier = make_detector(settings.detector), make_classifier(settings.model)
    colour = classifier.contract.input.is_colour
    with make_source(settings.source, colour=colour) as source:
        frames = read_frames(source, timeout_seconds=settings.source.read_timeout_seconds)
        return calibrate(frames, detector, classifier)


def _of_frames(settings: Settings, seconds: float) -> Baseline:
    frames = frames_of(settings.source)
    live = frames == "live"
    with (
        make_pipeline(settings, frames=frames) as pipeline,
        make_source(settings.source, colour=looks_at_colour(settings.model)) as source,
        ProgressLine() as line,
    ):
        return calibrate_frames(
            # A camera's first frame may take longer than those that follow.
            read_frames(source, timeout_seconds=settings.source.open_timeout_seconds),
            pipeline.process,
            pipeline.contract,
            clock=clock_of(frames),
            seconds=seconds,
            countdown_seconds=_COUNTDOWN_SECONDS if live else 0.0,
            tell=lambda passed: line(_instruction(passed, seconds)),
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
        ("looked at", f"{baseline.seconds:.1f} s, {baseline.frames} frames"),
        ("steadiness", f"{baseline.steadiness:.2f} of 1"),
        ("at rest", f"the network alone calls this face {looks_like(baseline)}"),
        ("use it", f"fer-edge run --set {shlex.quote(f'baseline.file={done.file}')}"),
    ]
    return format_fields(fields)
