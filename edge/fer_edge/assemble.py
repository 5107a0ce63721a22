"""From settings to concrete parts: the only place that maps names to classes."""

import sys
from pathlib import Path

from fer_edge.errors import SettingsError
from fer_edge.models import open_model
from fer_edge.pipeline import Pipeline
from fer_edge.protocols import Sink, Source
from fer_edge.settings import (
    DetectorSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    SourceSettings,
)
from fer_edge.sinks.jsonl import JsonLinesSink
from fer_edge.sources.folder import PictureFolder
from fer_edge.sources.orientation import Orientation, turned
from fer_edge.sources.picamera import SCHEME, PiCamera
from fer_edge.sources.stream import NetworkStream
from fer_edge.sources.v4l2 import V4l2Camera
from fer_edge.sources.video import VideoFile
from fer_edge.stages.haar import HaarDetector
from fer_edge.stages.litert import LitertClassifier


def make_source(settings: SourceSettings) -> Source:
    """Open the source that a URI names, and turn its pictures as the settings say.

    A URI is a number or /dev/... (V4L2), picamera or picamera:N, scheme://..., a folder, or a file.

    Raises:
        FerError: It cannot be opened.
    """
    orientation = Orientation(settings.rotation, settings.mirror)
    if settings.uri.partition(":")[0] == SCHEME and "://" not in settings.uri:
        return _make_pi_camera(settings, orientation)
    return turned(_make_upright_source(settings), orientation)


def _make_pi_camera(settings: SourceSettings, orientation: Orientation) -> Source:
    _, colon, number = settings.uri.partition(":")
    if colon and not number.isdecimal():
        raise SettingsError(
            f"{settings.uri!r} names no camera",
            expected=f"{SCHEME} or {SCHEME}:N with a number",
            fix="`fer-edge sources` lists those found",
        )
    return PiCamera(
        int(number or 0),
        width=settings.width,
        height=settings.height,
        frames_per_second=settings.frames_per_second,
        orientation=orientation,
        open_timeout_seconds=settings.open_timeout_seconds,
        stall_timeout_seconds=settings.read_timeout_seconds,
    )


def _make_upright_source(settings: SourceSettings) -> Source:
    uri = settings.uri
    if uri.isdecimal() or uri.startswith("/dev/"):
        return V4l2Camera(
            int(uri) if uri.isdecimal() else uri,
            width=settings.width,
            height=settings.height,
            frames_per_second=settings.frames_per_second,
            open_timeout_seconds=settings.open_timeout_seconds,
        )
    if "://" in uri:
        return NetworkStream(
            uri,
            open_timeout_seconds=settings.open_timeout_seconds,
            read_timeout_seconds=settings.read_timeout_seconds,
        )
    if not uri:
        raise SettingsError(
            "no source",
            expected="a camera number, stream, video file or picture folder",
            fix="give one as --source",
        )
    path = Path(uri)
    if _is_folder(path):
        return PictureFolder(path)
    return VideoFile(path, realtime=settings.pace == "own")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that is too long, for instance; opening it as a file tells
        return False


def make_detector(settings: DetectorSettings) -> HaarDetector:
    """Load the cascade.

    Raises:
        DependencyError: OpenCV has no Haar cascades.
    """
    return HaarDetector(
        cascade=settings.cascade,
        confirm=settings.confirm,
        scale_factor=settings.scale_factor,
        min_neighbours=settings.min_neighbours,
        min_face_px=settings.min_face_px,
        max_side_px=settings.max_side_px,
    )


def make_classifier(settings: ModelSettings) -> LitertClassifier:
    """Load the model.

    Raises:
        ModelError: It is missing, damaged, or breaks its contract.
        DependencyError: There is no usable TFLite runtime.
    """
    return LitertClassifier(open_model(settings.path), threads=settings.threads)


def make_pipeline(settings: Settings) -> Pipeline:
    """Load detector and model.

    Raises:
        FerError: As `make_detector` and `make_classifier` say.
    """
    return Pipeline(make_detector(settings.detector), make_classifier(settings.model))


def make_sink(settings: OutputSettings) -> Sink:
    """Open the sink.

    Raises:
        OutputError: The file cannot be written.
    """
    if settings.file == "-":
        return JsonLinesSink(sys.stdout)
    return JsonLinesSink.to_file(Path(settings.file))
