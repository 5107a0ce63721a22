"""The records that flow through the pipeline: frozen, with slots, without a framework."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

GreyImage: TypeAlias = NDArray[np.uint8]
"""uint8, shape (height, width)."""
ColourImage: TypeAlias = NDArray[np.uint8]
"""uint8, shape (height, width, 3), in the order blue, green, red."""

Image: TypeAlias = NDArray[np.uint8]
"""uint8, grey or in colour: a `GreyImage` or a `ColourImage`."""

OBSERVATION_SCHEMA: Final = 1
UNCERTAIN: Final = "uncertain"
"""Stands for a smoothed label where no expression is probable enough, or none can be read."""
NO_BASELINE: Final = "none"
"""Says that answers are relative to no baseline."""
Why: TypeAlias = Literal["turned away", "too small", "too dark", "covered"]
"""Why no expression can be read off a face."""
WHYS: Final[tuple[Why, ...]] = get_args(Why)
"""All such reasons."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels; the origin is the picture's top left corner.

    Attributes:
        x: Of its left edge.
        y: Of its upper edge.
        width: To the right.
        height: Downwards.
    """

    x: int
    y: int
    width: int
    height: int

    @property
    def area(self) -> int:
        """Area in square pixels; 0 for an empty box."""
        return max(0, self.width) * max(0, self.height)

    def scaled(self, factor: float) -> Box:
        """Return the same rectangle in a picture `factor` times as large."""
        return Box(*(round(value * factor) for value in self.as_list()))

    def as_list(self) -> list[int]:
        """Return [x, y, width, height], as JSON output has it."""
        return [self.x, self.y, self.width, self.height]

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        overlap = self.overlap(other)
        union = self.area + other.area - overlap
        return overlap / union if union else 0.0

    def overlap(self, other: Box) -> int:
        """Area that both cover, in square pixels."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        return max(0, width) * max(0, height)


class Colour:
    """A picture's colours, made when somebody first asks for them: the pipeline needs none.

    Args:
        make: Returns uint8, shape (height, width, 3), BGR; called at most once.
    """

    __slots__ = ("_held",)

    def __init__(self, make: Callable[[], ColourImage]) -> None:
        self._held: Callable[[], ColourImage] | ColourImage = make

    def __call__(self) -> ColourImage:
        """Return the picture; the same array each time."""
        held = self._held
        if callable(held):
            held = self._held = held()  # what it was made of is forgotten
        return held

    def then(self, change: Callable[[ColourImage], ColourImage]) -> Colour:
        """Return colours that are changed once they are made: turned, for instance."""
        return Colour(lambda: change(self()))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        index: Counts the frames a source delivered, dropped ones included.
        captured_at: Wall clock, seconds since the epoch.
        monotonic_ns: Monotonic clock at capture; what latencies are measured from.
        grey: uint8, shape (height, width).
        name: File name where the frame comes from one, else "".
        clip_seconds: Time within its clip; None where the frame is of no clip.
        colour: The same picture in colour; None where the source has none, or was not asked to
            keep it.
    """

    index: int
    captured_at: float
    monotonic_ns: int
    grey: GreyImage
    name: str = ""
    clip_seconds: float | None = None
    colour: Colour | None = None

    @property
    def image(self) -> NDArray[np.uint8]:
        """The picture in colour where that was kept, else in grey."""
        return self.grey if self.colour is None else self.colour()


class Point(NamedTuple):
    """A place in a picture, in pixels and parts of them."""

    x: float
    y: float


class Landmarks(NamedTuple):
    """Five places of a face, as it is seen: the person's right eye is left in the picture."""

    right_eye: Point
    left_eye: Point
    nose: Point
    right_mouth: Point
    left_mouth: Point

    def moved(self, dx: float, dy: float, *, about: Point, scale: float = 1.0) -> Landmarks:
        """Return them scaled about a point and then moved."""
        return Landmarks(
            *(
                Point(about.x + (x - about.x) * scale + dx, about.y + (y - about.y) * scale + dy)
                for x, y in self
            )
        )


@dataclass(frozen=True, slots=True)
class Face:
    """A face found in a frame.

    Attributes:
        box: In pixels of the frame; may stick out of it.
        score: The detector's own confidence, on its own scale; larger is surer.
        track_id: The same number for the same face over time; None without a tracker.
        landmarks: Where eyes, nose and mouth are; None where the technique does not know.
        roll: Degrees by which it leans, clockwise in the picture; None where that is not known.
        covered: Probability that nose and mouth are hidden; 0 where that is not known.
    """

    box: Box
    score: float
    track_id: int | None = None
    landmarks: Landmarks | None = None
    roll: float | None = None
    covered: float = 0.0

    def leaning(self) -> dict[str, float]:
        """Return `roll` as JSON output has it: only where the technique knows it."""
        return {} if self.roll is None else {"roll": round(self.roll, 1)}


