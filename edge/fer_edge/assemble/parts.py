"""From settings to concrete parts: the only place that maps names to classes."""

import dataclasses
import sys
from pathlib import Path
from typing import Final, Literal, TypeAlias

from fer_edge.assemble.event_sinks import make_event_sinks
from fer_edge.models import open_model
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Detector, Sink, Source, Tracker
from fer_edge.settings import (
    DetectorSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    SmoothingSettings,
    SourceSettings,
)
from fer_edge.settings.secrets import read_secret
from fer_edge.shared.errors import SettingsError
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.faces.yunet_detector import YunetDetector
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.opencv import cv2
from fer_edge.sinks.fan_out import NamedSink
from fer_edge.sinks.jsonl.sink import JsonLinesSink
from fer_edge.sources.addresses import checked_parts, refuse_half_address
from fer_edge.sources.capture import live_pixels
from fer_edge.sources.folder import PictureFolder
from fer_edge.sources.orientation import Orientation, turned
from fer_edge.sources.picamera import SCHEME, PiCamera
from fer_edge.sources.stream import NetworkStream
from fer_edge.sources.v4l2 import V4l2Camera
from fer_edge.sources.video import VideoFile
from fer_edge.stages.clocks import by_capture, by_index
from fer_edge.stages.each_picture import EachPicture
from fer_edge.stages.follow.track import Patience
from fer_edge.stages.follow.tracking import FaceTracker
from fer_edge.stages.search.haar_scout import HaarScout
from fer_edge.stages.search.schedule import Budget, SearchSchedule
from fer_edge.stages.search.scout import Scout
from fer_edge.stages.search.yunet_scout import YunetScout
from fer_edge.stages.smoothing import LabelSmoother
from fer_edge.state.controls import Controls

Frames: TypeAlias = Literal["live", "clip", "pictures"]

_HIDDEN: Final = "secret"
_MOST_DIGITS: Final = 4
_BURST_SECONDS: Final = 1.5
"""Of its budget the search may take at once: for the first frame, and after another scene."""


def make_source(settings: SourceSettings) -> Source:
    """Open the source that a URI names, and turn its pictures as the settings say.

    A URI is a number or /dev/... (V4L2), picamera or picamera:N, scheme://..., a folder, or a file.

    Raises:
        FerError: It cannot be opened.
    """
    settings = dataclasses.replace(settings, uri=check_source(settings))
    orientation = Orientation(settings.rotation, settings.mirror)
    if _is_pi_camera(settings.uri):
        return _make_pi_camera(settings, orientation)
    return turned(_make_upright_source(settings), orientation)


def check_source(settings: SourceSettings) -> str:
    """Return the URI that the settings name, if a source can be made of it; opens nothing.

    Raises:
        SettingsError: It names nothing that could be opened, here or elsewhere.
    """
    uri = source_uri(settings)
    if not uri:
        raise SettingsError(
            "no source",
            expected="a camera number, stream, video file or picture folder",
            fix="give one as --source",
        )
    if _is_pi_camera(uri):
        _camera_number(uri)
    elif "://" in uri:
        checked_parts(uri)
    elif uri.isdecimal() and not _is_number(uri):
        raise SettingsError(
            f"source.uri has {len(uri)} digits",
            expected="a camera's number",
            fix="`fer-edge sources` lists those found",
        )
    else:
        refuse_half_address(uri)
    return uri


def source_uri(settings: SourceSettings) -> str:
    """Return the URI that the settings name; one that is secret is read anew each time.

    Raises:
        SettingsError: There is no secret, or it is no stream.
    """
    if settings.uri != _HIDDEN:
        return settings.uri
    uri = read_secret("source-uri", file=settings.uri_file).strip()
    if "://" not in uri:  # what it is instead may hold a password, too, so it is not shown
        raise SettingsError(
            "source.uri = 'secret', and the secret is " + ("no stream" if uri else "nowhere"),
            expected="scheme://user:password@host/path in source.uri_file, in the environment as "
            "FER_EDGE_SECRET_SOURCE_URI, or as systemd's credential source-uri",
            fix="put it there; a folder of this name is ./secret",
        )
    return uri


def _is_pi_camera(uri: str) -> bool:
    return uri.partition(":")[0] == SCHEME and "://" not in uri


def _camera_number(uri: str) -> int:
    _, colon, number = uri.partition(":")
    if colon and not _is_number(number):
        raise SettingsError(
            f"{uri!r} names no camera",
            expected=f"{SCHEME} or {SCHEME}:N with a number",
            fix="`fer-edge sources` lists those found",
        )
    return int(number or 0)


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= _MOST_DIGITS


