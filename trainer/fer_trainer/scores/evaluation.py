"""Scores of predictions against labels: plain numpy, no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared import statistics as shares


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share with its 95 % interval.

    Attributes:
        value: Between 0 and 1.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    value: float
    low: float
    high: float

    def rounded(self) -> list[float]:
        """Return the interval as `metrics.json` holds it."""
        return [round(self.low, 4), round(self.high, 4)]


@dataclass(frozen=True, slots=True)
class LabelScore:
    """How well one label is found.

    Attributes:
        label: Its name.
        n: Pictures that carry it.
        predicted: Pictures it was given to.
        precision: Share of `predicted` that carry it; None where it was never given.
        recall: Share of `n` that were found; None where no picture carries it.
        f1: Harmonic mean of both; None where both are missing.
    """

    label: str
    n: int
    predicted: int
    precision: Share | None
    recall: Share | None
    f1: Share | None


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How well predictions fit labels.

    Attributes:
        labels: Names in the order of the label indices.
        confusion: int64, shape (labels, labels); row: true label, column: predicted label.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Number of pictures."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures whose label was predicted."""
        return float(np.trace(self.confusion) / max(1, self.n))

    @property
    def accuracy_interval(self) -> Share | None:
        """The accuracy with its interval; None without pictures."""
        return wilson(int(np.trace(self.confusion)), self.n)

    @property
    def recall(self) -> dict[str, float | None]:
        """Share of each label's pictures that were found; None for a label without pictures."""
        totals = self.confusion.sum(axis=1)
        return {
            label: float(self.confusion[i, i] / totals[i]) if totals[i] else None
            for i, label in enumerate(self.labels)
        }

    @property
    def macro_recall(self) -> float:
        """Mean recall of the labels that have pictures."""
        present = [recall for recall in self.recall.values() if recall is not None]
        return float(np.mean(present)) if present else 0.0

    def by_label(self) -> tuple[LabelScore, ...]:
        """Return precision, recall and F1 of each label, with intervals."""
        carried, given = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return tuple(
            _label_score(label, int(self.confusion[i, i]), int(carried[i]), int(given[i]))
            for i, label in enumerate(self.labels)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the keys of `fer-edge evaluate`, as far as they concern any model, and more."""
        whole, by_label = self.accuracy_interval, self.by_label()

        def figures(name: str) -> dict[str, Share | None]:
            return {score.label: getattr(score, name) for score in by_label}

        def values(name: str) -> dict[str, float | None]:
            return {k: None if s is None else round(s.value, 4) for k, s in figures(name).items()}

        def intervals(name: str) -> dict[str, list[float] | None]:
            return {k: None if s is None else s.rounded() for k, s in figures(name).items()}

        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 4),
            "accuracy_interval": None if whole is None else whole.rounded(),
            "macro_recall": round(self.macro_recall, 4),
            "recall": values("recall"),
            "precision": values("precision"),
            "f1": values("f1"),
            "intervals": {name: intervals(name) for name in ("recall", "precision", "f1")},
            "confusion": self.confusion.tolist(),
            "labels": list(self.labels),
        }


def scores_from_json(figures: dict[str, Any]) -> Scores:
    """Return the scores that `Scores.to_json` wrote; only labels and confusion are read."""
    confusion = np.array(figures["confusion"], dtype=np.int64)
    return Scores(tuple(figures["labels"]), confusion)


def wilson(successes: int, n: int) -> Share | None:
    """Return a share with its 95 % interval after Wilson; None where `n` is 0.

    Source: `fer_edge.shared.statistics`.
    """
    if n == 0:
        return None
    return Share(successes / n, *shares.wilson(successes, n))


def _label_score(label: str, found: int, carried: int, given: int) -> LabelScore:
    # F1 = 2J / (1 + J), where J is the share of found among all that carry the label or were
    # given it: a share like any other, so its interval gives that of F1.
    union = wilson(found, carried + given - found)
    f1 = None
    if union is not None:
        f1 = Share(*(2 * j / (1 + j) for j in (union.value, union.low, union.high)))
    return LabelScore(label, carried, given, wilson(found, given), wilson(found, carried), f1)


def choose(
    probabilities: NDArray[np.floating[Any]], *, threshold: float = 0.5
) -> NDArray[np.int64]:
    """Return the label index that a network's answer means: int64, shape (N,).

    Args:
        probabilities: Shape (N, labels), or (N, 1): the probability of the second of two labels.
        threshold: From which probability a single output says the second label.
    """
    if probabilities.shape[1] == 1:
        return np.asarray(probabilities[:, 0] >= threshold, dtype=np.int64)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)


def score(
    probabilities: NDArray[np.floating[Any]],
    truth: NDArray[np.int64],
    labels: Sequence[str],
    *,
    threshold: float = 0.5,
) -> Scores:
    """Compare a network's answers with the truth.

    Args:
        probabilities: Shape (N, labels), or (N, 1): the probability of the second of two labels.
        truth: int64, shape (N,).
        labels: Names in the order of the label indices.
        threshold: From which probability a single output says the second label.
    """
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (truth, choose(probabilities, threshold=threshold)), 1)
    return Scores(tuple(labels), confusion)
