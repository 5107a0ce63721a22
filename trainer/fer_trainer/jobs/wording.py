"""What is said of a prediction, in the words of the recipe."""

from collections.abc import Sequence

import numpy as np

from fer_edge.shared.model.priors import shifted
from fer_edge.shared.records import Prediction


def say(prediction: Prediction, words: Sequence[str]) -> str:
    """Return for instance `Sadness (0.81)`, or of a binary network `Not Happy (0.12)`.

    The number is the probability of what is said; a binary network's is always its one output,
    the probability of the second label, as its documented systems print it.

    Args:
        prediction: Of one face.
        words: What the labels are called, in their order.
    """
    binary = prediction.threshold is not None
    number = prediction.probabilities[1] if binary else prediction.confidence
    return f"{words[prediction.index]} ({number:.2f})"


def to_prediction(
    answer: Sequence[float], labels: tuple[str, ...], *, threshold: float | None
) -> Prediction:
    """Return a network's answer for one picture as a record.

    Args:
        answer: A probability for each label; of a binary network only the second label's.
        labels: Canonical names in the order of the outputs.
        threshold: Of a binary network.
    """
    values = tuple(float(value) for value in answer)
    if threshold is not None:
        values = (1.0 - values[0], values[0])
    return Prediction(labels, values, threshold)


def balanced(said: Prediction, shift: Sequence[float]) -> Prediction | None:
    """Return an answer as a device weighs it; None where that changes nothing.

    Args:
        said: The tempered answer.
        shift: As `prior_shift` returns it for the model's own balance.
    """
    if not any(shift):
        return None
    values = shifted(np.array(said.probabilities), shift)
    return Prediction(said.labels, tuple(values.tolist()), said.threshold)
