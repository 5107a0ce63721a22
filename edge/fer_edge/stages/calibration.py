"""Calibration to a participant: some seconds of a face at rest, or the reason why they are none.

Commercial tools call this participant calibration. It is refused where the face is missing, dark,
moving, smiling, or does not look the same from frame to frame, for a wrong baseline is worse than
none. `calibrate` is the whole of it for pictures at hand, `calibrate_frames` for those of a camera.
"""

import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from fer_edge.pipeline.protocols import Classifier, Detector
from fer_edge.shared.errors import CalibrationError
from fer_edge.shared.labels import find_label
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.preprocess import picture_for
from fer_edge.shared.records import Box, Frame, GreyImage, Observation, Prediction, Reading
from fer_edge.stages.baseline import NEUTRAL, Baseline, RestingFace, logarithms
from fer_edge.stages.clocks import Clock, by_capture

SECONDS: Final = 5.0
_LEAST_FRAMES: Final = 10
_LEAST_FOUND: Final = 0.8
"""Share of the frames in which a face must be seen."""
_DARKEST: Final = 40.0
"""Mean grey level of a face below which little can be read off it."""
_FARTHEST: Final = 0.15
"""Share of its side by which a face may stray from where it mostly is, or change its size."""
_SMILES: Final = 0.5
_LEAST_STEADY: Final = 0.7
_COME_NEARER: Final = "look straight at the camera, from nearer, and calibrate again"


class _Look(NamedTuple):
    """One frame's face.

    Attributes:
        box: Where it is.
        said: What the network answers.
        light: Mean grey level, 0 to 255.
    """

    box: Box
    said: Prediction
    light: float


class Calibration:
    """Collects the looks of one face and judges whether they make a baseline.

    Args:
        contract: Of the model.
        moves: Whether the looks are of frames that follow one another, in which a face must stay
            where it is; else they are pictures that have nothing to do with one another.

    Attributes:
        frames: In which a face should have been.
        frames_seen: These, and those before the first face of a clip.

    Raises:
        CalibrationError: The model does not know what a face at rest is: none of its labels is
            neutral.
    """

    def __init__(self, contract: ModelContract, *, moves: bool = True) -> None:
        if find_label(contract.labels, NEUTRAL) is None:
            listed = ", ".join(contract.labels)
            raise CalibrationError(
                f"not calibrated: the model's labels are {listed}",
                expected="neutral among them: a face at rest is compared with that",
                fix="choose a model that knows neutral; of this one answers are read as they are",
            )
        self._contract = contract
        self._moves = moves
        self._looks: list[_Look] = []
        self.frames = 0
        self.frames_seen = 0

    def pass_over(self) -> None:
        """Take a frame before a first face: until a search has found one, none is missing."""
        self.frames_seen += 1

    def add(self, grey: GreyImage, readings: Sequence[Reading]) -> None:
        """Take a frame; of several faces the largest counts.

        Args:
            grey: uint8, shape (H, W).
            readings: What was read in it.
        """
        self.frames += 1
        self.frames_seen += 1
        if readings:
            largest = max(readings, key=lambda reading: reading.face.box.area)
            box = largest.face.box
            self._looks.append(_Look(box, largest.prediction, _light(grey, box)))

    @property
    def has_enough(self) -> bool:
        """Whether as many frames as it takes have come."""
        return self.frames >= _LEAST_FRAMES

    def result(self, seconds: float) -> Baseline:
        """Return the baseline.

        Args:
            seconds: For how long frames were taken.

        Raises:
            CalibrationError: They are no face at rest; the message says why.
        """
        self._require_face()
        self._require_light()
        if self._moves:
            self._require_rest()
        self._require_no_smile()
        steadiness = self._steadiness()
        if steadiness < _LEAST_STEADY:
            raise _refused(
                f"the expression changed (steadiness {steadiness:.2f})",
                f"one face at rest ({_LEAST_STEADY:g} or more)",
                "keep the face relaxed, in even light, and calibrate again",
            )
        estimate = RestingFace(spreads=True)
        for look in self._looks:
            estimate.add(logarithms(look.said), 1.0)
        return Baseline(
            labels=self._contract.labels,
            log_probabilities=tuple(round(value, 4) for value in estimate.mean),
            spread=tuple(round(value, 4) for value in estimate.spread),
            seconds=round(seconds, 2),
            network_sha256=self._contract.flatbuffer_sha256,
            frames=self.frames,
            steadiness=round(steadiness, 3),
        )

    def _require_face(self) -> None:
        if self.frames_seen and not self._looks:
            raise _refused(
                f"no face was seen (frames looked at: {self.frames_seen})",
                f"one in at least {_LEAST_FOUND:.0%} of them",
                _COME_NEARER,
            )
        least = _LEAST_FRAMES if self._moves else 1
        if self.frames < least:
            raise _refused(
                f"only {self.frames} frames came",
                f"at least {least}",
                "calibrate for longer"
                if self.frames
                else "see what `fer-edge status` says of the camera, and calibrate again",
            )
        found = len(self._looks)
        if found < _LEAST_FOUND * self.frames:
            raise _refused(
                f"a face was seen in {found} of {self.frames} frames",
                f"one in at least {_LEAST_FOUND:.0%} of them",
                _COME_NEARER,
            )

    def _require_light(self) -> None:
        light = statistics.median(look.light for look in self._looks)
        if light < _DARKEST:
            raise _refused(
                f"the face is dark (grey level {light:.0f} of 255)",
                f"{_DARKEST:.0f} or more",
                "turn a lamp on, or face the window, and calibrate again",
            )

    def _require_rest(self) -> None:
        boxes = [look.box for look in self._looks]
        side = statistics.median(max(box.width, box.height) for box in boxes)
        across = [box.x + box.width / 2 for box in boxes]
        down = [box.y + box.height / 2 for box in boxes]
        strayed = max(_spread(values) / side for values in (across, down))
        grown = _spread([max(box.width, box.height) for box in boxes]) / side
        if max(strayed, grown) > _FARTHEST:
            raise _refused(
                f"the face moved by {max(strayed, grown):.0%} of its size",
                f"at most {_FARTHEST:.0%}",
                "keep still, and calibrate again",
            )

    def _require_no_smile(self) -> None:
        said = Counter(look.said.label for look in self._looks)
        happy = find_label(self._contract.labels, "happy")
        smiles = 0 if happy is None else said[self._contract.labels[happy]]
        if smiles >= _SMILES * len(self._looks):
            raise _refused(
                f"the face smiles in {smiles} of {len(self._looks)} frames",
                "a face at rest",
                "relax the face, and calibrate again",
            )

    def _steadiness(self) -> float:
        """Return how much of the probabilities the frames share with their mean, 0 to 1."""
        columns = list(zip(*(look.said.probabilities for look in self._looks), strict=True))
        means = [statistics.fmean(column) for column in columns]
        apart = [
            sum(abs(p - mean) for p, mean in zip(look.said.probabilities, means, strict=True)) / 2
            for look in self._looks
        ]
        return 1 - statistics.fmean(apart)


