"""From settings to concrete parts: the only place that maps names to classes."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fer_edge.assemble.baselines import make_corrector
from fer_edge.assemble.event_sinks import make_event_sinks
from fer_edge.assemble.run_facts import RunFacts
from fer_edge.assemble.sources import Frames, clock_of, frames_of, search_clock_of
from fer_edge.assemble.window import NAME as WINDOW
from fer_edge.assemble.window import events_for, make_window
from fer_edge.models import open_model, require_trusted
from fer_edge.models.trial import require_tried
from fer_edge.pipeline.pipeline import Pipeline
from fer_edge.pipeline.protocols import Detector, Sink, Tracker
from fer_edge.settings import (
    DetectorSettings,
    ModelSettings,
    OutputSettings,
    Settings,
    SmoothingSettings,
)
from fer_edge.shared.faces.choice import choose
from fer_edge.shared.faces.haar import HaarDetector
from fer_edge.shared.faces.yunet_detector import YunetDetector
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.opencv import cv2
from fer_edge.sinks.fan_out import NamedSink
from fer_edge.sinks.jsonl.sink import JsonLinesSink
from fer_edge.stages.each_picture import EachPicture
from fer_edge.stages.follow.track import Patience
from fer_edge.stages.follow.tracking import FaceTracker
from fer_edge.stages.search.background import AtOnce, Background
from fer_edge.stages.search.haar_scout import HaarScout
from fer_edge.stages.search.schedule import Budget, SearchSchedule
from fer_edge.stages.search.scout import Scout
from fer_edge.stages.search.yunet_scout import YunetScout
from fer_edge.stages.smoothing import LabelSmoother
from fer_edge.state.controls import Controls

if TYPE_CHECKING:
    from fer_edge.sinks.web.sink import WebSink

_NO_FACTS: Final = RunFacts()
_BURST_SECONDS: Final = 1.5
"""Of its budget the search may take at once: for the first frame, and after another scene."""


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


def open_trusted(settings: ModelSettings) -> ModelFile:
    """Read the model that the settings name, and compare it with what they trust.

    Raises:
        ModelError: As `open_model` says, or it is another one.
    """
    model = open_model(settings.path)
    require_trusted(model.path, model.sha256, settings.trust)
    return model


def looks_at_colour(settings: ModelSettings) -> bool:
    """Tell whether frames must keep their colours for the model that the settings name.

    Raises:
        ModelError: As `open_trusted` says.
    """
    return open_trusted(settings).contract.input.is_colour


def open_tried(settings: ModelSettings) -> ModelFile:
    """Read the model that the settings name, and have it tried where that was not done before.

    Raises:
        ModelError: As `open_trusted` says, or it does not pass.
        DependencyError: There is no usable TFLite runtime.
    """
    model = open_trusted(settings)
    require_tried(model, threads=settings.threads)
    return model


def make_classifier(settings: ModelSettings) -> LitertClassifier:
    """Load the model.

    A file that does not ship is tried in a process of its own first, once for each file, runtime
    and processor: see `fer_edge.models.trial`.

    Raises:
        ModelError: It is missing, damaged, breaks its contract, is not the one that the settings
            trust, or does not pass its trial.
        DependencyError: There is no usable TFLite runtime.
    """
    classifier = LitertClassifier(open_tried(settings), threads=settings.threads)
    classifier.warn_where_slow()
    return classifier


def make_tracker(settings: Settings, *, frames: Frames, cost_factor: float = 1.0) -> Tracker:
    """Load what finds faces, and start the search where it runs beside the frames.

    Args:
        settings: Sections `detector` and `tracker`.
        frames: What the frames are, as `make_pipeline` says.
        cost_factor: As `make_pipeline` says.

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
        runner=(
            Background(scout.search)
            if frames == "live"
            else AtOnce(scout.search, cost_factor=cost_factor)
        ),
        clock=search_clock_of(frames),
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
        clock_of(frames),
        memory_seconds=settings.memory_seconds,
        least_probability=settings.least_probability,
        margin=settings.margin,
        settle_seconds=settings.settle_seconds,
    )


def make_pipeline(
    settings: Settings,
    *,
    frames: Frames = "clip",
    classifier: LitertClassifier | None = None,
    cost_factor: float = 1.0,
) -> Pipeline:
    """Load cascades and model.

    OpenCV is kept to one thread from here on: on pictures this small its threads cost more
    than they bring, and would take the other cores from whatever else runs there.

    Args:
        settings: Of all parts.
        frames: "live", coming at their own pace: the search for faces runs beside them; "clip",
            the frames of a file: searched in turn, the same on every run; "timed", the same for
            frames that say when they are; "pictures" that have nothing to do with one another.
            `frames_of` tells which a source has.
        classifier: Where one is loaded already.
        cost_factor: What the search for faces takes from its budget, as a multiple of its nominal
            cost, which is a desktop core's; of live frames it takes what it does cost.

    Raises:
        FerError: As `make_tracker` and `make_classifier` say.
    """
    cv2.setNumThreads(1)
    tracker = make_tracker(settings, frames=frames, cost_factor=cost_factor)
    classifier = classifier or make_classifier(settings.model)
    smoothing = smoothing_for(settings.smoothing, classifier.contract)
    smoother = None if frames == "pictures" else make_smoother(smoothing, frames=frames)
    corrector = make_corrector(
        settings,
        classifier.contract,
        clock_of(frames),
        follows=frames != "pictures" and settings.tracker.mode != "each",
    )
    return Pipeline(tracker, classifier, smoother, corrector)


def make_sink(settings: OutputSettings) -> Sink:
    """Open the file or stream of JSON lines.

    Raises:
        OutputError: The file cannot be written.
    """
    if settings.file == "-":
        return JsonLinesSink(sys.stdout)
    return JsonLinesSink.to_file(Path(settings.file))


def make_sinks(
    settings: Settings,
    controls: Controls,
    *,
    window: "WebSink | None" = None,
    facts: RunFacts = _NO_FACTS,
) -> list[NamedSink]:
    """Open every sink that the settings switch on.

    Args:
        settings: Of all parts.
        controls: What sinks may ask of the daemon.
        window: The sink of the section `web`, where it is open already; it stays so where
            another one cannot be opened.
        facts: What the page tells beside the settings.

    Raises:
        FerError: One cannot be opened.
    """
    sinks: list[NamedSink] = []
    opened = None
    try:
        if settings.web.port and window is None:
            window = opened = make_window(settings, controls, facts)
        if settings.output.file:
            # What a person pipes on, or makes of a clip that can be run again, must be whole.
            whole = settings.output.file == "-" or frames_of(settings.source) != "live"
            sinks.append(NamedSink("jsonl", make_sink(settings.output), essential=whole))
        tell = events_for(window, settings)
        if settings.events.file or settings.mqtt.host or tell:
            model = open_trusted(settings.model)
            sinks += make_event_sinks(settings, model, controls, tell=tell)
        if window is not None:
            sinks.append(NamedSink(WINDOW, window))
    except BaseException:
        for named in sinks:
            named.sink.close()
        if opened is not None:
            opened.close()
        raise
    return sinks
