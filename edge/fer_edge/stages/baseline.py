"""A person's own face at rest, taken off what the network reads: participant calibration.

The network knows one average face. Whoever looks stern at rest is read as sad all day, and posed
anger, disgust and fear come out as neutral. What it answers to the same face at rest tells how this
face differs from the average, for log-probabilities add up where causes do:

    answer = (z + priors - strength * baseline) / temperature

z are the logarithms of the network's probabilities, the baseline their mean over frames in which
the face is at rest. With a strength below 1 a face that looks like its baseline keeps its order of
labels, so an expression that lasts cannot become neutral by lasting. The temperature gives back
the confidence that the subtraction takes from a face at rest.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from fer_edge.pipeline.protocols import Corrector
from fer_edge.shared.labels import find_label
from fer_edge.shared.model.contract import ModelContract
from fer_edge.shared.records import NO_BASELINE, Frame, Prediction, Reading
from fer_edge.stages.clocks import Clock

Mode: TypeAlias = Literal["track", "place", "participant", "none"]

NEUTRAL: Final = "neutral"
STRENGTH: Final = 0.6
_FLOOR: Final = 3e-4
"""Least probability whose logarithm is believed: a good step of an int8 output."""
_SHARPENED: Final = 2 / 3
"""Of the strength: how much of it the temperature gives back."""
_REST_MARGIN: Final = 0.8
"""By which neutral leads, in log-probability, when a participant looks as at the calibration."""
_SURELY_NOT: Final = 0.2
_SURELY: Final = 0.6
"""Between these probabilities of neutral a frame's weight in the estimate grows from 0 to 1."""
_DOUBT_SECONDS: Final = 10.0
_LONGEST_SECONDS: Final = 120.0
_PLACE_DOUBT_SECONDS: Final = 30.0
_PLACE_LONGEST_SECONDS: Final = 3600.0
_ONE_FACE_SECONDS: Final = 20.0
"""What one face may add to a place's baseline."""
_GAP_SECONDS: Final = 0.5
"""Longest time that one frame stands for."""
_FORGET_SECONDS: Final = 5.0
_KEEP_SECONDS: Final = 600.0
_log, _exp = math.log, math.exp  # found sooner: this is done for every face of every frame


@dataclass(frozen=True, slots=True)
class Baseline:
    """How a model reads a face at rest; two numbers a label, and nothing of the picture.

    Attributes:
        labels: Of the model, in its order.
        log_probabilities: Means of the logarithms of the network's probabilities, by label.
        spread: Their standard deviations over time.
        seconds: For how long the face was seen at rest.
        network_sha256: Of the network that read it; another one reads otherwise.
        steadiness: How alike the frames were, 0 to 1.
        frames: How many they were; 0 of a place.
    """

    labels: tuple[str, ...]
    log_probabilities: tuple[float, ...]
    spread: tuple[float, ...]
    seconds: float
    network_sha256: str
    steadiness: float = 1.0
    frames: int = 0


class Weighing:
    """Makes the answer that is believed of the one that a network gives.

    Args:
        contract: Of the model.
        shift: What is added to each log-probability, as `prior_shift` returns it.
        strength: Share of a baseline that is taken off, 0 to 0.95.

    Attributes:
        neutral: Index of that label; None where the model does not know it.
        shifts: Whether the priors alone change an answer.
    """

    def __init__(
        self, contract: ModelContract, shift: Sequence[float], *, strength: float = STRENGTH
    ) -> None:
        labels = contract.labels
        self.neutral = find_label(labels, NEUTRAL)
        self._labels = labels
        self._shift = tuple(shift)
        self._factors = tuple(math.exp(value) for value in shift)
        self._strength = strength
        self._rest: Sequence[float] = ()
        self._rest_lacks = 0.0
        self.shifts = any(self._shift)

    def by_priors(self, said: Prediction) -> Prediction:
        """Return an answer weighed by the priors alone."""
        if not self.shifts:
            return said
        return self._share_out(
            [p * factor for p, factor in zip(said.probabilities, self._factors, strict=True)], said
        )

    def answer(
        self,
        said: Prediction,
        baseline: Sequence[float],
        *,
        trust: float = 1.0,
        at_rest: bool = False,
        z: Sequence[float] = (),
    ) -> Prediction:
        """Return an answer relative to a baseline.

        Args:
            said: What the network answers.
            baseline: Logarithms of what it answers to the face at rest; empty where that is not
                known.
            trust: In the baseline, 0 to 1.
            at_rest: The face is known to have been neutral then, so that looking the same again is
                neutral, whatever the network says.
            z: The logarithms of `said`, where they are at hand.
        """
        if not baseline:
            return self.by_priors(said)
        share = self._strength * trust
        sharper = 1 / (1 - _SHARPENED * share)
        # zip is not strict here, for that takes time; all are as long as the labels.
        values = [
            (z + shift - share * rest) * sharper
            for z, shift, rest in zip(z or logarithms(said), self._shift, baseline)  # noqa: B905
        ]
        if at_rest and self.neutral is not None:
            values[self.neutral] += self._lacking(baseline, share, sharper)
        top = max(values)
        return self._share_out([_exp(value - top) for value in values], said)

    def _share_out(self, values: Sequence[float], said: Prediction) -> Prediction:
        total = sum(values)
        return Prediction(self._labels, tuple([value / total for value in values]), said.threshold)

    def _lacking(self, baseline: Sequence[float], share: float, sharper: float) -> float:
        """Return what neutral lacks, at rest, to lead the others by a margin."""
        if baseline is not self._rest:  # the same participant frame after frame
            rest = [(1 - share) * b + shift for b, shift in zip(baseline, self._shift, strict=True)]
            neutral = rest.pop(self.neutral or 0)
            self._rest = baseline
            self._rest_lacks = max(0.0, (max(rest) - neutral) * sharper + _REST_MARGIN)
        return self._rest_lacks


