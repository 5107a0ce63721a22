"""How common each expression is: in training, and where a device looks.

A network answers as if expressions were as common as in its training pictures. Where they are not,
each probability is multiplied by the quotient of the two shares; in logarithms that is a sum.

Source: Saerens et al., Adjusting the Outputs of a Classifier to New a Priori Probabilities, 2002.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.errors import SettingsError
from fer_edge.shared.labels import LABEL_SETS, find_label
from fer_edge.shared.model.contract import ModelContract

_RAREST: Final = 1e-6
"""What a share of nothing counts as: its label is given when no other is possible."""


def shares_of(contract: ModelContract) -> tuple[float, ...]:
    """Return the labels' shares in training, in the model's order.

    Where the contract says nothing, those of the shipped label set with these labels; alike for
    all where there is none.
    """
    known = contract.class_shares
    for given in LABEL_SETS.values():
        if not known and set(given.labels) == set(contract.labels):
            known = dict(zip(given.labels, given.shares, strict=True))
    alike = 1 / len(contract.labels)
    return tuple(known.get(label, alike) for label in contract.labels)


def balanced_shares(shares: Sequence[float], balance: float) -> tuple[float, ...]:
    """Return shares between those given (0) and all alike (1), their weighted mean.

    The mean lifts the rare ones and hardly moves the others: docs/decisions/0020-baselines.md.
    """
    return tuple((1 - balance) * share + balance / len(shares) for share in shares)


def prior_shift(
    contract: ModelContract, *, balance: float, prior: Mapping[str, float] | None = None
) -> tuple[float, ...]:
    """Return what is added to the logarithm of each probability, in the model's order.

    Nothing is for a binary model: its threshold was chosen for its answers as they are.

    Args:
        contract: Of the model.
        balance: 0 leaves the answers as trained, 1 takes all labels as equally common.
        prior: Shares where the device looks, by label; the others divide the rest among them as
            `balance` says.

    Raises:
        SettingsError: Shares of labels that the model does not know, or that make no whole.
    """
    if contract.task == "binary":
        return (0.0,) * len(contract.labels)
    shares = shares_of(contract)
    wanted = balanced_shares(shares, balance)
    if prior:
        wanted = _with_known(contract.labels, wanted, _by_label(contract.labels, prior))
    return tuple(
        math.log(max(there, _RAREST) / share) for there, share in zip(wanted, shares, strict=True)
    )


def shifted(probabilities: NDArray[np.float64], shift: Sequence[float]) -> NDArray[np.float64]:
    """Return probabilities with a shift of their logarithms; shape (N, labels) or (labels,)."""
    values = probabilities * np.exp(np.asarray(shift))
    total = values.sum(axis=-1, keepdims=True)
    result: NDArray[np.float64] = values / np.maximum(total, 1e-300)
    return result


def _by_label(labels: Sequence[str], prior: Mapping[str, float]) -> dict[str, float]:
    """Return shares by the model's own labels; what it has no label for keeps its name."""
    places = {name: find_label(labels, name) for name in prior}
    return {
        name if (place := places[name]) is None else labels[place]: share
        for name, share in prior.items()
    }


def _with_known(
    labels: Sequence[str], shares: Sequence[float], prior: Mapping[str, float]
) -> tuple[float, ...]:
    foreign = [label for label in prior if label not in labels]
    told, others = sum(prior.values()), [label for label in labels if label not in prior]
    whole = told <= 1 if others else abs(told - 1) <= 0.01
    if foreign or not whole:
        why = f"the model knows no {foreign[0]}" if foreign else f"the shares sum to {told:g}"
        raise SettingsError(
            f"expression.prior = {dict(prior)}: {why}",
            expected="shares of " + ", ".join(labels) + ", at most 1 in all",
            fix="correct it, or leave it out",
        )
    rest = sum(share for label, share in zip(labels, shares, strict=True) if label in others)
    return tuple(
        prior[label] if label in prior else (1 - told) * share / rest
        for label, share in zip(labels, shares, strict=True)
    )
