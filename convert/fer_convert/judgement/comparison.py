"""Float against quantised, on held-out pictures, through the device's own classifier."""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_convert.cost.layers import cost_table
from fer_convert.file.flatbuffer import Graph
from fer_convert.targets import Target
from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.litert import LitertClassifier, to_prediction
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.scores import Scores, score
from fer_edge.shared.statistics import calibration_error

WORK: Final = 4e12
"""Multiply-accumulates that one target's comparison may cost; half a minute on two cores."""

WORK_INT16X8: Final = 1e11
"""The same where the runtime has no fast kernels: int8 weights with 16-bit activations."""

LEAST: Final = 500
"""Fewer say too little of an accuracy."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one model says of the held-out pictures.

    Attributes:
        labels: Names, in the model's order.
        chosen: int64, shape (N,): index of the label given to each picture.
        probabilities: float64, shape (N, labels).
        no_numbers: Pictures to which the network itself said something that is no number; the
            device makes even probabilities of that.
    """

    labels: tuple[str, ...]
    chosen: NDArray[np.int64]
    probabilities: NDArray[np.float64]
    no_numbers: int = 0


@dataclass(frozen=True, slots=True)
class Drift:
    """How far a model's answers are from the float model's.

    Attributes:
        agreement: Share of pictures given the same label.
        mean_shift: Mean absolute difference of a probability, over all pictures and labels.
        worst_shift: Largest absolute difference of a probability.
    """

    agreement: float
    mean_shift: float
    worst_shift: float

    def to_json(self) -> dict[str, float]:
        """Return the figures, rounded to six places."""
        return {name: round(value, 6) for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class Measurement:
    """One model, measured on the held-out pictures.

    Attributes:
        scores: How right it is.
        calibration_error: Expected difference of confidence and accuracy.
        drift: How far from float32 it is; None for float32 itself.
    """

    scores: Scores
    calibration_error: float
    drift: Drift | None

    def to_json(self) -> dict[str, Any]:
        """Return the measurement, rounded to six places."""
        scores = self.scores
        return {
            "n": scores.n,
            "accuracy": round(scores.accuracy, 6),
            "macro_recall": round(scores.macro_recall, 6),
            "recall": {label: round(value, 6) for label, value in scores.recall.items()},
            "accuracy_interval": scores.accuracy_interval.rounded(6),
            "recall_intervals": {
                label: interval.rounded(6) for label, interval in scores.recall_intervals.items()
            },
            "calibration_error": round(self.calibration_error, 6),
            **({} if self.drift is None else {"against_float32": self.drift.to_json()}),
        }


def ask(model: ModelFile, samples: Samples, progress: Callable[[int], None]) -> Answers:
    """Classify every picture with the device's own code.

    Args:
        model: To be asked.
        samples: Pictures of its own size.
        progress: Told the number of pictures done, now and then.
    """
    classifier = LitertClassifier(model)
    labels = model.contract.labels
    probabilities = np.empty((len(samples), len(labels)))
    chosen = np.empty(len(samples), np.int64)
    no_numbers = 0
    for index, pixels in enumerate(samples.pictures):
        raw = classifier.raw_output(pixels)
        no_numbers += not np.isfinite(raw).all()
        prediction = to_prediction(raw, model.contract)
        probabilities[index] = prediction.probabilities
        chosen[index] = labels.index(prediction.label)
        if index % 100 == 99:
            progress(index + 1)
    return Answers(labels, chosen, probabilities, no_numbers)


def measure(answers: Answers, samples: Samples, reference: Answers | None = None) -> Measurement:
    """Say what answers are worth.

    Args:
        answers: To the pictures.
        samples: The pictures with their own labels.
        reference: The float model's answers; None where these are they.
    """
    right = answers.chosen == samples.labels
    return Measurement(
        score(samples.labels, answers.chosen, answers.labels),
        calibration_error(answers.probabilities.max(axis=1), right),
        None if reference is None else measure_drift(answers, reference),
    )


def measure_drift(answers: Answers, reference: Answers) -> Drift:
    """Compare answers with those of the float model."""
    shift = np.abs(answers.probabilities - reference.probabilities)
    return Drift(
        agreement=float((answers.chosen == reference.chosen).mean()),
        mean_shift=float(shift.mean()),
        worst_shift=float(shift.max()),
    )


def pictures_to_compare(graph: Graph, targets: Iterable[Target]) -> int:
    """Return how many pictures fit the work allowed.

    Args:
        graph: Of any target; all compute the same.
        targets: To be compared, on the same pictures.
    """
    work = WORK_INT16X8 if Target.INT16X8 in targets else WORK
    return max(LEAST, int(work // max(1, cost_table(graph).multiply_accumulates)))
