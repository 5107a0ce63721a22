"""One head's answer with another's mixed in: two opinions on one body for the price of one.

What is mixed are the logarithms of probabilities; a label that one head alone knows keeps its odds.
As both heads are linear in the same features, so is the mixture: a layer of the same size takes the
head's place, and the device has nothing more to do.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_trainer.backend import keras
from fer_trainer.scores.calibration import least_as_good

Weights = tuple[NDArray[Any], NDArray[Any]]
"""Kernel, shape (features, labels), and bias, shape (labels,)."""

SHARES: Final = tuple(step / 20 for step in range(11))
"""How much of the answer may be the other head's: 0, 0.05 ... 0.5."""


def with_other_labels(
    own: Weights, labels: Sequence[str], other: Weights, others: Sequence[str], *, anchor: str
) -> Weights:
    """Return another head in the labels of this one.

    Args:
        own: This head.
        labels: Its own.
        other: The other head.
        others: Its labels.
        anchor: One that both know. A label that the other does not know has the odds against this
            one that it has here.

    Returns:
        In the order of `labels`.
    """
    at, theirs = labels.index(anchor), others.index(anchor)

    def of(weights: Weights, column: int) -> Weights:
        return weights[0][:, column], weights[1][column]

    columns = []
    for column, label in enumerate(labels):
        if label in others:
            columns.append(of(other, others.index(label)))
        else:
            mine, apart, there = of(own, column), of(own, at), of(other, theirs)
            columns.append((there[0] + mine[0] - apart[0], there[1] + mine[1] - apart[1]))
    kernels, biases = zip(*columns, strict=True)
    return np.stack(kernels, axis=1), np.array(biases)


def mixed_heads(own: Weights, other: Weights, share: float) -> Weights:
    """Return a head that answers with the weighted mean of two heads' log-probabilities.

    Args:
        own: One head.
        other: The other, in the same labels.
        share: Of the other.
    """
    kernel, bias = (
        (1.0 - share) * ours + share * theirs for ours, theirs in zip(own, other, strict=True)
    )
    return kernel, bias


def blended(
    network: Any,
    answers: tuple[Any, Any],
    labels: tuple[Sequence[str], Sequence[str]],
    validation: Samples,
    *,
    name: str,
) -> tuple[Any, float]:
    """Return the network of one head with another's answer mixed in, and how much of it is.

    The share is the least with which the validation pictures on which people agree are answered
    as well as with any, as `least_as_good` has it.

    Args:
        network: With all heads.
        answers: The layers of the head and of the other.
        labels: Of both.
        validation: The head's own.
        name: Of the network that is made.

    Returns:
        A network of its own last layer, which shares the others with `network`; and the share.
    """
    head, _ = answers
    agreed = validation.take(validation.agreed())
    own, other = map(_weights, answers)
    common = [label for label in labels[0] if label in labels[1]]
    counts = agreed.counts(labels[0])
    anchor = max(common, key=lambda label: counts[label])
    other = with_other_labels(own, labels[0], other, labels[1], anchor=anchor)
    size = (len(agreed), *network.input_shape[1:])
    pictures = agreed.pictures.reshape(size).astype(np.float32)
    features = keras.Model(network.input, head.input).predict(pictures, verbose=0)
    mixtures = [mixed_heads(own, other, each) for each in SHARES]
    answered = [features @ kernel + bias for kernel, bias in mixtures]
    share = least_as_good(SHARES, answered, agreed.labels)
    layer = type(head).from_config(head.get_config())
    answering = keras.Model(network.input, layer(head.input), name=name)
    layer.set_weights(mixed_heads(own, other, share))
    return answering, share


def _weights(layer: Any) -> Weights:
    kernel, bias = layer.get_weights()
    return kernel, bias
