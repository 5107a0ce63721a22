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
    assert class_shares(some_samples([0, 0, 0, 2]), 3) == pytest.approx((0.75, 0, 0.25), abs=1e-5)


def test_of_votes_the_sum_counts() -> None:
    soft = np.array([[0.6, 0.4], [0.8, 0.2]], np.float32)
    assert class_shares(some_samples([0, 0], soft), 2) == pytest.approx((0.7, 0.3))


def test_a_network_taught_without_the_shares_does_not_answer_by_them() -> None:
    assert class_shares(some_samples([0, 0, 0, 1]), 2, adjusted=1.0) == pytest.approx((0.5, 0.5))
