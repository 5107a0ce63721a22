"""A running daemon is asked to calibrate to whoever stands before it, or to take a participant."""

import logging
import math
import time
from collections.abc import Callable
from typing import Final, TypeAlias

from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.shared.errors import CalibrationError, FerError, SettingsError
from fer_edge.shared.records import Frame, Observation
from fer_edge.stages.baseline import Baseline, BaselineStage
from fer_edge.stages.calibration import Calibration
from fer_edge.state.controls import CalibrationNote, Controls

Participants: TypeAlias = Callable[[str], Baseline]
"""Reads the baseline of the participant with this name."""

_PATIENCE_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 5.0
"""Without a frame, after which none is waited for."""
_LONGEST_SECONDS: Final = 30.0
"""More than was asked for, where a camera gives few frames."""

_log = logging.getLogger(__name__)


def no_participants(name: str) -> Baseline:
    """Refuse every name.

    Raises:
        SettingsError: Always.
    """
    raise SettingsError(
        f"participant {name[:80]!r} is asked for, and there is no folder of participants",
        expected="baseline.participants",
        fix="set it, and restart",
    )


class Calibrator:
    """Answers what is asked of calibration, between two frames.

    What comes of it serves until the end of the run, or until the settings change.

    Args:
        controls: What is asked, and where the answer is noted.
        participants: Reads a participant by name.
        clock: Monotonic, in seconds.

    Attributes:
        participants: May be replaced.
    """

    def __init__(
        self,
        controls: Controls,
        participants: Participants = no_participants,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.participants = participants
        self._controls = controls
        self._clock = clock
        self._calibration: Calibration | None = None
        self._pipeline: Pipeline | None = None  # whose looks the calibration collects
        self._seconds = 0.0
        self._ends_at = self._seen_at = 0.0
        self._used_by: Pipeline | None = None  # what a calibration that is done is in force in

    def see(self, pipeline: Pipeline, frame: Frame, observation: Observation) -> None:
        """Take a frame, where one is wanted."""
        if self._calibration is not None:
            self._calibration.add(frame.grey, observation.readings)
            now = self._seen_at = self._clock()
            late = now >= self._ends_at + _LONGEST_SECONDS
            if now >= self._ends_at and (self._calibration.has_enough or late):
                self._finish(pipeline, self._calibration)

    def turn(self, pipeline: Pipeline) -> None:
        """Begin what is asked for, and end what has waited for frames in vain or lost its model."""
        if self._used_by is not None and pipeline is not self._used_by:
            self._used_by = None
            if self._controls.calibration.phase == "done":
                self._controls.calibration = CalibrationNote()  # it is in force no longer
        if self._calibration is not None and pipeline is not self._pipeline:
            self._refuse_mixture()
        wish = self._controls.take_calibration()
        if isinstance(wish, str):
            self._take(pipeline, wish)
        elif wish is not None:
            self._begin(pipeline, wish)
        elif self._calibration and self._waits_in_vain():
            self._finish(pipeline, self._calibration)

    def _begin(self, pipeline: Pipeline, seconds: float) -> None:
        self._calibration = None
        try:
            _stage_of(pipeline)
            if not self._controls.enabled:
                raise CalibrationError(
                    "not calibrated: the device is switched off",
                    expected="a device that looks",
                    fix="switch it on, and calibrate again",
                )
            self._calibration = Calibration(pipeline.contract)
        except FerError as error:
            self._note("refused", str(error))
            return
        self._pipeline = pipeline
        self._seconds, self._ends_at = seconds, self._clock() + seconds
        self._seen_at = -math.inf
        self._note("running", f"look at the camera, face relaxed, for {seconds:g} s")

    def _refuse_mixture(self) -> None:
        """End a calibration whose looks so far are another pipeline's, and perhaps model's."""
        self._calibration = None
        error = CalibrationError(
            "not calibrated: the settings or the model changed meanwhile",
            expected="the same ones from beginning to end",
            fix="calibrate again",
        )
        self._note("refused", str(error))

    def _take(self, pipeline: Pipeline, name: str) -> None:
        self._calibration = None
        try:
            _stage_of(pipeline).use(self.participants(name))
        except FerError as error:
            self._note("refused", str(error))
            return
        self._used_by = pipeline
        self._note("done", f"participant {name}")

    def _finish(self, pipeline: Pipeline, calibration: Calibration) -> None:
        self._calibration = None
        try:
            baseline = calibration.result(self._seconds)
            _stage_of(pipeline).use(baseline)
        except FerError as error:
            self._note("refused", str(error))
            return
        self._used_by = pipeline
        self._note("done", f"steadiness {baseline.steadiness:.2f} of 1")

    def _waits_in_vain(self) -> bool:
        """Return whether frames have stopped coming; of some cameras they come slowly."""
        now = self._clock()
        over = now - self._ends_at
        return over >= _LONGEST_SECONDS or (
            over >= _PATIENCE_SECONDS and now - self._seen_at >= _PAUSE_SECONDS
        )

    def _note(self, phase: str, text: str) -> None:
        _log.info("calibration %s: %s", phase, text)
        self._controls.calibration = CalibrationNote(phase, text)


def _stage_of(pipeline: Pipeline) -> BaselineStage:
    """Return what weighs a pipeline's answers.

    Raises:
        CalibrationError: Nothing does.
    """
    if not isinstance(pipeline.corrector, BaselineStage):
        raise CalibrationError(
            "not calibrated: with these settings no answer is relative to a face at rest",
            expected="faces that are followed",
            fix="set tracker.mode to follow, and restart",
        )
    return pipeline.corrector
