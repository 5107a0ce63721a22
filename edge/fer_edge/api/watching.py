"""Expressions of a camera or clip, frame by frame."""

import time
from collections.abc import Iterable, Mapping
from os import PathLike, fspath
from typing import Final, Self

from fer_edge.api.choosing import GivenSettings, Value, choose_settings
from fer_edge.api.given import ColourOrder, GivenImage, several
from fer_edge.api.iterated import IteratedFrames
from fer_edge.api.pace import Pace
from fer_edge.api.quiet import quiet
from fer_edge.api.seen import View, with_stable
from fer_edge.assemble.baselines import use_participant
from fer_edge.assemble.parts import make_pipeline, smoothing_for
from fer_edge.assemble.sources import Frames, check_source, clock_of, frames_of, make_source
from fer_edge.daemon.camera.steady import SteadyCamera
from fer_edge.settings import Settings
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import FerError, SettingsError
from fer_edge.shared.records import Frame
from fer_edge.stages.baseline import Baseline
from fer_edge.stages.calibration import SECONDS, calibrate_frames
from fer_edge.state.records import CameraHealth

_WAIT_SECONDS: Final = 0.25
"""Longest wait for a frame before Ctrl-C is heeded."""


class Watch(Closing):
    """The views of a camera or clip, one after the other; made by `watch`.

    Of a camera the newest frame is seen, and those that came meanwhile are dropped. Of a clip,
    a folder or an iterable every frame is seen. A camera that fails is opened again for
    `source.give_up_seconds`. Faces are followed, and their labels steadied over time.
    """

    def __init__(
        self,
        camera: SteadyCamera,
        settings: Settings,
        *,
        frames: Frames,
        given: IteratedFrames | None = None,
    ) -> None:
        self._camera = camera
        self._given = given
        self._settings = settings
        self._clock = clock_of(frames)
        self._pace = Pace()
        self._rate = 0.0
        try:
            with quiet():
                self._pipeline = make_pipeline(settings, frames=frames)
        except BaseException:
            camera.close()
            raise
        smoothing = smoothing_for(settings.smoothing, self._pipeline.contract)
        self._least_probability = smoothing.least_probability

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that the model tells apart, in its own order."""
        return self._pipeline.contract.labels

    @property
    def rate(self) -> float:
        """Frames a second that a clip states; 0 for a camera, and before the first frame."""
        return self._camera.clip_rate or self._rate

    @property
    def dropped(self) -> int:
        """Frames of a camera that a newer one replaced before they were seen."""
        return self._camera.dropped

    @property
    def health(self) -> CameraHealth:
        """How the camera does, as `fer-edge status` tells it."""
        return self._camera.health()

    def __iter__(self) -> Self:
        """Return itself."""
        return self

    def __next__(self) -> View:
        """Wait for the next frame and return what is seen in it.

        Raises:
            StopIteration: The clip has ended, or this was closed.
            SourceUnavailableError: The camera was given up.
            FerError: It cannot be opened at all.
            Exception: What an iterable of pictures itself raises.
        """
        try:
            frame = self._next_frame()
        except BaseException:
            self.close()
            raise
        if frame is None:
            self.close()
            raise StopIteration
        self._rate = self.rate  # the source forgets it when it ends
        observation = self._pipeline.process(frame)
        faces = with_stable(observation.readings, least_probability=self._least_probability)
        return View(faces, self._pace.tick(time.monotonic()), observation, frame)

    def calibrate(self, seconds: float = SECONDS) -> Baseline:
        """Learn how whoever looks at the camera looks at rest; read them relative to that.

        Args:
            seconds: How long; the frames of that time are no views.

        Raises:
            CalibrationError: What is seen is no face at rest; the message says why.
            FerError: The camera fails.
        """
        baseline = calibrate_frames(
            iter(self._next_frame, None),
            self._pipeline.process,
            self._pipeline.contract,
            clock=self._clock,
            seconds=seconds,
        )
        use_participant(self._pipeline, self._settings, baseline)
        return baseline

    def close(self) -> None:
        """Release the camera; may be called twice."""
        self._camera.close()
        self._pipeline.close()

    def _next_frame(self) -> Frame | None:
        while not self._camera.ended:
            try:
                frame = self._camera.read(_WAIT_SECONDS)
            except FerError:
                # What the caller's own pictures raise is no fault of a camera.
                if self._given is not None and self._given.fault is not None:
                    raise self._given.fault from None
                raise
            if frame is not None:
                return frame
        return None


def watch(
    source: int | str | PathLike[str] | Iterable[GivenImage] | None = None,
    *,
    model: str | PathLike[str] | None = None,
    detector: str | Mapping[str, Value] | None = None,
    settings: GivenSettings = None,
    rate: float = 0.0,
    colour: ColourOrder | None = None,
) -> Watch:
    """Watch a camera, stream, video file or picture folder, or pictures of one's own.

    A context manager and an iterator of views. The camera is opened at once. OpenCV is kept to one
    thread from then on, as frames this small are read fastest so; `cv2.setNumThreads` changes that.

    Args:
        source: A camera's number, what `fer-edge run --source` takes, or an iterable of arrays;
            None is what `source.uri` says, camera 0 where nothing does.
        model: Shipped model's name or .tflite file with a contract; the default one.
        detector: The name of a technique, or settings of section `detector`.
        settings: By `section.key` as --set takes them, a TOML file as --config does, or `Settings`.
        rate: Of an iterable that is a clip: its frames a second; 0 takes its pictures to be as old
            as they come.
        colour: "rgb" where red comes first in the arrays of an iterable.

    Raises:
        SettingsError: A setting is unknown or wrong.
        FerError: The model cannot be loaded. A camera that cannot be opened is told by the first
            view.
    """
    if source is None or isinstance(source, int | str | PathLike):
        if rate or colour is not None:
            raise SettingsError(
                "rate or colour was given with a source that knows its own",
                expected="them with an iterable of arrays only",
                fix="leave them out",
            )
        chosen = choose_settings(settings, model=model, detector=detector, source=_uri(source))
        check_source(chosen.source)
        opened = chosen.source
        camera = SteadyCamera(lambda: make_source(opened, colour=True), opened)
        return Watch(camera, chosen, frames=frames_of(opened))
    if not isinstance(source, Iterable):
        raise SettingsError(
            f"a {type(source).__name__} was given to watch",
            expected="a camera's number, a path or URL, or an iterable of arrays",
            fix="give one of these, such as 0",
        )
    chosen = choose_settings(settings, model=model, detector=detector)
    given = IteratedFrames(several(source), rate=rate, colour=colour)
    camera = SteadyCamera(lambda: given, chosen.source)
    return Watch(camera, chosen, frames="timed", given=given)


def _uri(source: int | str | PathLike[str] | None) -> str | None:
    if source is None or isinstance(source, int):
        return None if source is None else str(source)
    return fspath(source)
