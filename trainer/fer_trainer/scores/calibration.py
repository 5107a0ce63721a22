"""How far a network's confidence can be believed, and the temperature that mends it.

The temperature is fitted on the validation part only. It changes confidences and never the label
that is chosen; a binary model's threshold moves along with it.

Source: Guo et al., On Calibration of Modern Neural Networks, 2017.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.model.contract import OutputSpec
from fer_edge.shared.model.litert import dequantise
from fer_edge.shared.model.priors import balanced_shares, shifted
from fer_edge.shared.statistics import calibration_error, reliability

COLDEST: Final = 0.25
HOTTEST: Final = 4.0
"""Between these a temperature is looked for; few or easy pictures would drive it anywhere."""

LOST: Final = 0.03
"""Share of the right answers that may be held back with what is no face and what is doubtful."""
_LEAST_AT_LEAST: Final = 0.4
_LEAST_AT_MOST: Final = 0.6
_LEAST_STEPS: Final = 20  # a step of 0.05

_BALANCE_STEPS: Final = 20  # a step of 0.05
_LEAST_PROBABILITY: Final = 1e-9  # as on the device, so that nothing is raised to infinity
_INT8_STEPS: Final = 256

Probabilities = NDArray[np.float64]
"""float64, shape (N, labels); rows sum to 1."""


def complete(answers: NDArray[Any]) -> Probabilities:
    """Return one probability a label, also for a network with a single output; rows sum to 1.

    Args:
        answers: Shape (N, labels), or (N, 1): the probability of the second of two labels.
    """
    answers = answers.astype(np.float64)
    if answers.shape[1] == 1:
        answers = np.hstack([1 - answers, answers])
    whole: Probabilities = answers / answers.sum(axis=1, keepdims=True)
    return whole


def temper(probabilities: Probabilities, temperature: float) -> Probabilities:
    """Raise probabilities to 1/temperature and normalise them, exactly as the device does."""
    if temperature == 1.0:
        return probabilities
    raised = np.maximum(probabilities, _LEAST_PROBABILITY) ** (1 / temperature)
    normalised: Probabilities = raised / raised.sum(axis=1, keepdims=True)
    return normalised


def temper_answers(answers: NDArray[Any], temperature: float) -> NDArray[np.float64]:
    """Temper a network's own outputs; the shape stays, also that of a single output."""
    tempered = temper(complete(answers), temperature)
    return tempered[:, 1:] if answers.shape[1] == 1 else tempered


def temper_threshold(threshold: float, temperature: float) -> float:
    """Return the threshold that decides on tempered probabilities as `threshold` did before."""
    if threshold == 0.5:  # stays where it is; no rounding must move it
        return threshold
    return float(temper(np.array([[1 - threshold, threshold]]), temperature)[0, 1])


def on_device(answers: NDArray[Any], temperature: float) -> Probabilities:
    """Return what the device makes of the outputs of an int8 model, in steps of 1/256.

    Args:
        answers: A float network's own outputs, as `complete` takes them.
        temperature: Of the contract.
    """
    steps = np.clip(np.rint(answers.astype(np.float64) * _INT8_STEPS), 0, _INT8_STEPS - 1)
    spec = OutputSpec(
        kind="sigmoid" if answers.shape[1] == 1 else "softmax",
        dtype="int8",
        scale=1 / _INT8_STEPS,
        zero_point=-_INT8_STEPS // 2,
        temperature=temperature,
    )
    return dequantise((steps + spec.zero_point).astype(np.int8), spec)


def negative_log_likelihood(probabilities: Probabilities, truth: NDArray[np.int64]) -> float:
    """Return the mean of -ln P(true label)."""
    of_truth = probabilities[np.arange(len(truth)), truth]
    return float(-np.log(np.maximum(of_truth, _LEAST_PROBABILITY)).mean())


def fit_temperature(
    probabilities: Probabilities, truth: NDArray[np.int64], *, shift: Sequence[float] = ()
) -> float:
    """Return the temperature of the least negative log-likelihood, between 0.25 and 4.

    Golden-section search over its logarithm: for a softmax the likelihood has one minimum along
    1/temperature, so no other place can be better.

    Args:
        probabilities: Of the validation part.
        truth: int64, shape (N,).
        shift: What the device adds to the logarithms afterwards, as `prior_shift` returns it.
    """

    def loss(logarithm: float) -> float:
        tempered = temper(probabilities, math.exp(logarithm))
        return negative_log_likelihood(shifted(tempered, shift) if shift else tempered, truth)

    low, high, golden = math.log(COLDEST), math.log(HOTTEST), (math.sqrt(5) - 1) / 2
    for _ in range(40):
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) <= loss(right) else (left, high)
    return round(math.exp((low + high) / 2), 4)


