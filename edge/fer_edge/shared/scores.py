"""How well answers fit labels: everything that follows from a confusion matrix."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared.statistics import Interval, wilson


@dataclass(frozen=True, slots=True)
class Share:
    """A measured share, between 0 and 1, with its interval."""

    value: float
    interval: Interval


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
    """How well answers fit labels.

    Attributes:
        labels: Names in the order of the label indices.
        confusion: int64, shape (labels, labels); row: true label, column: label given.
    """

    labels: tuple[str, ...]
    confusion: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Pictures judged."""
        return int(self.confusion.sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures that were given their own label; 0 without pictures."""
        return float(np.trace(self.confusion) / max(1, self.n))

    @property
    def accuracy_interval(self) -> Interval:
        """The accuracy's interval."""
        return wilson(int(np.trace(self.confusion)), self.n)

    @property
    def recall(self) -> dict[str, float]:
        """Share of its pictures that were found, for each label that has pictures."""
        return {score.label: score.recall.value for score in self.by_label() if score.recall}

    @property
    def recall_intervals(self) -> dict[str, Interval]:
        """The intervals of `recall`."""
        return {score.label: score.recall.interval for score in self.by_label() if score.recall}

    @property
    def macro_recall(self) -> float:
        """Mean of the recalls: every label counts the same, however rare; 0 without pictures."""
        return float(np.mean(list(self.recall.values()))) if self.n else 0.0

    def by_label(self) -> tuple[LabelScore, ...]:
        """Return precision, recall and F1 of each label."""
        carried, given = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        return tuple(
            _label_score(label, int(self.confusion[i, i]), int(carried[i]), int(given[i]))
            for i, label in enumerate(self.labels)
        )


def score(truth: NDArray[np.int64], chosen: NDArray[np.int64], labels: Sequence[str]) -> Scores:
    """Compare answers with the truth.

    Args:
        truth: Label index of each picture; int64, shape (N,).
        chosen: Label index that it was given; int64, shape (N,).
        labels: Names in the order of the label indices.
    """
    confusion = np.zeros((len(labels), len(labels)), np.int64)
    np.add.at(confusion, (truth, chosen), 1)
    return Scores(tuple(labels), confusion)


def _label_score(label: str, found: int, carried: int, given: int) -> LabelScore:
    # F1 = 2J / (1 + J), where J is the share of found among all that carry the label or were
    # given it: a share like any other, so its interval gives that of F1.
    f1 = None
    if union := _share(found, carried + given - found):
        value, low, high = (2 * j / (1 + j) for j in (union.value, *union.interval))
        f1 = Share(value, Interval(low, high))
    return LabelScore(label, carried, given, _share(found, given), _share(found, carried), f1)


def _share(successes: int, n: int) -> Share | None:
    return Share(successes / n, wilson(successes, n)) if n else None
