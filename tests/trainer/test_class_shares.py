"""The shares of classes in training, as the contract carries them."""

import numpy as np
import pytest

from fer_edge.shared.data.samples import Samples
from fer_trainer.training.measurement import class_shares


def some_samples(labels: list[int], soft: np.ndarray | None = None) -> Samples:
    count = len(labels)
    return Samples(
        pictures=np.zeros((count, 4, 4), np.uint8),
        labels=np.array(labels, np.int64),
        names=tuple(map(str, range(count))),
        soft=soft,
    )


def test_labels_are_counted() -> None:
    assert class_shares(some_samples([0, 0, 0, 2]), 3) == pytest.approx((0.75, 1e-6, 0.25))


def test_of_votes_the_sum_counts() -> None:
    soft = np.array([[0.6, 0.4], [0.8, 0.2]], np.float32)
    assert class_shares(some_samples([0, 0], soft), 2) == pytest.approx((0.7, 0.3))