def calibrate(frames: Iterable[Frame], detector: Detector, classifier: Classifier) -> Baseline:
    """Return the baseline of the person whose face at rest pictures show.

    Args:
        frames: Pictures that need not follow one another; one is enough, each counts as a second.
        detector: The search; of several faces the largest counts.
        classifier: The model.

    Raises:
        CalibrationError: They show no face at rest; the message says why.
    """
    calibration = Calibration(classifier.contract, moves=False)
    spec = classifier.contract.input
    for frame in frames:
        faces = detector.detect(frame.grey)
        answers = classifier.classify(picture_for(frame, spec), faces)
        pairs = zip(faces, answers, strict=True)
        calibration.add(frame.grey, [Reading(face, said) for face, said in pairs])
    return calibration.result(float(calibration.frames))


def calibrate_frames(
    frames: Iterable[Frame],
    process: Callable[[Frame], Observation],
    contract: ModelContract,
    *,
    clock: Clock = by_capture,
    seconds: float = SECONDS,
    countdown_seconds: float = 0.0,
    tell: Callable[[float], None] = lambda _passed: None,
) -> Baseline:
    """Return the baseline of whoever looks at a camera for some seconds.

    Args:
        frames: As they come; a clip that ends sooner is taken whole.
        process: Finds and reads the faces of a frame, as a pipeline does.
        contract: Of the model.
        clock: Tells the time of a frame.
        seconds: How long frames are taken.
        countdown_seconds: How long they are only looked at before: search and person settle.
        tell: Takes the seconds passed at each frame, below 0 in the countdown.

    Raises:
        CalibrationError: It is no face at rest; the message says why.
        FerError: What `frames` and `process` raise.
    """
    calibration = Calibration(contract)
    began: float | None = None
    passed = -countdown_seconds
    for frame in frames:
        observation = process(frame)
        began = clock(frame) if began is None else began
        passed = clock(frame) - began - countdown_seconds
        if passed >= seconds:
            break
        tell(passed)
        if passed < 0:
            continue
        if observation.readings or calibration.frames or countdown_seconds:
            calibration.add(frame.grey, observation.readings)
        else:
            calibration.pass_over()
    return calibration.result(min(max(passed, 0.0), seconds))


def _light(grey: GreyImage, box: Box) -> float:
    inside = grey[max(0, box.y) : box.y + box.height, max(0, box.x) : box.x + box.width]
    return float(inside.mean()) if inside.size else 0.0


def _spread(values: Sequence[float]) -> float:
    """Return the distance from the middle value within which nine in ten lie."""
    middle = statistics.median(values)
    return sorted(abs(value - middle) for value in values)[int(0.9 * (len(values) - 1))]


def _refused(found: str, expected: str, fix: str) -> CalibrationError:
    return CalibrationError(f"not calibrated: {found}", expected=expected, fix=fix)