def choose_balance(
    probabilities: Probabilities, truth: NDArray[np.int64], shares: Sequence[float]
) -> float:
    """Return how far answers should be freed of the classes' shares in training, 0 to 1.

    Rare classes have few validation pictures, so the best figure among many is luck in part:
    `least_as_good` says which is taken.

    Args:
        probabilities: Of the validation part, tempered.
        truth: int64, shape (N,).
        shares: Of the classes in training.
    """
    tried = [step / _BALANCE_STEPS for step in range(_BALANCE_STEPS + 1)]
    return least_as_good(
        tried, [_balanced(probabilities, shares, balance) for balance in tried], truth
    )


def least_as_good(
    tried: Sequence[float], answers: Sequence[NDArray[Any]], truth: NDArray[np.int64]
) -> float:
    """Return the first of several settings with which answers are as good as with any.

    Good is the mean of accuracy and macro recall; as good is within one standard error of the best.

    Args:
        tried: The settings, the most modest first.
        answers: With each of them, float, shape (N, labels); the largest of a row counts.
        truth: int64, shape (N,).

    Source: Breiman et al., Classification and Regression Trees, 1984, on the rule.
    """
    figures = [_figure(each, truth) for each in answers]
    best, error = max(figures)
    return next(
        each for each, (figure, _) in zip(tried, figures, strict=True) if figure >= best - error
    )


def _balanced(
    probabilities: Probabilities, shares: Sequence[float], balance: float
) -> Probabilities:
    wanted = balanced_shares(shares, balance)
    return shifted(probabilities, np.log(np.array(wanted) / shares).tolist())


def _figure(probabilities: NDArray[Any], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Return the mean of accuracy and macro recall, and its standard error."""
    right = probabilities.argmax(axis=1) == truth
    accuracy = float(right.mean())
    counts = [(float(right[of].mean()), int(of.sum())) for of in _by_class(truth)]
    recall = float(np.mean([share for share, _ in counts]))
    variance = sum(share * (1 - share) / n for share, n in counts) / len(counts) ** 2
    variance += accuracy * (1 - accuracy) / len(truth)
    return (accuracy + recall) / 2, math.sqrt(variance) / 2


def _by_class(truth: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    return [truth == index for index in np.unique(truth)]


def choose_least_probability(probabilities: Probabilities, truth: NDArray[np.int64]) -> float:
    """Return from which confidence a device should give a label, between 0.4 and 0.6.

    A higher one holds back more of what is no face, and more right answers: the highest, in steps
    of 0.05, that holds back at most three in a hundred of these.

    Args:
        probabilities: Of the validation part, tempered.
        truth: int64, shape (N,).
    """
    right = probabilities.max(axis=1)[probabilities.argmax(axis=1) == truth]
    if not len(right):
        return _LEAST_AT_LEAST
    first_kept = float(np.sort(right)[int(LOST * len(right))])
    step = math.floor(first_kept * _LEAST_STEPS) / _LEAST_STEPS
    return min(max(step, _LEAST_AT_LEAST), _LEAST_AT_MOST)


def calibration_figures(
    answers: NDArray[Any],
    truth: NDArray[np.int64],
    temperature: float,
    *,
    shift: Sequence[float] = (),
) -> dict[str, Any]:
    """Return what `metrics.json` says of one part: before and after temperature and balance.

    The last group is what the int8 model's coarse output leaves of it, by the device's own code:
    its rounding to 1/256 comes before the temperature.

    Args:
        answers: The network's own outputs, as `complete` takes them.
        truth: int64, shape (N,).
        temperature: Fitted on the validation part.
        shift: What the device adds to the logarithms afterwards, as `prior_shift` returns it.
    """
    fine, coarse = temper(complete(answers), temperature), on_device(answers, temperature)
    groups = {
        "before": complete(answers),
        "after": shifted(fine, shift) if shift else fine,
        "after_int8_steps": shifted(coarse, shift) if shift else coarse,
    }
    return {"n": len(truth), **{name: _figures(p, truth) for name, p in groups.items()}}


def _figures(probabilities: Probabilities, truth: NDArray[np.int64]) -> dict[str, Any]:
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    return {
        "ece": round(calibration_error(confidence, right), 4),
        "nll": round(negative_log_likelihood(probabilities, truth), 4),
        "bins": [each.to_json() for each in reliability(confidence, right)],
    }
