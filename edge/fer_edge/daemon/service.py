"""The loop of `fer-edge run`: frames to sinks, for months."""

import time
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from fer_edge.daemon.calibrating import Calibrator
from fer_edge.daemon.camera.steady import SteadyCamera
from fer_edge.daemon.figures import Figures
from fer_edge.daemon.status.text import model_note, status_line
from fer_edge.daemon.systemd import SystemdNotifier
from fer_edge.pipeline.loop import RunTally, Watch, run
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.shared.closing import Closing
from fer_edge.shared.records import Frame, Observation
from fer_edge.sinks.fan_out import FanOut
from fer_edge.state.controls import Controls
from fer_edge.state.records import DaemonState, Phase, Tell

_WAIT_SECONDS: Final = 0.25
"""Longest wait for a frame before the watchdog is fed and wishes are looked at."""
_REPORT_SECONDS: Final = 1.0

Reload: TypeAlias = Callable[["Service"], None]
"""Reads the settings anew and puts new parts in the place of those that they concern."""


class Service(Closing):
    """Keeps frames flowing from a camera through a pipeline to the sinks.

    The parts may be replaced between two frames, which is how settings are reloaded.

    Args:
        camera: Where frames come from.
        pipeline: What makes observations of them.
        sinks: Where these go.
        controls: What is asked of the daemon.
        figures: What it knows of itself.
        systemd: What systemd is told.
        reload: Called where the settings are to be read anew; logs what it refuses.

    Attributes:
        camera: May be turned to another source.
        pipeline: May be replaced.
        sinks: May be replaced.
        figures: May be changed.
        calibrator: Answers what is asked of calibration; knows no participants until it is told.
    """

    def __init__(
        self,
        camera: SteadyCamera,
        pipeline: Pipeline,
        sinks: FanOut,
        *,
        controls: Controls,
        figures: Figures,
        systemd: SystemdNotifier,
        reload: Reload = lambda _service: None,
    ) -> None:
        self.camera = camera
        self.pipeline = pipeline
        self.sinks = sinks
        self.figures = figures
        self.calibrator = Calibrator(controls)
        self._controls = controls
        self._systemd = systemd
        self._reload = reload
        self._report_due = 0.0

    def run(
        self,
        *,
        max_frames: int = 0,
        max_seconds: float = 0.0,
        watch: Watch[Frame] = lambda _frame, _observation, _tally: None,
        tell: Tell = lambda _state: None,
    ) -> RunTally:
        """Run until the source ends, somebody stops it, or enough frames are done.

        Args:
            max_frames: 0 is no limit.
            max_seconds: The same, of frames.
            watch: Called after each observation.
            tell: Called with the daemon's state about once a second.

        Raises:
            SourceUnavailableError: The camera was given up.
            OutputError: An essential sink cannot write.
        """
        tally = run(
            self._turns(tell),
            self._see,
            max_frames=max_frames,
            max_seconds=max_seconds,
            watch=watch,
        )
        self._systemd.stopping()
        tell(self.state())
        return tally

    def state(self) -> DaemonState:
        """Return how the daemon does."""
        note = self._controls.calibration
        said = f"{note.phase}: {note.text}" if note.phase else ""
        self.figures.names = self.figures.names._replace(calibration=said)
        return self.figures.state(
            self._phase(),
            self.camera.health(),
            dropped=self.camera.dropped,
            sinks=self.sinks.states(),
        )

    def close(self) -> None:
        """Close camera, pipeline and sinks; may be called twice."""
        self.camera.close()
        self.pipeline.close()
        self.sinks.close()

    def _turns(self, tell: Tell) -> Iterator[Frame | None]:
        """Yield a frame, or None where none has come yet; tell how it goes after each."""
        while not self._controls.stopping and not self.camera.ended:
            if self._controls.take_reload():
                with self._systemd.reloading():
                    self._reload(self)
            self.calibrator.turn(self.pipeline)
            frame = self._next_frame()
            yield frame
            self._live(delivered=frame is not None)
            self._report(tell)

    def _see(self, frame: Frame) -> Observation:
        observation = self.pipeline.process(frame)
        self.calibrator.see(self.pipeline, frame, observation)
        self.sinks.emit(observation, frame)
        self.figures.add(observation)
        return observation

    def _next_frame(self) -> Frame | None:
        if self._controls.enabled:
            return self.camera.read(_WAIT_SECONDS)
        self.camera.pause()
        self._controls.wait(_WAIT_SECONDS)
        return None

    def _live(self, *, delivered: bool) -> None:
        """Feed the watchdog, and end the start where it is over.

        Each turn of the loop is alive: it has delivered a frame, or waits as the camera or a
        switch tells it to, both within bounds. READY needs the camera's first frame or first
        fault: what comes after either is a state, and the status line tells it.
        """
        self._systemd.beat()
        if not delivered and self._controls.enabled:
            camera = self.camera.health()
            if camera.phase == "opening" and not camera.failures:
                return
        self._systemd.ready()

    def _phase(self) -> Phase:
        if self._controls.stopping:
            return "stopping"
        if not self._controls.enabled:
            return "disabled"
        return "running" if self.camera.health().phase == "delivering" else "waiting"

    def _report(self, tell: Tell) -> None:
        now = time.monotonic()
        if now < self._report_due:
            return
        self._report_due = now + _REPORT_SECONDS
        state = self.state()
        self._systemd.status(status_line(state) + model_note(state))
        self.sinks.report(state)
        tell(state)
