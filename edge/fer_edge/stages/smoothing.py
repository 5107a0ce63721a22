"""A label that does not flicker: probabilities over time, with hysteresis."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.pipeline.protocols import Smoother
from fer_edge.shared.records import UNCERTAIN, Frame, Prediction, Reading
from fer_edge.stages.clocks import Clock

_FORGET_SECONDS: Final = 5.0  # after which a face that is gone is forgotten
_LEAVE: Final = 0.75  # of the least probability at which a label is given up again


class LabelSmoother(Smoother):
    """Smooths each face's probabilities and changes its label only for a clear reason.

    A face begins as uncertain. It gets the most probable label once the smoothed probability of
    that is high enough, and becomes uncertain again when it has fallen well below. Another label
    replaces the first one when it is more probable by a margin.

    Args:
        clock: Tells the time of a frame.
        memory_seconds: Time constant of the average: what is so old counts about a third.
        least_probability: From which a label is given.
        margin: By which another label must be more probable to replace it.
        settle_seconds: Until a new face may get a label.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        memory_seconds: float,
        least_probability: float,
        margin: float,
        settle_seconds: float,
    ) -> None:
        self._clock = clock
        self._memory_seconds = memory_seconds
        self._least = least_probability
        self._margin = margin
        self._settle_seconds = settle_seconds
        self._faces: dict[int, _Face] = {}

    def update(self, frame: Frame, readings: Sequence[Reading]) -> tuple[Reading, ...]:
        """Return the readings with a stable label; those without a track number as they are."""
        now = self._clock(frame)
        steadied = tuple(
            reading
            if reading.face.track_id is None
            else dataclasses.replace(
                reading,
                stable=self._steady(
                    reading.face.track_id,
                    reading.answer,
                    now,
                    readable=reading.why is None,
                ),
            )
            for reading in readings
        )
        if len(self._faces) > len(readings):
            self._faces = {
                number: face
                for number, face in self._faces.items()
                if 0 <= now - face.seen_at <= _FORGET_SECONDS  # a new clip begins before
            }
        return steadied

    def _steady(self, number: int, prediction: Prediction, now: float, *, readable: bool) -> str:
        """Return the label; while nothing can be read it is none, and what is said counts not."""
        if not readable:
            if number in self._faces:
                self._faces[number].seen_at = now
            return UNCERTAIN
        weighed = _weigh(prediction)
        face = self._faces.get(number)
        if face is None:
            face = self._faces[number] = _Face(weighed, now)
        else:
            passed = now - face.seen_at
            share = 1 - math.exp(-passed / self._memory_seconds)
            # At first it is the plain mean: the first frame is no surer than the next ones.
            face.count += 1
            share = max(share, 1 / face.count)
            face.average += share * (weighed - face.average)
            face.seen_at = now
        self._choose(face, now)
        return UNCERTAIN if face.label is None else prediction.labels[face.label]

    def _choose(self, face: "_Face", now: float) -> None:
        best = int(face.average.argmax())
        if face.label is None:
            settled = now - face.began >= self._settle_seconds
            if settled and face.average[best] >= self._least:
                face.label = best
        elif face.average[best] - face.average[face.label] >= self._margin:
            face.label = best
        elif face.average[face.label] < _LEAVE * self._least:
            face.label = None


class _Face:
    """What is known of one face's expression."""

    __slots__ = ("average", "began", "count", "label", "seen_at")

    def __init__(self, weighed: NDArray[np.float64], now: float) -> None:
        self.average = weighed
        self.began = self.seen_at = now
        self.count = 1
        self.label: int | None = None


def _weigh(prediction: Prediction) -> NDArray[np.float64]:
    """Return probabilities, those of a binary model scaled so that its threshold is at a half."""
    values = np.array(prediction.probabilities, np.float64)
    if prediction.threshold is None:
        return values
    limit = min(max(prediction.threshold, 1e-6), 1 - 1e-6)
    values /= (1 - limit, limit)
    values /= values.sum()
    return values
