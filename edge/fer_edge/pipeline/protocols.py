"""What the parts of a pipeline promise one another."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.records import Face, Frame, GreyImage, Image, Observation, Prediction, Reading
from fer_edge.state.records import DaemonState, Figure


@runtime_checkable
class Source(AbstractContextManager["Source"], Protocol):
    """Where frames come from; a context manager.

    A closed source has ended; `close` from another thread ends a waiting `read`. After a failure
    the last unread frame comes first, then every `read` raises. A live stream that stops has
    failed: cameras do not end.
    """

    @property
    def live(self) -> bool:
        """Whether frames come at their own pace, so that one not read in time is dropped."""
        ...

    def read(self, timeout_seconds: float) -> Frame | None:
        """Return the newest frame not yet returned, or None where the source has ended.

        Raises:
            SourceUnavailableError: No frame within the time; the source may be closed and
                opened again.
        """
        ...

    def close(self) -> None:
        """Release the device; may be called twice."""
        ...


@runtime_checkable
class Detector(Protocol):
    """Finds faces in one picture, by one technique or another."""

    def detect(self, grey: GreyImage) -> list[Face]:
        """Return the faces of a picture (uint8, (H, W)), surest first.

        Their boxes are the square that expression networks know. Landmarks come with them where
        the technique knows any.
        """
        ...


@runtime_checkable
class Tracker(Protocol):
    """Finds the faces of frames that follow one another."""

    @property
    def left_out(self) -> int:
        """Faces lately seen that a limit keeps from being followed."""
        ...

    def update(self, frame: Frame) -> list[Face]:
        """Return the faces of the next frame, largest or surest first.

        The same face has the same `track_id` as long as it is followed, and no other face of a
        run ever has it. The frame's picture is not changed, but may be kept.
        """
        ...

    def close(self) -> None:
        """End whatever works beside the frames; may be called twice."""
        ...


@runtime_checkable
class Corrector(Protocol):
    """Weighs what the network answers by what is known of faces and place."""

    @property
    def mode(self) -> str:
        """What its answers are relative to, as `Observation.baseline` says it."""
        ...

    def update(self, frame: Frame, readings: Sequence[Reading]) -> tuple[Reading, ...]:
        """Return the readings of a frame, in their order, with `relative` filled in."""
        ...

    def close(self) -> None:
        """Keep what is to be kept; may be called twice."""
        ...


@runtime_checkable
class Smoother(Protocol):
    """Steadies readings over time."""

    def update(self, frame: Frame, readings: Sequence[Reading]) -> tuple[Reading, ...]:
        """Return the readings of a frame, in their order, with `stable` filled in."""
        ...


@runtime_checkable
class Classifier(Protocol):
    """Reads the expression of faces."""

    @property
    def contract(self) -> ModelContract:
        """What the model promises."""
        ...

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model's file; "" where it was never in one."""
        ...

    def classify(self, picture: Image, faces: Sequence[Face]) -> list[Prediction]:
        """Return one prediction for each face of a picture (uint8, (H, W) or (H, W, 3) in BGR)."""
        ...


@runtime_checkable
class Sink(AbstractContextManager["Sink"], Protocol):
    """Where observations go; a context manager."""

    def emit(self, observation: Observation) -> None:
        """Take one observation; what it writes is flushed before it returns."""
        ...

    def close(self) -> None:
        """Finish; may be called twice."""
        ...


@runtime_checkable
class Reporter(Protocol):
    """A sink that also takes the daemon's state, about once a second, and tells its own."""

    def report(self, state: DaemonState) -> None:
        """Take the state; returns at once."""
        ...

    def figures(self) -> Mapping[str, Figure]:
        """Return what there is to say of the sink itself."""
        ...


@runtime_checkable
class Display(Protocol):
    """A sink that also takes frames, for whoever looks at them."""

    def show(self, frame: Frame, observation: Observation) -> None:
        """Take a frame and what was seen in it; returns at once, and changes neither."""
        ...
