"""What `metrics.json` says of a trained network; the one place that looks at the test part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.data.samples import Samples
from fer_edge.shared.model.contract import LEAST_PROBABILITY
from fer_edge.shared.model.priors import balanced_shares, shifted
from fer_edge.shared.statistics import BINS
from fer_trainer.data.splitting import SplitData
from fer_trainer.network.cost import network_cost
from fer_trainer.recipe.settings import Recipe
from fer_trainer.scores.calibration import (
    calibration_figures,
    choose_balance,
    choose_least_probability,
    complete,
    fit_temperature,
    temper,
    temper_threshold,
)
from fer_trainer.scores.evaluation import score, scores_to_json
from fer_trainer.training.loop import predict


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A network's figures and the answers they were made from.

    Attributes:
        metrics: As `metrics.json` holds them.
        answers: The network's own outputs, float32, shape (N, outputs), by part: validation and,
            where there is one, test.
        temperature: Fitted on the validation part.
        threshold: Of a binary network, on tempered probabilities.
        least_probability: From which a label should be given; of the validation part too.
        class_shares: Of each label in training.
        balance: How far answers should be freed of them; of the validation part too.
    """

    metrics: dict[str, Any]
    answers: Mapping[str, NDArray[np.float32]]
    temperature: float
    threshold: float
    least_probability: float
    class_shares: dict[str, float]
    balance: float


def measure(network: Any, recipe: Recipe, split: SplitData) -> Measured:
    """Score the final weights.

    Args:
        network: From raw float pixels to probabilities.
        recipe: It was trained with.
        split: Validation fits the temperature, by the pictures on which people agree; test is
            looked at here and nowhere else.
    """
    threshold = recipe.binary_threshold() or 0.5
    parts = {"validation": split.val} | ({} if split.test is None else {"test": split.test})
    answers = {name: predict(network, samples.pictures) for name, samples in parts.items()}
    agreed = split.val.agreed()
    said, truth = complete(answers["validation"][agreed]), split.val.labels[agreed]
    temperature, least, balance = fit_temperature(said, truth), LEAST_PROBABILITY, 0.0
    shift: list[float] = []
    shares = class_shares(
        split.train, len(recipe.label_names), adjusted=recipe.training.logit_adjustment
    )
    if recipe.binary_threshold() is None:
        balance = choose_balance(temper(said, temperature), truth, shares)
        shift = np.log(np.array(balanced_shares(shares, balance)) / shares).tolist()
        temperature = fit_temperature(said, truth, shift=shift)
        least = choose_least_probability(shifted(temper(said, temperature), shift), truth)

    def scores(name: str, chosen: NDArray[Any] | slice = slice(None)) -> dict[str, Any]:
        given, truth = answers[name][chosen], parts[name].labels[chosen]
        return scores_to_json(score(given, truth, recipe.label_names, threshold=threshold))

    cost = network_cost(network)
    metrics: dict[str, Any] = {
        "labels": list(recipe.label_names),
        "parameters": cost.parameters,
        "macs": cost.macs,
        "validation": scores("validation"),
        "test": None,
        "test_without_train_copies": None,
        "test_copies_of_train": int(split.test_copies.sum()),
        "calibration": calibrate(answers, parts, temperature, shift=shift),
        "least_probability": least,
        "balance": balance,
        "class_shares": dict(zip(recipe.label_names, shares, strict=True)),
        "data": summarise(split, recipe.label_names),
    }
    if split.test is not None:
        metrics["test"] = scores("test")
        metrics["test_without_train_copies"] = scores("test", ~split.test_copies)
    return Measured(
        metrics,
        answers,
        temperature,
        temper_threshold(threshold, temperature),
        least,
        metrics["class_shares"],
        balance,
    )


def class_shares(train: Samples, count: int, *, adjusted: float = 0.0) -> tuple[float, ...]:
    """Return the shares of labels that a network's answers go by.

    Args:
        train: What it was fitted to; soft labels count by their sum.
        count: Of labels.
        adjusted: `training.logit_adjustment`, which takes the shares out of what is learnt.
    """
    if train.soft is not None:
        sums = train.soft.sum(axis=0, dtype=np.float64)
    else:
        sums = np.bincount(train.labels, minlength=count).astype(np.float64)
    # A label that nobody gave is rare, and no error.
    shares = np.maximum(sums / sums.sum(), 1e-6) ** (1 - adjusted)
    return tuple(float(share) for share in np.maximum(np.round(shares / shares.sum(), 6), 1e-6))


def calibrate(
    answers: Mapping[str, NDArray[np.float32]],
    parts: Mapping[str, Samples],
    temperature: float,
    *,
    shift: Sequence[float] = (),
) -> dict[str, Any]:
    """Return the calibration figures of every part, of the pictures on which people agree.

    Args:
        answers: The network's outputs by part.
        parts: The pictures by part.
        temperature: Fitted on the validation part.
        shift: By which a device balances what is tempered.
    """
    figures = {
        name: calibration_figures(
            answers[name][agreed], samples.labels[agreed], temperature, shift=shift
        )
        for name, samples in parts.items()
        for agreed in (samples.agreed(),)
    }
    return {"temperature": temperature, "fitted_on": "validation", "bins": BINS, **figures}


def summarise(split: SplitData, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return what a run says of its data."""
    return {
        "name": split.origin.name,
        "content_sha256": split.origin.content_sha256,
        "counts": {part: samples.counts(labels) for part, samples in split.parts().items()},
        "unreadable": len(split.origin.unreadable),
        "skipped": {reason: len(names) for reason, names in split.origin.skipped.items()},
        "other_labels": dict(split.origin.other_labels),
        "votes": asdict(split.origin)["votes"],
        "left_out_of_train": len(split.left_out),
        "test_copies_of_train": int(split.test_copies.sum()),
    }
