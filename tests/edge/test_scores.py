"""Figures of a confusion matrix, worked out by hand."""

import numpy as np
import pytest

from fer_edge.shared.scores import Scores, Share, score
from fer_edge.shared.statistics import Interval, wilson

AHS = ("angry", "happy", "sad")


def test_rows_are_true_labels_and_a_label_without_pictures_has_no_recall():
    found = score(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 0]), AHS)
    assert found.confusion.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert (found.n, found.accuracy, found.macro_recall) == (4, 0.5, 0.5)
    assert found.recall == {"angry": 0.5, "happy": 0.5}
    assert found.recall_intervals == {"angry": wilson(1, 2), "happy": wilson(1, 2)}
    assert found.accuracy_interval == wilson(2, 4)


def test_macro_recall_weighs_classes_alike():
    found = score(np.array([0, 0, 0, 2]), np.array([0, 0, 0, 0]), AHS)
    assert (found.accuracy, found.macro_recall) == (0.75, 0.5)


def test_precision_and_f1_by_hand():
    # angry: 3 of 4 found, 3 of 5 rightly said; sad: neither there nor said.
    truth, chosen = np.array([0, 0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 0, 0, 1])
    angry, happy, sad = score(truth, chosen, AHS).by_label()
    assert (angry.label, angry.n, angry.predicted) == ("angry", 4, 5)
    assert angry.recall == Share(0.75, wilson(3, 4))
    assert angry.precision == Share(0.6, wilson(3, 5))
    assert angry.f1.value == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    union = wilson(3, 6)
    assert angry.f1.interval.low == pytest.approx(2 * union.low / (1 + union.low))
    assert angry.f1.interval.low < angry.f1.value < angry.f1.interval.high
    assert (sad.recall, sad.precision, sad.f1) == (None, None, None)
    assert happy.f1 is not None


def test_a_label_that_is_never_said_has_a_recall_and_no_precision():
    _, second = score(np.array([0, 1]), np.array([0, 0]), "ab").by_label()
    assert second.recall == Share(0.0, Interval(0.0, pytest.approx(0.7935, abs=1e-4)))
    assert second.precision is None
    assert second.f1.value == 0.0


def test_nothing_judged_is_nothing_known():
    found = Scores(AHS, np.zeros((3, 3), np.int64))
    assert (found.n, found.accuracy, found.macro_recall, found.recall) == (0, 0.0, 0.0, {})
    assert found.accuracy_interval == (0.0, 1.0)
