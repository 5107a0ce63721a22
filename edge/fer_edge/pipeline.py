"""One frame to one observation."""

from fer_edge.protocols import Classifier, Detector
from fer_edge.records import Frame, Observation, Reading
from fer_edge.timings import StageClock


class Pipeline:
    """Finds the faces of a frame and reads their expressions.

    Args:
        detector: Finds faces.
        classifier: Reads them.
    """

    def __init__(self, detector: Detector, classifier: Classifier) -> None:
        self._detector = detector
        self._classifier = classifier

    def process(self, frame: Frame) -> Observation:
        """Return what is seen in a frame, with milliseconds by stage.

        The stage `age` is the time from capture to the result, waiting included.
        """
        clock = StageClock()
        with clock.stage("detect"):
            faces = self._detector.detect(frame.grey)
        with clock.stage("classify"):
            predictions = self._classifier.classify(frame.grey, [face.box for face in faces])
        readings = tuple(
            Reading(face, prediction) for face, prediction in zip(faces, predictions, strict=True)
        )
        clock.since("age", frame.monotonic_ns)
        return Observation(frame.index, frame.captured_at, readings, clock.milliseconds, frame.name)
