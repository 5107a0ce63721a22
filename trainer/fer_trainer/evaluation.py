"""Scores of predictions against labels: plain numpy, no framework."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


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

    def to_json(self) -> dict[str, Any]:
        """Return the keys of `fer-edge evaluate`, as far as they concern any model."""
        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 4),
            "macro_recall": round(self.macro_recall, 4),
            "recall": {
                label: None if recall is None else round(recall, 4)
                for label, recall in self.recall.items()
            },
            "confusion": self.confusion.tolist(),
            "labels": list(self.labels),
        }


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
    if probabilities.shape[1] == 1:
        predicted = (probabilities[:, 0] >= threshold).astype(np.int64)
    else:
        predicted = probabilities.argmax(axis=1).astype(np.int64)
    confusion = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    return Scores(tuple(labels), confusion)
