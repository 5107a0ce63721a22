import numpy as np
import pytest

from fer_trainer.scores.evaluation import Share, score, scores_from_json, wilson


def test_scores_by_hand() -> None:
    answers = np.array([[0.7, 0.2, 0.1], [0.4, 0.5, 0.1], [0.1, 0.8, 0.1], [0.6, 0.3, 0.1]])
    found = score(answers, np.array([0, 0, 1, 1]), ("angry", "happy", "sad"))
    assert found.confusion.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 0]]
    assert found.accuracy == 0.5
    assert found.recall == {"angry": 0.5, "happy": 0.5, "sad": None}
    assert found.macro_recall == 0.5
    assert set(found.to_json()) == {
        "n", "accuracy", "accuracy_interval", "macro_recall", "recall", "precision", "f1",
        "intervals", "confusion", "labels",
    }  # fmt: skip
    assert scores_from_json(found.to_json()).to_json() == found.to_json()


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # (k + z2/2 -+ z sqrt(k (n - k) / n + z2/4)) / (n + z2) with z = 1.96, worked out by hand
        (0, 10, 0.0, 0.2775),
        (1, 10, 0.0179, 0.4042),
        (5, 10, 0.2366, 0.7634),
        (10, 10, 0.7225, 1.0),
        (81, 263, 0.2553, 0.3662),
    ],
)
def test_wilson_by_hand(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert found is not None
    assert found.value == successes / n
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_there_is_no_share_of_nothing() -> None:
    assert wilson(0, 0) is None


def test_precision_and_f1_by_hand() -> None:
    # angry: 3 of 4 found, 3 of 5 rightly said; sad: neither there nor said.
    answers = np.eye(3)[[0, 0, 0, 1, 0, 0, 1]]
    angry, happy, sad = score(answers, np.array([0, 0, 0, 0, 1, 1, 1]), "ahs").by_label()
    assert (angry.n, angry.predicted) == (4, 5)
    assert angry.recall is not None
    assert angry.precision is not None
    assert angry.f1 is not None
    assert (angry.recall.value, angry.precision.value) == (0.75, 0.6)
    assert angry.f1.value == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))
    union = wilson(3, 6)
    assert union is not None
    assert angry.f1.low == pytest.approx(2 * union.low / (1 + union.low))
    assert angry.f1.low < angry.f1.value < angry.f1.high
    assert (sad.recall, sad.precision, sad.f1) == (None, None, None)
    assert happy.f1 is not None


def test_a_label_that_is_never_said_has_a_recall_and_no_precision() -> None:
    _, second = score(np.eye(2)[[0, 0]], np.array([0, 1]), "ab").by_label()
    assert second.recall == Share(0.0, 0.0, pytest.approx(0.7935, abs=1e-4))
    assert second.precision is None
    assert second.f1 is not None
    assert second.f1.value == 0.0
    found = score(np.eye(2)[[0, 0]], np.array([0, 1]), "ab").to_json()
    assert found["precision"] == {"a": 0.5, "b": None}
    assert found["intervals"]["precision"]["b"] is None


@pytest.mark.parametrize(("threshold", "recall"), [(0.5, 1.0), (0.7, 0.5)])
def test_a_single_output_is_the_probability_of_the_second_label(
    threshold: float, recall: float
) -> None:
    answers = np.array([[0.1], [0.6], [0.8]])
    found = score(answers, np.array([0, 1, 1]), ("sad", "happy"), threshold=threshold)
    assert found.recall == {"sad": 1.0, "happy": recall}