def _make_pi_camera(settings: SourceSettings, orientation: Orientation) -> Source:
    return PiCamera(
        _camera_number(settings.uri),
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
            most_pixels=live_pixels(settings.width, settings.height),
            interval_seconds=settings.interval_seconds,
            anywhere=settings.redirects == "any",
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


def make_detector(settings: DetectorSettings) -> Detector:
    """Load what finds the faces of single pictures.

    Raises:
        ModelError: YuNet is wanted, and its weights are missing, damaged or foreign.
        DependencyError: OpenCV has no Haar cascades, or cannot run YuNet.
    """
    choice = choose(settings.kind, settings.file)
    if choice.weights is not None:
        return YunetDetector(
            choice.weights,
            side_px=settings.yunet_side_px,
            second_side_px=settings.yunet_second_side_px,
            least_score=settings.yunet_least_score,
        )
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
    classifier = LitertClassifier(open_model(settings.path), threads=settings.threads)
    classifier.warn_where_slow()
    return classifier


def make_tracker(settings: Settings, *, frames: Frames) -> Tracker:
    """Load what finds faces, and start the search where it runs beside the frames.

    Args:
        settings: Sections `detector` and `tracker`.
        frames: What the frames are.

    Raises:
        FerError: As `make_detector` says.
    """
    chosen = settings.tracker
    if frames == "pictures" or chosen.mode == "each":
        return EachPicture(make_detector(settings.detector))
    scout = make_scout(settings)
    schedule = SearchSchedule(
        Budget(chosen.budget_ms_per_second, burst_ms=_BURST_SECONDS * chosen.budget_ms_per_second),
        search_seconds=chosen.search_seconds,
        known_search_seconds=chosen.known_search_seconds,
        ranges=scout.ranges,
    )
    return FaceTracker(
        scout,
        schedule,
        threaded=frames == "live",
        max_faces=chosen.max_faces,
        check_frames=chosen.check_frames,
        patience=Patience(
            coast_seconds=chosen.coast_seconds,
            trust_seconds=chosen.trust_seconds,
            remember_seconds=chosen.remember_seconds,
        ),
    )


def make_scout(settings: Settings) -> Scout:
    """Load what finds the faces of frames that follow one another.

    Raises:
        FerError: As `make_detector` says.
    """
    choice, chosen = choose(settings.detector.kind, settings.detector.file), settings.tracker
    if choice.weights is not None:
        return YunetScout(choice.weights, most=chosen.max_faces, min_face_px=chosen.min_face_px)
    return HaarScout(most=chosen.max_faces, min_face_px=chosen.min_face_px)


def smoothing_for(settings: SmoothingSettings, contract: ModelContract) -> SmoothingSettings:
    """Return the settings with the model's own least probability where they name none."""
    if settings.least_probability >= 0:
        return settings
    return dataclasses.replace(settings, least_probability=contract.least_probability)


def make_smoother(settings: SmoothingSettings, *, frames: Frames) -> LabelSmoother:
    """Make what steadies the labels, with settings that `smoothing_for` has completed."""
    return LabelSmoother(
        by_capture if frames == "live" else by_index,
        memory_seconds=settings.memory_seconds,
        least_probability=settings.least_probability,
        margin=settings.margin,
        settle_seconds=settings.settle_seconds,
    )


def frames_of(settings: SourceSettings) -> Frames:
    """Return what the frames of a source are, from its URI alone.

    Raises:
        SettingsError: As `source_uri` says.
    """
    uri = source_uri(settings)
    if not uri or uri.isdecimal() or uri.startswith("/dev/") or "://" in uri or _is_pi_camera(uri):
        return "live"
    return "pictures" if _is_folder(Path(uri)) else "clip"


def make_pipeline(settings: Settings, *, frames: Frames = "clip") -> Pipeline:
    """Load cascades and model.

    OpenCV is kept to one thread from here on: on pictures this small its threads cost more
    than they bring, and would take the other cores from whatever else runs there.

    Args:
        settings: Of all parts.
        frames: "live", coming at their own pace: the search for faces runs beside them; "clip",
            the frames of a file: searched in turn, the same on every run; "pictures" that have
            nothing to do with one another. `frames_of` tells which a source has.

    Raises:
        FerError: As `make_tracker` and `make_classifier` say.
    """
    cv2.setNumThreads(1)
    tracker, classifier = make_tracker(settings, frames=frames), make_classifier(settings.model)
    smoothing = smoothing_for(settings.smoothing, classifier.contract)
    smoother = None if frames == "pictures" else make_smoother(smoothing, frames=frames)
    return Pipeline(tracker, classifier, smoother)


def make_sink(settings: OutputSettings) -> Sink:
    """Open the file or stream of JSON lines.

    Raises:
        OutputError: The file cannot be written.
    """
    if settings.file == "-":
        return JsonLinesSink(sys.stdout)
    return JsonLinesSink.to_file(Path(settings.file))


def make_sinks(settings: Settings, controls: Controls) -> list[NamedSink]:
    """Open every sink that the settings switch on.

    Args:
        settings: Of all parts.
        controls: What sinks may ask of the daemon.

    Raises:
        FerError: One cannot be opened.
    """
    sinks: list[NamedSink] = []
    try:
        if settings.output.file:
            # What a person pipes on, or makes of a clip that can be run again, must be whole.
            whole = settings.output.file == "-" or frames_of(settings.source) != "live"
            sinks.append(NamedSink("jsonl", make_sink(settings.output), essential=whole))
        if settings.events.file or settings.mqtt.host:
            contract = open_model(settings.model.path).contract
            sinks += make_event_sinks(settings, contract, controls)
        if settings.web.port:
            from fer_edge.sinks.web.sink import WebSink  # noqa: PLC0415 - 0.1 s that few runs need

            sinks.append(
                NamedSink("web", WebSink(settings.web, faces=settings.events.mode != "aggregate"))
            )
    except BaseException:
        for named in sinks:
            named.sink.close()
        raise
    return sinks
