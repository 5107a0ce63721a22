"""One frame to one observation."""

from fer_edge.pipeline.protocols import Classifier, Smoother, Tracker
from fer_edge.pipeline.timings import StageClock
from fer_edge.shared.closing import Closing
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.records import Frame, Observation, Reading


class Pipeline(Closing):
    """Follows the faces of frames, reads their expressions and steadies what it reads.

    Args:
        tracker: Finds the faces; closed with the pipeline.
        classifier: Reads them.
        smoother: Steadies readings over time; without one, `Reading.stable` stays None.
    """

    def __init__(
        self, tracker: Tracker, classifier: Classifier, smoother: Smoother | None = None
    ) -> None:
        self._tracker = tracker
        self._classifier = classifier
        self._smoother = smoother

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        return self._classifier.contract

    def process(self, frame: Frame) -> Observation:
        """Return what is seen in a frame, with milliseconds by stage.

        The stage `age` is the time from capture to the result, waiting included.
        """
        clock = StageClock()
        with clock.stage("detect"):
            faces = self._tracker.update(frame)
        with clock.stage("classify"):
            predictions = self._classifier.classify(frame.grey, faces)
            readings = tuple(
                Reading(face, prediction, why=why_unreadable(frame.grey, face))
                for face, prediction in zip(faces, predictions, strict=True)
            )
        if self._smoother is not None:
            readings = self._smoother.update(frame, readings)
        clock.since("age", frame.monotonic_ns)
        return Observation(
            frame.index,
            frame.captured_at,
            readings,
            clock.milliseconds,
            frame.name,
            self._tracker.left_out,
        )

    def close(self) -> None:
        """End what works beside the frames; may be called twice."""
        self._tracker.close()
