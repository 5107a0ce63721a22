"""Faces watched over time: what the network said of them, what a label did on top of that."""

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from clips import Clip

from fer_edge.assemble.baselines import make_corrector
from fer_edge.assemble.parts import make_pipeline
from fer_edge.assemble.sources import make_source
from fer_edge.settings import Settings, SmoothingSettings
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.records import UNCERTAIN, Box, Face, Frame, Prediction, Reading
from fer_edge.stages.clocks import by_capture
from fer_edge.stages.smoothing import LabelSmoother

STAYS_SECONDS: Final = 1.0
"""A label that stays so long is called stable."""
REFERENCE_SECONDS: Final = 1.0
"""Over which the vote that labels are compared with is taken, half of it before a frame."""
JITTER_FRAMES: Final = 9
_READ_SECONDS: Final = 10.0
_ROUNDING: Final = 1e-6
_NOTHING: Final = np.zeros((1, 1), np.uint8)


@dataclass
class WatchedFace:
    """One face over time.

    Attributes:
        seconds: Of each frame in which it was seen.
        predictions: The network's answers, one a frame.
        boxes: Where it was, one a frame; empty for faces that were made.
    """

    seconds: list[float] = field(default_factory=list)
    predictions: list[Prediction] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    @property
    def watched_seconds(self) -> float:
        """From its first frame to its last."""
        return self.seconds[-1] - self.seconds[0] if self.seconds else 0.0


def watch(clip: Clip, settings: Settings) -> list[WatchedFace]:
    """Run the device's own pipeline over a clip once; return the faces that it followed."""
    source_settings = replace(settings.source, uri=str(clip.path))
    faces: dict[int, WatchedFace] = defaultdict(WatchedFace)
    with make_source(source_settings) as source, make_pipeline(settings) as pipeline:
        while (frame := source.read(_READ_SECONDS)) is not None:
            for reading in pipeline.process(frame).readings:
                if reading.face.track_id is None:
                    raise ValueError("labels are steadied only where faces are followed")
                face = faces[reading.face.track_id]
                face.seconds.append(frame.index / clip.frames_per_second)
                face.predictions.append(reading.prediction)
                face.boxes.append(reading.face.box)
    return list(faces.values())


def raw_labels(face: WatchedFace) -> list[str]:
    """Return what the network alone says, frame by frame."""
    return [prediction.label for prediction in face.predictions]


def smoothed_labels(face: WatchedFace, settings: SmoothingSettings) -> list[str]:
    """Return what the device's own smoother makes of the same answers at the same times."""
    smoother = LabelSmoother(
        by_capture,
        memory_seconds=settings.memory_seconds,
        least_probability=settings.least_probability,
        margin=settings.margin,
        settle_seconds=settings.settle_seconds,
    )
    where = Face(Box(0, 0, 1, 1), 1.0, track_id=1)
    labels = []
    for index, (second, prediction) in enumerate(zip(face.seconds, face.predictions, strict=True)):
        frame = Frame(index, second, round(second * 1e9), _NOTHING)
        (steadied,) = smoother.update(frame, [Reading(where, prediction)])
        labels.append(steadied.stable or UNCERTAIN)
    return labels


def relative_answers(
    face: WatchedFace, settings: Settings, contract: ModelContract, *, mode: str
) -> list[Prediction]:
    """Return what the device's own stage makes of the same answers: priors, and a baseline.

    Args:
        face: A watched face.
        settings: Section `expression`; of `baseline` the strength.
        contract: Of the model.
        mode: Of the baseline: "track", or "none" for the priors alone.
    """
    settings = replace(settings, baseline=replace(settings.baseline, mode=mode))
    stage = make_corrector(settings, contract, by_capture, follows=True)
    where = Face(Box(0, 0, 1, 1), 1.0, track_id=1)
    answers = []
    for index, (second, prediction) in enumerate(zip(face.seconds, face.predictions, strict=True)):
        reading = Reading(where, prediction)
        if stage is not None:
            frame = Frame(index, second, round(second * 1e9), _NOTHING)
            (reading,) = stage.update(frame, [reading])
        answers.append(reading.answer)
    return answers


def relative_labels(
    face: WatchedFace, settings: Settings, contract: ModelContract, *, mode: str
) -> list[str]:
    """Return the same, smoothed by the device's own smoother."""
    answers = relative_answers(face, settings, contract, mode=mode)
    return smoothed_labels(replace(face, predictions=answers), settings.smoothing)


def switches(labels: Sequence[str]) -> int:
    """Count changes from one named label to another, with or without `uncertain` between them."""
    named = [label for label in labels if label != UNCERTAIN]
    return sum(a != b for a, b in itertools.pairwise(named))


def changes(labels: Sequence[str]) -> int:
    """Count every change after the first label, those to and from `uncertain` too."""
    later = list(itertools.dropwhile(lambda label: label == UNCERTAIN, labels))
    return sum(a != b for a, b in itertools.pairwise(later))