class RestingFace:
    """A running estimate of a face at rest, from frames of which nobody says whether it is.

    People are neutral most of the time, and the network says of each frame how neutral it is. A
    frame counts by that: one in which neutral has less than a fifth counts nothing, however long
    it lasts. Old frames are forgotten slowly.

    Args:
        doubt_seconds: Of evidence, at which the estimate is half trusted.
        longest_seconds: Of evidence that is remembered.
        spreads: Whether to estimate the spread, too.

    Attributes:
        mean: Of the logarithms, by label; empty where nothing is known.
        seconds: Of evidence.
    """

    __slots__ = ("_doubt_seconds", "_longest_seconds", "_spreads", "_square", "mean", "seconds")

    def __init__(
        self,
        *,
        doubt_seconds: float = _DOUBT_SECONDS,
        longest_seconds: float = _LONGEST_SECONDS,
        spreads: bool = False,
    ) -> None:
        self._spreads = spreads
        self.mean: list[float] = []
        self.seconds = 0.0
        self._square: list[float] = []
        self._doubt_seconds = doubt_seconds
        self._longest_seconds = longest_seconds

    @property
    def trust(self) -> float:
        """In the estimate, 0 to 1."""
        return self.seconds / (self.seconds + self._doubt_seconds)

    @property
    def spread(self) -> tuple[float, ...]:
        """Standard deviation of the logarithms, by label, where it is estimated."""
        pairs = zip(self._square, self.mean, strict=True)
        return tuple(math.sqrt(max(0.0, square - mean * mean)) for square, mean in pairs)

    def learn(self, z: Sequence[float], *, neutral: float, seconds: float) -> float:
        """Take one frame into account; return its weight in seconds.

        Args:
            z: Logarithms of what the network answers.
            neutral: Its probability of neutral.
            seconds: That the frame stands for.
        """
        weight = seconds * min(1.0, max(0.0, (neutral - _SURELY_NOT) / (_SURELY - _SURELY_NOT)))
        if weight:
            self.add(z, weight)
        return weight

    def add(self, z: Sequence[float], weight: float) -> None:
        """Take one frame into account with a weight in seconds."""
        if not self.mean:
            self.mean = [0.0] * len(z)
            self._square = [0.0] * len(z) if self._spreads else []
        share = weight / (self.seconds + weight)
        self.seconds = min(self.seconds + weight, self._longest_seconds)
        self.mean = [m + share * (v - m) for m, v in zip(self.mean, z)]  # noqa: B905 - as above
        if self._spreads:
            self._square = [s + share * (v * v - s) for s, v in zip(self._square, z, strict=True)]

    def begin_with(self, known: Baseline) -> None:
        """Go on from an estimate that was kept."""
        self.mean = list(known.log_probabilities)
        self._square = [
            m * m + s * s for m, s in zip(known.log_probabilities, known.spread, strict=True)
        ]
        self.seconds = min(known.seconds, self._longest_seconds)


