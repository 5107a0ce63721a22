"""Score a network's answers, and keep the figures in `metrics.json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fer_edge.shared import scores
from fer_edge.shared.chance import find_remarks
from fer_edge.shared.scores import Scores, Share


def scores_to_json(found: Scores) -> dict[str, Any]:
    """Return the keys of `fer-edge evaluate`, as far as they concern any model, and more."""

    def values(name: str) -> dict[str, float | None]:
        return {k: None if s is None else round(s.value, 4) for k, s in shares(name).items()}

    def intervals(name: str) -> dict[str, list[float] | None]:
        return {k: None if s is None else s.interval.rounded(4) for k, s in shares(name).items()}

    def shares(name: str) -> dict[str, Share | None]:
        return {score.label: getattr(score, name) for score in by_label}

    by_label = found.by_label()
    return {
        "n": found.n,
        "accuracy": round(found.accuracy, 4),
        "accuracy_interval": found.accuracy_interval.rounded(4) if found.n else None,
        "macro_recall": round(found.macro_recall, 4),
        "recall": values("recall"),
        "precision": values("precision"),
        "f1": values("f1"),
        "intervals": {name: intervals(name) for name in ("recall", "precision", "f1")},
        "confusion": found.confusion.tolist(),
        "labels": list(found.labels),
        "remarks": list(find_remarks(found)),
    }


def scores_from_json(figures: dict[str, Any]) -> Scores:
    """Return the scores that `scores_to_json` wrote; only labels and confusion are read."""
    return Scores(tuple(figures["labels"]), np.array(figures["confusion"], dtype=np.int64))


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
    return scores.score(truth, choose(probabilities, threshold=threshold), labels)
