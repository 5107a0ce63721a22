"""Expressions in single pictures, and in frames that a program gets elsewhere."""

import dataclasses
import functools
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from os import PathLike, fspath
from typing import Final

import numpy as np

from fer_edge.api.choosing import GivenSettings, Value, choose_settings
from fer_edge.api.given import ColourOrder, GivenImage, frame_of, several
from fer_edge.api.pace import Pace
from fer_edge.api.quiet import quiet
from fer_edge.api.seen import Picture, View, with_stable
from fer_edge.assemble.baselines import make_corrector, participant_corrector, use_participant
from fer_edge.assemble.parts import make_classifier, make_pipeline, smoothing_for
from fer_edge.assemble.sources import Frames
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.shared.closing import Closing
from fer_edge.shared.errors import PictureError
from fer_edge.shared.model.preprocess import picture_for, prepare_crop, whole_picture
from fer_edge.shared.opencv import cv2
from fer_edge.shared.records import NO_BASELINE, Face, Frame, Reading
from fer_edge.stages.baseline import Baseline
from fer_edge.stages.calibration import Calibration
from fer_edge.stages.clocks import by_index

_FIRST: Final = threading.Lock()
"""The cache alone lets several threads load the same model at their first calls."""


class Reader(Closing):
    """Reads pictures, and frames of a program's own, with a model that is loaded once.

    May be used by several threads; they take turns.

    Args:
        model: Shipped model's name or .tflite file with a contract; the default one.
        detector: The name of a technique, or settings of section `detector`.
        settings: By `section.key` as --set takes them, a TOML file as --config does, or `Settings`.
        crops: Whether `read` takes each picture as a face crop instead of searching faces.

    Raises:
        SettingsError: A setting is unknown or wrong.
        ModelError: The model is missing, damaged, or breaks its contract.
        DependencyError: A library is missing or unfit.
    """

    def __init__(
        self,
        *,
        model: str | PathLike[str] | None = None,
        detector: str | Mapping[str, Value] | None = None,
        settings: GivenSettings = None,
        crops: bool = False,
    ) -> None:
        self._settings = choose_settings(settings, model=model, detector=detector)
        with quiet():
            self._classifier = make_classifier(self._settings.model)
            smoothing = smoothing_for(self._settings.smoothing, self._classifier.contract)
            self._least_probability = smoothing.least_probability
            self._pictures = None if crops else self._pipeline("pictures")
        self._crop_corrector = make_corrector(
            self._settings, self._classifier.contract, by_index, follows=False
        )
        self._participant: Baseline | None = None
        self._following: Pipeline | None = None
        self._pace = Pace()
        self._count = 0
        self._turn = threading.Lock()
        self._closed = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The expressions that the model tells apart, in its own order."""
        return self._classifier.contract.labels

    def read(self, image: GivenImage, *, colour: ColourOrder | None = None) -> Picture:
        """Read one picture.

        Args:
            image: A path, a uint8 array of shape (H, W) in grey or (H, W, 3) in blue, green, red,
                or a picture of Pillow.
            colour: "rgb" where red comes first in the array; also says it of (H, W, 4).

        Raises:
            PictureError: It cannot be read, or its type, shape or size do not fit.
        """
        frame = frame_of(image, colour=colour)
        with self._turn:
            self._refuse_closed()
            try:
                readings = self._readings(frame)
            except PictureError as error:
                raise PictureError(
                    f"{frame.name or 'the array'}: {error.found}",
                    expected=error.expected,
                    fix=error.fix,
                ) from error
            baseline = self._baseline
        faces = with_stable(readings, least_probability=self._least_probability)
        return Picture(frame.name, faces, frame=frame, baseline=baseline)

    def read_all(self, images: Iterable[GivenImage]) -> Iterator[Picture]:
        """Yield a `Picture` for each picture; one that cannot be read has an `error`.

        Args:
            images: As `read` takes them; a folder's: `Path("folder").glob("*.jpg")`.

        Raises:
            PictureError: They are a single picture.
        """
        for image in several(images):
            try:
                yield self.read(image)
            except PictureError as error:
                path = fspath(image) if isinstance(image, str | PathLike) else ""
                yield Picture(path, error=error)

    def follow(
        self,
        image: GivenImage,
        *,
        at: float | None = None,
        colour: ColourOrder | None = None,
    ) -> View:
        """Read the next of frames that follow one another: faces keep numbers, labels are steadied.

        Args:
            image: As `read` takes it. The picture of an array must not change afterwards as long
                as the view is used; for the next frame it may.
            at: When the frame is, in seconds from any beginning; now where it is not said. A time
                before the last one begins a new clip.
            colour: As for `read`.

        Raises:
            PictureError: As `read` says.
        """
        frame = frame_of(image, colour=colour, clip_seconds=at)
        if frame.colour is None:
            frame = dataclasses.replace(frame, grey=np.array(frame.grey))
        with self._turn:
            self._refuse_closed()
            if self._following is None:
                self._following = self._pipeline("timed")
                if self._participant is not None:
                    use_participant(self._following, self._settings, self._participant)
            frame = dataclasses.replace(frame, index=self._count)
            self._count += 1
            observation = self._following.process(frame)
            fps = self._pace.tick(time.monotonic() if at is None else at)
        faces = with_stable(observation.readings, least_probability=self._least_probability)
        return View(faces, fps, observation, frame)

    def calibrate(
        self, images: Iterable[GivenImage], *, colour: ColourOrder | None = None
    ) -> Baseline:
        """Learn how a person looks at rest, and read what follows relative to that.

        Args:
            images: Of the person with a relaxed face, as `read` takes them; one is enough.
            colour: As for `read`.

        Raises:
            CalibrationError: They show no face at rest; the message says why.
            PictureError: As `read` says, or they are a single picture.
        """
        calibration = Calibration(self._classifier.contract, moves=False)
        for image in several(images):
            frame = frame_of(image, colour=colour)
            with self._turn:
                self._refuse_closed()
                calibration.add(frame.grey, self._readings(frame))
        baseline = calibration.result(float(calibration.frames))
        with self._turn:
            self._participant = baseline
            self._crop_corrector = participant_corrector(
                self._settings, self._classifier.contract, baseline
            )
            for pipeline in (self._pictures, self._following):
                if pipeline is not None:
                    use_participant(pipeline, self._settings, baseline)
        return baseline

    def close(self) -> None:
        """Let go of the model; may be called twice. What was read stays as it is."""
        with self._turn:
            self._closed = True
            for pipeline in (self._pictures, self._following):
                if pipeline is not None:
                    pipeline.close()

    def _pipeline(self, frames: Frames) -> Pipeline:
        threads = cv2.getNumThreads()
        pipeline = make_pipeline(self._settings, frames=frames, classifier=self._classifier)
        if frames == "pictures":  # one thread is best for a stream; else it is the program's choice
            cv2.setNumThreads(threads)
        return pipeline

    def _readings(self, frame: Frame) -> tuple[Reading, ...]:
        if self._pictures is not None:
            return self._pictures.process(frame).readings
        spec = self._classifier.contract.input
        pixels = prepare_crop(picture_for(frame, spec), spec)
        face = Face(whole_picture(frame.grey), 1.0)
        said = (Reading(face, self._classifier.predict(pixels)),)
        return said if self._crop_corrector is None else self._crop_corrector.update(frame, said)

    @property
    def _baseline(self) -> str:
        if self._pictures is not None:
            return self._pictures.baseline
        return NO_BASELINE if self._crop_corrector is None else self._crop_corrector.mode

    def _refuse_closed(self) -> None:
        if self._closed:
            raise ValueError("this Reader is closed; make another one")


def read(
    image: GivenImage,
    *,
    model: str | PathLike[str] | None = None,
    colour: ColourOrder | None = None,
) -> Picture:
    """Read the expressions in one picture.

    The model is loaded at the first call and kept for the next ones.

    Args:
        image: A path, a uint8 array of shape (H, W) in grey or (H, W, 3) in blue, green, red, or a
            picture of Pillow.
        model: Shipped model's name or .tflite file with a contract; the default one.
        colour: "rgb" where red comes first in the array; also says it of (H, W, 4).

    Returns:
        The sequence of faces, surest first; empty where there is none.

    Raises:
        PictureError: The picture cannot be read, or its type, shape or size do not fit.
        FerError: The model cannot be loaded.
    """
    return _reader(_name(model)).read(image, colour=colour)


def read_all(
    images: Iterable[GivenImage], *, model: str | PathLike[str] | None = None
) -> Iterator[Picture]:
    """Yield a `Picture` for each picture; one that cannot be read has an `error`, and no face.

    Args:
        images: As `read` takes them; a folder's: `Path("folder").glob("*.jpg")`.
        model: As for `read`.

    Raises:
        PictureError: They are a single picture.
        FerError: The model cannot be loaded.
    """
    yield from _reader(_name(model)).read_all(images)


def _reader(model: str | None) -> Reader:
    with _FIRST:
        return _loaded(model)


@functools.lru_cache(maxsize=2)
def _loaded(model: str | None) -> Reader:
    return Reader(model=model)


def _name(model: str | PathLike[str] | None) -> str | None:
    return None if model is None else fspath(model)