class BaselineStage(Corrector):
    """Weighs the answers of followed faces by priors and baseline.

    Args:
        clock: Tells the time of a frame.
        contract: Of the model.
        weighing: Makes the answers.
        mode: What the answers are relative to. A model that does not know neutral can learn
            nothing of the kind; it takes a participant's baseline, or none.
        known: The participant's, or what is known of the place.
        keep: Takes the place's baseline now and then, to be kept over restarts.
    """

    def __init__(
        self,
        clock: Clock,
        contract: ModelContract,
        weighing: Weighing,
        *,
        mode: Mode,
        known: Baseline | None = None,
        keep: Callable[[Baseline], None] = lambda _baseline: None,
    ) -> None:
        learns = mode in {"track", "place"}
        self._mode: Mode = NO_BASELINE if learns and weighing.neutral is None else mode
        self._clock = clock
        self._contract = contract
        self._weighing = weighing
        self._participant = known if mode == "participant" else None
        self._keep = keep
        self._kept_at: float | None = None
        self._faces: dict[int, _Face] = {}
        self._place = RestingFace(
            doubt_seconds=_PLACE_DOUBT_SECONDS,
            longest_seconds=_PLACE_LONGEST_SECONDS,
            spreads=True,
        )
        # Evidence and mean: the first is bounded, and the second may stay the same.
        self._kept_place: tuple[float, list[float]] = 0.0, []
        if mode == "place" and known is not None:
            self._place.begin_with(known)
            self._kept_place = self._place.seconds, self._place.mean

    @property
    def mode(self) -> str:
        """What the answers are relative to."""
        return self._mode

    def use(self, participant: Baseline) -> None:
        """Take all faces for this participant's from now on."""
        self.close()
        self._participant, self._mode = participant, "participant"

    def update(self, frame: Frame, readings: Sequence[Reading]) -> tuple[Reading, ...]:
        """Return the readings with `relative` filled in."""
        if self._mode == "none" and not self._weighing.shifts:
            return tuple(readings)
        now = self._clock(frame)
        weighed = tuple(
            [
                Reading(
                    reading.face,
                    reading.prediction,
                    reading.stable,
                    self._answer(reading, now),
                    reading.why,
                )
                for reading in readings
            ]
        )
        if len(self._faces) > len(readings):
            self._faces = {
                number: face
                for number, face in self._faces.items()
                if 0 <= now - face.seen_at <= _FORGET_SECONDS  # a new clip begins before
            }
        if self._mode == "place":
            self._keep_place(now)
        return weighed

    def close(self) -> None:
        """Let the place's baseline be kept; may be called twice."""
        known = self._place.seconds, self._place.mean
        if self._mode == "place" and known != self._kept_place:
            self._keep(self._known_place())
            self._kept_place = self._place.seconds, self._place.mean

    def _answer(self, reading: Reading, now: float) -> Prediction:
        said = reading.prediction
        if self._participant is not None:
            return self._weighing.answer(said, self._participant.log_probabilities, at_rest=True)
        number = reading.face.track_id
        if self._mode == "none" or number is None:
            return self._weighing.by_priors(said)
        face = self._faces.get(number)
        if face is None:
            face = self._faces[number] = _Face(now)
        estimate = face.estimate if self._mode == "track" else self._place
        z = logarithms(said)
        answer = self._weighing.answer(said, estimate.mean, trust=estimate.trust, z=z)
        # Learnt from after it was judged: no frame is its own baseline.
        passed, face.seen_at = min(now - face.seen_at, _GAP_SECONDS), now
        neutral = said.probabilities[self._weighing.neutral or 0]
        if reading.why is not None:
            return answer  # what cannot be read is nobody's rest
        if self._mode == "track" or face.given < _ONE_FACE_SECONDS:
            face.given += estimate.learn(z, neutral=neutral, seconds=passed)
        return answer

    def _keep_place(self, now: float) -> None:
        if self._kept_at is None:
            self._kept_at = now
        elif now - self._kept_at >= _KEEP_SECONDS:
            self._kept_at = now
            self.close()

    def _known_place(self) -> Baseline:
        place = self._place
        return Baseline(
            labels=self._contract.labels,
            log_probabilities=tuple(place.mean),
            spread=place.spread,
            seconds=place.seconds,
            network_sha256=self._contract.flatbuffer_sha256,
        )


def logarithms(said: Prediction) -> list[float]:
    """Return the logarithms of an answer's probabilities, none below a floor."""
    return [_log(p) if p > _FLOOR else _LEAST for p in said.probabilities]


_LEAST: Final = math.log(_FLOOR)


class _Face:
    """One face that is followed."""

    __slots__ = ("estimate", "given", "seen_at")

    def __init__(self, now: float) -> None:
        self.estimate = RestingFace()
        self.given = 0.0
        self.seen_at = now