@dataclass(frozen=True, slots=True)
class Prediction:
    """Probabilities over expression labels.

    Attributes:
        labels: Canonical names, in the model's order.
        probabilities: One for each label, summing to 1.
        threshold: Of a binary model: the probability from which it says the second label.
    """

    labels: tuple[str, ...]
    probabilities: tuple[float, ...]
    threshold: float | None = None

    @property
    def index(self) -> int:
        """Index of the label the model says: the most probable, or by the threshold."""
        if self.threshold is not None:
            return int(self.probabilities[1] >= self.threshold)
        return self.probabilities.index(max(self.probabilities))

    @property
    def label(self) -> str:
        """The label the model says."""
        return self.labels[self.index]

    @property
    def confidence(self) -> float:
        """Probability of that label."""
        return self.probabilities[self.index]

    def words(self, *, least_probability: float = 0.0) -> str:
        """Return label and probability as people read them.

        Args:
            least_probability: Below it the label is only a guess, and said to be uncertain.
        """
        said = f"{self.label} {self.confidence:.2f}"
        return said if self.confidence >= least_probability else f"{UNCERTAIN} ({said})"

    @property
    def scores(self) -> dict[str, float]:
        """Probability by label."""
        return dict(zip(self.labels, self.probabilities, strict=True))


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read off one face.

    Attributes:
        face: Where it is.
        prediction: The network's answer for this frame, as it was trained.
        stable: The label smoothed over time, or `UNCERTAIN`; None where nothing is smoothed.
        relative: The same answer, weighed by how common expressions are and relative to the
            face's baseline; None where neither is wanted.
        why: Why the prediction is not to be believed; None where nothing speaks against it.
    """

    face: Face
    prediction: Prediction
    stable: str | None = None
    relative: Prediction | None = None
    why: Why | None = None

    @property
    def answer(self) -> Prediction:
        """What is believed of the face: `relative` where there is one, else `prediction`."""
        return self.prediction if self.relative is None else self.relative

    @property
    def box(self) -> Box:
        """Where the face is, in pixels of the picture; may stick out of it."""
        return self.face.box

    @property
    def score(self) -> float:
        """The detector's own confidence that this is a face, on its own scale."""
        return self.face.score

    @property
    def track_id(self) -> int | None:
        """The same number for the same face over time; None where faces are not followed."""
        return self.face.track_id

    @property
    def label(self) -> str:
        """The expression believed of this picture alone: that of `answer`."""
        return self.answer.label

    @property
    def confidence(self) -> float:
        """Probability of `label`, 0 to 1."""
        return self.answer.confidence

    @property
    def scores(self) -> dict[str, float]:
        """Probability by expression, as the network gave it."""
        return self.prediction.scores

    def to_json(self) -> dict[str, Any]:
        """Return the face as it stands in JSON output; `why` is there only where it says."""
        answer = self.answer
        told: dict[str, Any] = {
            "box": self.face.box.as_list(),
            "label": answer.label,
            "confidence": round(answer.confidence, 4),
            "scores": {label: round(p, 4) for label, p in self.prediction.scores.items()},
        }
        if self.relative is not None:
            told["relative"] = {label: round(p, 4) for label, p in self.relative.scores.items()}
        if self.why is not None:
            told["why"] = self.why
        return told


@dataclass(frozen=True, slots=True)
class Observation:
    """All that was seen in one frame.

    Attributes:
        frame_index: Index of the frame in its source.
        captured_at: Wall clock of the capture, seconds since the epoch.
        readings: One for each face.
        timings: Milliseconds by stage; `age` is capture to result.
        name: File name of the frame, or "".
        left_out: Faces seen that a limit keeps from being followed; in JSON where there are any.
        clip_seconds: Time within the clip; None, and not in JSON, where the frame is of no clip.
        baseline: What the answers are relative to: "track", "place", "participant" or "none".
    """

    frame_index: int
    captured_at: float
    readings: tuple[Reading, ...]
    timings: Mapping[str, float] = field(default_factory=dict)
    name: str = ""
    left_out: int = 0
    clip_seconds: float | None = None
    baseline: str = NO_BASELINE

    def to_json(self) -> dict[str, Any]:
        """Return one JSON line's worth, versioned by `schema`."""
        faces = [
            {
                **reading.to_json(),
                "score": round(reading.face.score, 3),
                "track_id": reading.face.track_id,
                "stable": reading.stable,
                **reading.face.leaning(),
            }
            for reading in self.readings
        ]
        line: dict[str, Any] = {
            "schema": OBSERVATION_SCHEMA,
            "frame": self.frame_index,
            "captured_at": round(self.captured_at, 6),
            "faces": faces,
            "timings_ms": {stage: round(ms, 3) for stage, ms in self.timings.items()},
            "baseline": self.baseline,
        }
        if self.name:
            line["name"] = self.name
        if self.left_out:
            line["left_out"] = self.left_out
        if self.clip_seconds is not None:
            line["clip_seconds"] = round(self.clip_seconds, 3)
        return line
