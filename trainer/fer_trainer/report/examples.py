"""Which pictures a report shows: the worst errors of each label, and a fair sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_trainer.data.balanced import draw_in_turn
from fer_trainer.scores.calibration import Probabilities

WORST: Final = 8
SAMPLES: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A picture and what the network says of it.

    Attributes:
        picture: uint8, shape (height, width).
        name: Path inside the data set.
        truth: The label it carries.
        said: The label it was given.
        confidence: Of `said`.
    """

    picture: NDArray[np.uint8]
    name: str
    truth: str
    said: str
    confidence: float

    @property
    def right(self) -> bool:
        """Whether the label given is the one it carries."""
        return self.said == self.truth


def worst_errors(
    samples: Samples,
    probabilities: Probabilities,
    chosen: NDArray[np.int64],
    labels: Sequence[str],
) -> dict[str, list[Example]]:
    """Return, for each true label, the wrong answers of the highest confidence.

    Args:
        samples: The pictures that were judged.
        probabilities: Of each label, after the temperature.
        chosen: int64, shape (N,): the label each picture was given.
        labels: Names in the order of the label indices.
    """
    confidence = probabilities[np.arange(len(chosen)), chosen]
    errors = {}
    for index, label in enumerate(labels):
        wrong = np.flatnonzero((samples.labels == index) & (chosen != index))
        surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:WORST]
        errors[label] = _examples(surest, samples, confidence, chosen, labels)
    return errors


def fair_sample(
    samples: Samples,
    probabilities: Probabilities,
    chosen: NDArray[np.int64],
    labels: Sequence[str],
    *,
    seed: int,
) -> list[Example]:
    """Return pictures drawn by lot, labels in turn, right or wrong; arguments as above."""
    drawn = draw_in_turn(samples.labels, at_most=SAMPLES, seed=seed)
    confidence = probabilities[np.arange(len(chosen)), chosen]
    return _examples(drawn, samples, confidence, chosen, labels)


def _examples(
    indices: Any,
    samples: Samples,
    confidence: NDArray[np.float64],
    chosen: NDArray[np.int64],
    labels: Sequence[str],
) -> list[Example]:
    return [
        Example(
            samples.pictures[i],
            samples.names[i],
            labels[int(samples.labels[i])],
            labels[int(chosen[i])],
            float(confidence[i]),
        )
        for i in indices
    ]
