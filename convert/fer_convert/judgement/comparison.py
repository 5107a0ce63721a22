"""Float against quantised, on held-out pictures, through the device's own classifier."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_convert.judgement.statistics import Interval, wilson
from fer_convert.source.samples import Samples
from fer_edge.shared.model.litert import LitertClassifier
from fer_edge.shared.model.model_file import ModelFile
from fer_edge.shared.statistics import calibration_error


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What one model says of the held-out pictures.

    Attributes:
        labels: Names, in the model's order.
        chosen: int64, shape (N,): index of the label given to each picture.
        probabilities: float64, shape (N, labels).
    """

    labels: tuple[str, ...]
    chosen: NDArray[np.int64]
    probabilities: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scores:
    """How right a model is.

    Attributes:
        n: Pictures.
        accuracy: Share of them given their own label.
        macro_recall: Mean of the recalls.
        recall: By label; labels without a picture are left out.
        accuracy_interval: Wilson's, of 95 % confidence.
        recall_intervals: By label.
        calibration_error: Expected difference of confidence and accuracy.
    """

    n: int
    accuracy: float
    macro_recall: float
    recall: dict[str, float]
    accuracy_interval: Interval
    recall_intervals: dict[str, Interval]
    calibration_error: float

    def to_json(self) -> dict[str, Any]:
        """Return the scores, rounded to six places."""
        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 6),
            "macro_recall": round(self.macro_recall, 6),
            "recall": {label: round(value, 6) for label, value in self.recall.items()},
            "accuracy_interval": self.accuracy_interval.to_json(),
            "recall_intervals": {
                label: interval.to_json() for label, interval in self.recall_intervals.items()
            },
            "calibration_error": round(self.calibration_error, 6),
        }


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
        return {
            "agreement": round(self.agreement, 6),
            "mean_shift": round(self.mean_shift, 6),
            "worst_shift": round(self.worst_shift, 6),
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
    for index, pixels in enumerate(samples.pictures):
        prediction = classifier.predict(pixels)
        probabilities[index] = prediction.probabilities
        chosen[index] = labels.index(prediction.label)
        if index % 100 == 99:
            progress(index + 1)
    return Answers(labels, chosen, probabilities)


def score(answers: Answers, samples: Samples) -> Scores:
    """Compare answers with the pictures' own labels."""
    right = answers.chosen == samples.labels
    counts = {
        answers.labels[label]: (int(right[own].sum()), int(own.sum()))
        for label, own in ((n, samples.labels == n) for n in np.unique(samples.labels).tolist())
    }
    recall = {label: found / n for label, (found, n) in counts.items()}
    return Scores(
        n=len(samples),
        accuracy=float(right.mean()),
        macro_recall=sum(recall.values()) / len(recall),
        recall=recall,
        accuracy_interval=wilson(int(right.sum()), len(samples)),
        recall_intervals={label: wilson(found, n) for label, (found, n) in counts.items()},
        calibration_error=calibration_error(answers.probabilities.max(axis=1), right),
    )


def measure_drift(answers: Answers, reference: Answers) -> Drift:
    """Compare answers with those of the float model."""
    shift = np.abs(answers.probabilities - reference.probabilities)
    return Drift(
        agreement=float((answers.chosen == reference.chosen).mean()),
        mean_shift=float(shift.mean()),
        worst_shift=float(shift.max()),
    )
