"""One frame to one observation."""

from fer_edge.pipeline.protocols import Classifier, Corrector, Smoother, Tracker
from fer_edge.pipeline.timings import StageClock
from fer_edge.shared.closing import Closing
from fer_edge.shared.faces.legibility import why_unreadable
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.model.preprocess import picture_for
from fer_edge.shared.records import NO_BASELINE, Frame, Observation, Reading


class Pipeline(Closing):
    """Follows the faces of frames, reads their expressions and steadies what it reads.

    Args:
        tracker: Finds the faces; closed with the pipeline.
        classifier: Reads them.
        smoother: Steadies readings over time; without one, `Reading.stable` stays None.
        corrector: Weighs them before; without one, `Reading.relative` stays None. Closed with the
            pipeline.

    Attributes:
        corrector: The same.
    """

    def __init__(
        self,
        tracker: Tracker,
        classifier: Classifier,
        smoother: Smoother | None = None,
        corrector: Corrector | None = None,
    ) -> None:
        self.corrector = corrector
        self._tracker = tracker
        self._classifier = classifier
        self._smoother = smoother

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        return self._classifier.contract

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model's file."""
        return self._classifier.model_sha256

    @property
    def baseline(self) -> str:
        """What the answers are relative to: "track", "place", "participant" or "none"."""
        return NO_BASELINE if self.corrector is None else self.corrector.mode

    def process(self, frame: Frame) -> Observation:
        """Return what is seen in a frame, with milliseconds by stage.

        The stage `age` is the time from capture to the result, waiting included.
        """
        clock = StageClock()
        with clock.stage("detect"):
            faces = self._tracker.update(frame)
        with clock.stage("classify"):
            # Where nobody is seen, no colours are made.
            picture = picture_for(frame, self.contract.input) if faces else frame.grey
            predictions = self._classifier.classify(picture, faces)
            readings = tuple(
                Reading(face, prediction, why=why_unreadable(frame.grey, face))
                for face, prediction in zip(faces, predictions, strict=True)
            )
        if self.corrector is not None:
            readings = self.corrector.update(frame, readings)
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
            frame.clip_seconds,
            baseline=self.baseline,
        )

    def close(self) -> None:
        """End what works beside the frames; may be called twice."""
        self._tracker.close()
        if self.corrector is not None:
            self.corrector.close()