def runs(labels: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """Yield each stretch of the same label: label, first frame, frame after its last."""
    begin = 0
    for label, group in itertools.groupby(labels):
        end = begin + len(list(group))
        yield label, begin, end
        begin = end


def seconds_to_stable(labels: Sequence[str], seconds: Sequence[float]) -> float | None:
    """Return the time until a named label begins that then stays; None where none does."""
    for label, begin, end in runs(labels):
        until = seconds[min(end, len(seconds) - 1)]
        if label != UNCERTAIN and until - seconds[begin] >= STAYS_SECONDS - _ROUNDING:
            return seconds[begin] - seconds[0]
    return None


def reference_labels(face: WatchedFace) -> list[str]:
    """Return what most frames around each one say, of the past and of the future alike.

    Where two labels have as many frames, the one that the network gave more probability counts.
    """
    labels = raw_labels(face)
    found = []
    for now in face.seconds:
        near = [
            i
            for i, second in enumerate(face.seconds)
            if abs(second - now) <= REFERENCE_SECONDS / 2 + _ROUNDING
        ]
        votes = Counter(labels[i] for i in near)
        weight = {label: sum(face.predictions[i].scores[label] for i in near) for label in votes}
        found.append(max(votes, key=lambda label: (votes[label], weight[label])))
    return found


def steadiness(faces: Sequence[WatchedFace], labels: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Return how steady the labels of faces were.

    Args:
        faces: Watched faces.
        labels: Of each face, frame by frame.

    Returns:
        Counts and rates for a minute of a watched face, seconds to a stable label (median over
        faces watched long enough for one; None where most never get it), shares of frames.
    """
    minutes = sum(face.watched_seconds for face in faces) / 60
    pairs = list(zip(faces, labels, strict=True))
    waits = [
        math.inf if (wait := seconds_to_stable(given, face.seconds)) is None else wait
        for face, given in pairs
        if face.watched_seconds >= STAYS_SECONDS - _ROUNDING
    ]
    firsts = [
        second - face.seconds[0]
        for face, given in pairs
        if (second := _first_named(given, face.seconds)) is not None
    ]
    references = [reference_labels(face) for face in faces]
    both = [
        pair
        for given, reference in zip(labels, references, strict=True)
        for pair in zip(given, reference, strict=True)
    ]
    named = [(given, reference) for given, reference in both if given != UNCERTAIN]
    lasting = [
        label in given[begin:end]
        for (face, given), reference in zip(pairs, references, strict=True)
        for label, begin, end in runs(reference)
        if face.seconds[min(end, len(given) - 1)] - face.seconds[begin]
        >= REFERENCE_SECONDS / 2 - _ROUNDING
    ]
    median_wait = statistics.median(waits) if waits else math.inf
    return {
        "faces": len(faces),
        "minutes": round(minutes, 3),
        "switches": sum(map(switches, labels)),
        "switches_per_minute": round(sum(map(switches, labels)) / minutes, 2),
        "changes_per_minute": round(sum(map(changes, labels)) / minutes, 2),
        "first_label_s": round(statistics.median(firsts), 3) if firsts else None,
        "stable_label_s": None if math.isinf(median_wait) else round(median_wait, 3),
        "faces_stable": sum(map(math.isfinite, waits)),
        "faces_long_enough": len(waits),
        "labelled": len(named) / len(both),
        "agrees": sum(a == b for a, b in both) / len(both),
        "agrees_where_labelled": sum(a == b for a, b in named) / len(named) if named else None,
        "lasting": len(lasting),
        "lasting_shown": sum(lasting),
    }


def _first_named(labels: Sequence[str], seconds: Sequence[float]) -> float | None:
    return next((s for label, s in zip(labels, seconds, strict=True) if label != UNCERTAIN), None)


def box_jitter(faces: Sequence[WatchedFace]) -> dict[str, float]:
    """Return how much boxes tremble: their standard deviation around a smooth way.

    The smooth way is the parabola through nine frames, so that a head that moves is not taken
    for trembling. `across` and `down` are parts of the box's side, `size` of its logarithm.
    """
    middle = JITTER_FRAMES // 2
    steps = np.vander(np.arange(JITTER_FRAMES) - middle, 3)
    fit = (steps @ np.linalg.pinv(steps))[middle]
    rest: dict[str, list[float]] = {"across": [], "down": [], "size": []}
    for face in faces:
        if len(face.boxes) < JITTER_FRAMES:
            continue
        boxes = np.array([box.as_list() for box in face.boxes], np.float64)
        side = boxes[:, 2:].max(axis=1)
        for name, values in (
            ("across", (boxes[:, 0] + boxes[:, 2] / 2) / np.median(side)),
            ("down", (boxes[:, 1] + boxes[:, 3] / 2) / np.median(side)),
            ("size", np.log(side)),
        ):
            smooth = np.convolve(values, fit[::-1], mode="valid")
            rest[name] += (values[middle:-middle] - smooth).tolist()
    fitted = math.sqrt(1 - fit[middle])  # a parabola follows a part of the trembling itself
    return {
        name: round(float(np.std(values)) / fitted, 4) for name, values in rest.items() if values
    }
